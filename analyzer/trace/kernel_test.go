package trace

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/analyzer/evidence"
	"github.com/least-privilege/lpm/analyzer/record"
	"github.com/least-privilege/lpm/enforcer/plan"
	"github.com/least-privilege/lpm/manifest"
)

// privileged leaves a test out that only root can run; the kernel tests run
// as root too.
func privileged(t *testing.T) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("the ebpf recorder takes root")
	}
}

func options() record.Options {
	all := []plan.IDMap{{Size: 1<<32 - 1}}
	return record.Options{
		Image:        evidence.Image{Digest: "sha256:" + strings.Repeat("0", 64)},
		Architecture: runtime.GOARCH, Kernel: "6.18", Network: manifest.NetworkHost, Mode: manifest.IdentityRange,
		Identity: plan.Identity{UIDs: all, GIDs: all},
	}
}

// recorded runs a script of the shell and returns what was recorded of it.
func recorded(t *testing.T, n sizes, script string) *evidence.Record {
	t.Helper()
	privileged(t)
	r, err := New(options())
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	r.sizes = n
	// What is before exec is not the container's: not the call that stops it
	// either.
	cmd := exec.Command("sh", "-c", `kill -STOP $$; exec sh -c "$0"`, script)
	cmd.Dir, cmd.Stderr = t.TempDir(), os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	stopped(t, cmd.Process.Pid)
	if err := r.Watch(cmd.Process.Pid); err != nil {
		var refused *ebpf.VerifierError
		if errors.As(err, &refused) {
			t.Fatalf("%+v", refused)
		}
		t.Fatal(err)
	}
	if err := cmd.Process.Signal(unix.SIGCONT); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	var pid uint32
	var left task
	if all := r.maps.tasks.Iterate(); all.Next(&pid, &left) || all.Err() != nil {
		t.Errorf("process %d has not been forgotten: %+v, %v", pid, left, all.Err())
	}
	var still int64
	if err := r.maps.counters.Lookup(uint32(alive), &still); err != nil || still != 0 {
		t.Errorf("%d processes and threads are taken to be there still, %v", still, err)
	}
	seen, err := r.Record()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := seen.Encode(); err != nil {
		t.Error(err)
	}
	return seen
}

