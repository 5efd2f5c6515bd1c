package launch

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// TestOpenMemory: the memory of a process in a user namespace of the caller's
// is written to. Nothing is left of the child that has opened it.
func TestOpenMemory(t *testing.T) {
	sleep := exec.Command("sleep", "60")
	sleep.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}},
	}
	if err := sleep.Start(); err != nil {
		if os.Getenv("LPM_MUST_SANDBOX") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	defer func() { _, _ = sleep.Process.Kill(), sleep.Wait() }()
	pid := sleep.Process.Pid
	processes, open := children(t), descriptors(t)
	f, err := OpenMemory(pid)
	if err != nil {
		t.Fatal(err)
	}
	flags, err := unix.FcntlInt(f.Fd(), unix.F_GETFD, 0)
	if err != nil || flags&unix.FD_CLOEXEC == 0 {
		t.Errorf("the descriptor has the flags %#x, %v", flags, err)
	}
	at := stackOf(t, pid)
	if _, err := f.WriteAt([]byte("written"), at); err != nil {
		t.Error(err)
	}
	got := make([]byte, len("written"))
	remote := []unix.RemoteIovec{{Base: uintptr(at), Len: len(got)}}
	local := []unix.Iovec{{Base: &got[0], Len: uint64(len(got))}}
	if _, err := unix.ProcessVMReadv(pid, local, remote, 0); err != nil || !bytes.Equal(got, []byte("written")) {
		t.Errorf("the process has %q, %v", got, err)
	}
	f.Close()

	// Of this process's own namespace there is nothing to go to.
	var op *OpError
	if _, err := OpenMemory(os.Getpid()); !errors.As(err, &op) || op.Op.Call != "setns" || op.Errno != unix.EINVAL {
		t.Errorf("its own: %v", err)
	}
	if _, err := OpenMemory(1 << 30); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("of nobody: %v", err)
	}
	if p, o := children(t), descriptors(t); p != processes || o != open {
		t.Errorf("%d child processes and %d descriptors before, %d and %d after", processes, open, p, o)
	}
}

// stackOf returns the first address of a process's stack.
func stackOf(t *testing.T, pid int) int64 {
	t.Helper()
	maps, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/maps")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(maps)) {
		if start, _, _ := strings.Cut(line, "-"); strings.HasSuffix(line, "[stack]\n") {
			at, err := strconv.ParseInt(start, 16, 64)
			if err != nil {
				t.Fatal(err)
			}
			return at
		}
	}
	t.Fatal("a process without a stack")
	return 0
}
