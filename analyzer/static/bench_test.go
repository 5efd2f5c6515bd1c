package static

import (
	"debug/elf"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"
)

// BenchmarkScan looks at 200 MB of this machine's own programs and libraries,
// nothing kept from before, as an image of that size would be:
//
//	go test ./analyzer/static -run xxx -bench Scan -benchtime 1x
func BenchmarkScan(b *testing.B) {
	const size = 200 << 20
	var paths []string
	total := int64(0)
	for _, folder := range []string{"/usr/bin", "/usr/sbin", "/usr/lib", "/usr/local"} {
		_ = filepath.WalkDir(folder, func(p string, d fs.DirEntry, err error) error {
			if err != nil || total >= size || len(paths) >= maxFiles/2 || !d.Type().IsRegular() {
				return nil //nolint:nilerr // what cannot be read is left out
			}
			info, err := d.Info()
			if err != nil || info.Size() > size-total || !executable(p) {
				return nil //nolint:nilerr // as above
			}
			paths, total = append(paths, p), total+info.Size()
			return nil
		})
	}
	b.SetBytes(total)
	before := cpuTime(b)
	for b.Loop() {
		e, err := Scan("/", runtime.GOARCH, paths, "")
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(len(paths)), "files")
		b.ReportMetric(float64(len(e.Unknown)), "unknown")
	}
	// On a machine that does other things too, this is what is to be divided
	// by the number of processors.
	b.ReportMetric((cpuTime(b)-before).Seconds()/float64(b.N), "cpu-s/op")
}

// cpuTime is what this process has used of all processors.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func executable(p string) bool {
	f, err := os.Open(p)
	if err != nil {
		return false
	}
	defer f.Close()
	e, err := elf.NewFile(f)
	return err == nil && e.Class == elf.ELFCLASS64 && (e.Type == elf.ET_DYN || e.Type == elf.ET_EXEC)
}
