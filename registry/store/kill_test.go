package store_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/registry/store"
	. "github.com/least-privilege/lpm/registry/unpack/imagetest"
)

// onceVariable makes the test binary do one round of work on the store it
// names.
const onceVariable = "LPM_TEST_ONCE_STORE"

// once does everything that changes a store, once.
func once(dir, from string) error {
	ctx := context.Background()
	s, err := store.Open(dir, store.Options{})
	if err != nil {
		return err
	}
	images, err := s.Load(ctx, filepath.Join(from, "app.tar"))
	if err != nil {
		return fmt.Errorf("load: %w", err)
	}
	for _, img := range images {
		tr, err := s.Tree(ctx, img, store.Single)
		if err != nil {
			return fmt.Errorf("tree: %w", err)
		}
		if err := tr.Close(); err != nil {
			return err
		}
	}
	// An artifact, as it was written beside the archive.
	raw, err := os.ReadFile(filepath.Join(from, "artifact.json"))
	if err != nil {
		return err
	}
	var a struct {
		Descriptor v1.Descriptor
		Blobs      [][]byte
	}
	if err := json.Unmarshal(raw, &a); err != nil {
		return err
	}
	if err := s.AddReferrer(ctx, images[0].Digest, a.Descriptor, a.Blobs...); err != nil {
		return fmt.Errorf("attach: %w", err)
	}
	if err := s.SetQuota(1 << 40); err != nil {
		return err
	}
	if err := s.Remove(ctx, "old:1"); err != nil && !isGone(err) {
		return fmt.Errorf("remove: %w", err)
	}
	if _, err := s.Prune(ctx); err != nil {
		return fmt.Errorf("prune: %w", err)
	}
	return nil
}

// TestKillAtEveryWrite kills a process that works on a store before each call
// that changes a file, one after the other: each time the store is sound, holds
// what was finished, and the same work then succeeds.
func TestKillAtEveryWrite(t *testing.T) {
	from := t.TempDir()
	img := New(t, Plain(t, File("d/first", "1"), File("d/last", "2")))
	old := New(t, Plain(t, File("old", "3")))
	files := tarOf(t, LayoutFiles(t, []v1.Descriptor{img.Named("app:1"), old.Named("old:1")}, img, old))
	write(t, filepath.Join(from, "app.tar"), files)
	desc, blobs := artifact(t, img.Descriptor, "a note")
	raw, err := json.Marshal(map[string]any{"Descriptor": desc, "Blobs": blobs})
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(from, "artifact.json"), raw)
	step := 1
	if testing.Short() {
		step = 7
	}
	n := 1
	for ; ; n += step {
		dir := filepath.Join(t.TempDir(), "store")
		killed, output := killAt(t, n, onceVariable+"="+dir, onceVariable+"_SOURCE="+from)
		if !killed && output != "" {
			t.Fatalf("not killed: %s", output)
		}
		s := reopen(t, dir, store.Options{})
		if err := s.Verify(t.Context()); err != nil {
			t.Fatalf("killed before call %d: %v", n, err)
		}
		if err := once(dir, from); err != nil {
			t.Fatalf("after a kill before call %d: %v", n, err)
		}
		if found, err := s.Referrers(img.Descriptor.Digest); err != nil || len(found) != 1 {
			t.Fatalf("after a kill before call %d: %d artifacts, %v", n, len(found), err)
		}
		wantEmptyTemp(t, s)
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		if !killed {
			break
		}
	}
	if n < 40 {
		t.Errorf("the work makes %d calls that change something, which cannot be all", n)
	}
	t.Logf("killed before each of %d calls", n-1)
}

// killAt runs the test binary with the environment and kills it before its nth
// call that changes a file. It reports whether there was one, and what the
// process printed.
func killAt(t *testing.T, n int, env ...string) (killed bool, output string) {
	t.Helper()
	// Who traces is one thread.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	out, err := os.CreateTemp(t.TempDir(), "output")
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	pid, err := syscall.ForkExec(self, []string{self}, &syscall.ProcAttr{
		Env: append(os.Environ(), env...), Files: []uintptr{0, out.Fd(), out.Fd()}, Sys: &syscall.SysProcAttr{Ptrace: true},
	})
	if err != nil {
		t.Fatal(err)
	}
	var status unix.WaitStatus
	if _, err := unix.Wait4(pid, &status, 0, nil); err != nil {
		t.Fatal(err)
	}
	if err := unix.PtraceSetOptions(pid, unix.PTRACE_O_TRACECLONE|unix.PTRACE_O_TRACESYSGOOD|unix.PTRACE_O_EXITKILL); err != nil {
		t.Fatal(err)
	}
	for tid, signal := pid, 0; ; {
		// A thread that was killed meanwhile is told by waiting.
		_ = unix.PtraceSyscall(tid, signal)
		for {
			if tid, err = unix.Wait4(-1, &status, unix.WALL|unix.WNOTHREAD, nil); !errors.Is(err, unix.EINTR) {
				break
			}
		}
		if err != nil {
			t.Fatal(err)
		}
		signal = 0
		switch {
		case status.Exited() || status.Signaled():
			if tid != pid {
				continue
			}
			text, err := os.ReadFile(out.Name())
			if err != nil {
				t.Fatal(err)
			}
			return killed, strings.TrimSpace(string(text))
		case !status.Stopped():
		case status.StopSignal() == syscall.SIGTRAP|0x80:
			if changes(tid) {
				if n--; n == 0 {
					killed = true
					_ = unix.Kill(pid, unix.SIGKILL)
				}
			}
		case status.StopSignal() != syscall.SIGTRAP && status.StopSignal() != syscall.SIGSTOP:
			signal = int(status.StopSignal())
		}
	}
}

// changes reports whether a thread is about to make a call that can change a
// file.
func changes(tid int) bool {
	// struct ptrace_syscall_info, as far as entries go: ptrace(2).
	var info struct {
		op      uint8
		_       [3]uint8
		arch    uint32
		ip, sp  uint64
		nr      uint64
		args    [6]uint64
		padding [4]uint64
	}
	const entry = 1
	_, _, errno := unix.Syscall6(unix.SYS_PTRACE, unix.PTRACE_GET_SYSCALL_INFO, uintptr(tid), unsafe.Sizeof(info), uintptr(unsafe.Pointer(&info)), 0, 0)
	if errno != 0 || info.op != entry {
		return false
	}
	if info.nr == unix.SYS_OPENAT {
		return info.args[2]&(unix.O_CREAT|unix.O_TRUNC) != 0
	}
	return slices.Contains([]uint64{
		unix.SYS_WRITE, unix.SYS_PWRITE64, unix.SYS_WRITEV, unix.SYS_FTRUNCATE, unix.SYS_FSYNC, unix.SYS_FDATASYNC, unix.SYS_SYNCFS,
		unix.SYS_RENAMEAT, unix.SYS_RENAMEAT2, unix.SYS_MKDIRAT, unix.SYS_UNLINKAT, unix.SYS_LINKAT, unix.SYS_SYMLINKAT,
		unix.SYS_FCHMOD, unix.SYS_FCHMODAT, unix.SYS_FCHOWN, unix.SYS_FCHOWNAT, unix.SYS_UTIMENSAT,
	}, info.nr)
}
