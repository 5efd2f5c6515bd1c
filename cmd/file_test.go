package cmd

import (
	"os"
	"os/signal"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

func TestWriteFile(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := writeFile(file, []byte("one")); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(file, 0o640); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink("file", link); err != nil {
		t.Fatal(err)
	}
	if err := writeFile(link, []byte("two")); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	info, _ := os.Lstat(link)
	if at, _ := os.Stat(file); string(text) != "two" || err != nil || info.Mode().Type() != os.ModeSymlink || at.Mode().Perm() != 0o640 {
		t.Errorf("%q, %v, the link is %v", text, err, info.Mode())
	}
	if err := writeFile(dir, nil); err == nil {
		t.Error("a folder was written to")
	}
	if err := writeFile(os.DevNull, []byte("x")); err != nil {
		t.Error(err)
	}
	if left, _ := os.ReadDir(dir); len(left) != 2 {
		t.Errorf("left behind: %v", left)
	}
}

// TestWriteFileOnAFullDisk: what was there before stays.
func TestWriteFileOnAFullDisk(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("before"), 0o600); err != nil {
		t.Fatal(err)
	}
	signal.Ignore(unix.SIGXFSZ)
	defer signal.Reset(unix.SIGXFSZ)
	// No file may grow beyond a few bytes, which a write to it meets halfway.
	var old unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_FSIZE, &old); err != nil {
		t.Fatal(err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: 100, Max: old.Max}); err != nil {
		t.Fatal(err)
	}
	err := writeFile(file, make([]byte, 1000))
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &old); err != nil {
		t.Fatal(err)
	}
	if text, _ := os.ReadFile(file); err == nil || string(text) != "before" {
		t.Errorf("%v, and the file has %d bytes", err, len(text))
	}
	if left, _ := os.ReadDir(dir); len(left) != 1 {
		t.Errorf("left behind: %v", left)
	}
}

func TestWritableFiles(t *testing.T) {
	dir := t.TempDir()
	there := filepath.Join(dir, "there")
	if err := os.WriteFile(there, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		names []string
		ok    bool
	}{
		{[]string{there, filepath.Join(dir, "new"), ""}, true},
		{[]string{os.DevNull, os.DevNull}, true},
		{[]string{dir}, false},
		{[]string{filepath.Join(dir, "none", "x")}, false},
		{[]string{there, filepath.Join(dir, ".", "there")}, false},
		{[]string{"/proc/version"}, os.Geteuid() == 0 && unix.Access("/proc/version", unix.W_OK) == nil},
	} {
		if err := writableFiles(test.names...); (err == nil) != test.ok {
			t.Errorf("%q: %v", test.names, err)
		}
	}
}