// stopped waits until a process has been stopped.
func stopped(t *testing.T, pid int) {
	t.Helper()
	for range 500 {
		stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if _, state, _ := strings.Cut(string(stat), ") "); strings.HasPrefix(state, "T") {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("the process did not stop")
}

func count(r *evidence.Record, name string) uint64 {
	for _, c := range r.Calls {
		if c.Name == name {
			return c.Count
		}
	}
	return 0
}

// TestAsRootPeak: all processes that there were at a time are counted, however
// short that was, and no others.
func TestAsRootPeak(t *testing.T) {
	r := recorded(t, enough(), `mkfifo f; exec 3<>f
for i in $(seq 20); do read x <&3 & done
for i in $(seq 20); do echo >&3; done
wait
for i in $(seq 40); do true | true; done`)
	// The shell, twenty that wait for a line, and the second seq.
	if r.Lost > 0 || r.Peaks.PIDs != 22 {
		t.Errorf("lost %d, at most %d processes at a time, not 22", r.Lost, r.Peaks.PIDs)
	}
}

func TestAsRootCounts(t *testing.T) {
	r := recorded(t, enough(), "for i in $(seq 30); do mkdir d; rmdir d; done; kill -0 $$")
	if r.Lost > 0 || len(r.Truncated) > 0 {
		t.Fatalf("lost %d, truncated %v", r.Lost, r.Truncated)
	}
	for name, want := range map[string]uint64{"mkdir": 30, "rmdir": 30, "execve": 61, "kill": 1} {
		if got := count(r, name); got != want {
			t.Errorf("%s was counted %d times, want %d", name, got, want)
		}
	}
	at := slices.IndexFunc(r.Files, func(f evidence.File) bool { return strings.HasSuffix(f.Path, "/d") })
	if at < 0 || r.Files[at].Count != 60 || !slices.Equal(r.Files[at].Access, []evidence.Access{evidence.MakeDir, evidence.Remove}) || len(r.Files[at].Programs) != 2 {
		t.Errorf("files %+v", r.Files)
	}
}

// What does not fit is counted as lost, and so not proposed from, whichever
// map it is; what has fitted is still there.
func TestAsRootFullMapsAreLosses(t *testing.T) {
	const script = "for i in $(seq 300); do : >file$i; done; for i in 1 2 3 4 5 6 7 8; do true & done; wait"
	for name, shrink := range map[string]func(*sizes){
		"calls":     func(n *sizes) { n.counts = 4 },
		"processes": func(n *sizes) { n.tasks = 1 },
	} {
		t.Run(name, func(t *testing.T) {
			n := enough()
			shrink(&n)
			if r := recorded(t, n, script); r.Lost == 0 || len(r.Calls) == 0 {
				t.Errorf("lost %d, %d calls", r.Lost, len(r.Calls))
			}
		})
	}
	// Names are sent again and again where they cannot be remembered, and
	// arrive as long as the buffer has room.
	t.Run("names", func(t *testing.T) {
		n := enough()
		n.names = 8
		r := recorded(t, n, script)
		made := 0
		for _, f := range r.Files {
			if strings.Contains(f.Path, "/file") {
				made++
			}
		}
		if r.Lost > 0 || made != 300 {
			t.Errorf("lost %d, %d files", r.Lost, made)
		}
	})
}

// A buffer that nobody empties runs full, and what comes then is counted.
func TestAsRootFullBufferIsALoss(t *testing.T) {
	privileged(t)
	r, err := New(options())
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	r.sizes.ring = uint32(os.Getpagesize())
	cmd := exec.Command("sh", "-c", `kill -STOP $$; exec sh -c 'for i in $(seq 500); do : >file$i; done'`)
	cmd.Dir = t.TempDir()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stopped(t, cmd.Process.Pid)
	if err := r.Watch(cmd.Process.Pid); err != nil {
		t.Fatal(err)
	}
	r.mu.Lock() // whoever takes events out waits here
	err = errors.Join(cmd.Process.Signal(syscall.SIGCONT), cmd.Wait())
	r.mu.Unlock()
	if err != nil {
		t.Fatal(err)
	}
	if seen, err := r.Record(); err != nil || seen.Lost == 0 {
		t.Errorf("record %+v, error %v", seen, err)
	}
}

// A record can be had while the container runs, and counts on from there.
func TestAsRootRecordMeanwhile(t *testing.T) {
	privileged(t)
	r, err := New(options())
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	cmd := exec.Command("sh", "-c", `kill -STOP $$; exec sh -c 'mkdir a; rmdir a; kill -STOP $$; mkdir a; rmdir a'`)
	cmd.Dir = t.TempDir()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stopped(t, cmd.Process.Pid)
	if err := r.Watch(cmd.Process.Pid); err != nil {
		t.Fatal(err)
	}
	for _, want := range []uint64{1, 2} {
		if err := cmd.Process.Signal(syscall.SIGCONT); err != nil {
			t.Fatal(err)
		}
		if want == 1 {
			for range 500 { // it is stopped still, until the signal has come
				if seen, err := r.Record(); err != nil {
					t.Fatal(err)
				} else if count(seen, "kill") == 1 {
					break
				}
				time.Sleep(10 * time.Millisecond)
			}
		} else if err := cmd.Wait(); err != nil {
			t.Fatal(err)
		}
		seen, err := r.Record()
		if err != nil || count(seen, "mkdir") != want {
			t.Errorf("mkdir was counted %d times, want %d; error %v", count(seen, "mkdir"), want, err)
		}
		again, err := r.Record()
		if err != nil || count(again, "mkdir") != want {
			t.Errorf("the second time it was %d", count(again, "mkdir"))
		}
	}
}

// TestPrivilege takes one capability after the other from the thread.
func TestPrivilege(t *testing.T) {
	refused := func(t *testing.T, missing string) {
		t.Helper()
		var access *AccessError
		if err := Check(); !errors.As(err, &access) || !strings.Contains(err.Error(), missing) || !strings.Contains(access.Hint(), "seccomp") {
			t.Errorf("error: %v", err)
		}
	}
	if os.Getuid() != 0 {
		refused(t, "CAP_BPF")
		if _, err := New(options()); err == nil {
			t.Error("there is a recorder without privilege")
		}
		return
	}
	if err := Check(); err != nil {
		t.Fatal(err)
	}
	for name, bits := range map[string][]int{
		"CAP_BPF": {unix.CAP_BPF, unix.CAP_SYS_ADMIN}, "CAP_PERFMON": {unix.CAP_PERFMON, unix.CAP_SYS_ADMIN}, "CAP_SYS_PTRACE": {unix.CAP_SYS_PTRACE},
	} {
		done := make(chan struct{})
		go func() {
			defer close(done)
			runtime.LockOSThread() // for good: the thread ends with what it has lost
			header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
			var data [2]unix.CapUserData
			if err := unix.Capget(&header, &data[0]); err != nil {
				t.Error(err)
				return
			}
			for _, bit := range bits {
				data[bit/32].Effective &^= 1 << (bit % 32)
			}
			if err := unix.Capset(&header, &data[0]); err != nil {
				t.Error(err)
				return
			}
			refused(t, name)
		}()
		<-done
	}
}

// The verifier gives up after a million instructions; other versions of the
// kernel take more of them than this one for the same program.
func TestAsRootProgramsAreSmall(t *testing.T) {
	privileged(t)
	r, err := New(options())
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if err := r.Watch(os.Getpid()); err != nil {
		t.Fatal(err)
	}
	const most = 250_000
	for _, p := range r.kernel.programs {
		info, err := p.Info()
		if err != nil {
			t.Fatal(err)
		}
		n, ok := info.VerifiedInstructions()
		if ok && n > most {
			t.Errorf("%s takes the verifier %d instructions", info.Name, n)
		}
	}
}
