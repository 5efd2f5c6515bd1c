package supervise

import (
	"os"
	"os/exec"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// look calls a function about a call for listen(2) that waits, of a thread with
// the descriptor.
func look(t *testing.T, fd int, f func(*Call)) {
	t.Helper()
	th := newThread(t, "listen")
	looked := false
	end := th.serve(t.Context(), policyOf(func(c *Call) Verdict {
		looked = true
		f(c)
		return Verdict{Errno: unix.ENOTTY}
	}))
	if _, errno := th.call("listen", uintptr(fd), 1); errno != unix.ENOTTY {
		t.Errorf("the call: %v", errno)
	}
	if _, err := end(); err != nil {
		t.Error(err)
	}
	if !looked {
		t.Error("nobody was asked")
	}
}

type policyOf func(*Call) Verdict

func (f policyOf) Decide(c *Call) Verdict { return f(c) }

// TestSole: a socket with another descriptor, or in an epoll set, cannot be
// replaced, nor one of which that cannot be found out.
func TestSole(t *testing.T) {
	for _, test := range []struct {
		name string
		with func(t *testing.T, fd int)
		want bool
	}{
		{"alone", func(*testing.T, int) {}, true},
		{"with a copy", func(t *testing.T, fd int) { closeLater(t)(unix.Dup(fd)) }, false},
		{"with a copy that is closed", func(t *testing.T, fd int) {
			if copied, err := unix.Dup(fd); err != nil || unix.Close(copied) != nil {
				t.Fatal(err)
			}
		}, true},
		{"in an epoll set", func(t *testing.T, fd int) { watch(t, fd, unix.EPOLL_CTL_ADD) }, false},
		{"out of an epoll set again", func(t *testing.T, fd int) { watch(t, fd, unix.EPOLL_CTL_ADD, unix.EPOLL_CTL_DEL) }, true},
		{"beside an epoll set for another", func(t *testing.T, _ int) { watch(t, stream(t, unix.AF_INET), unix.EPOLL_CTL_ADD) }, true},
		{"of too many", func(t *testing.T, _ int) {
			for range 2 * maxDescriptors {
				closeLater(t)(unix.Dup(0))
			}
		}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			fd := stream(t, unix.AF_INET)
			test.with(t, fd)
			look(t, fd, func(c *Call) {
				if got := c.sole(true); got != test.want {
					t.Errorf("the only one: %t, want %t", got, test.want)
				}
			})
		})
	}
}

func closeLater(t *testing.T) func(fd int, err error) int {
	return func(fd int, err error) int {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { unix.Close(fd) })
		return fd
	}
}

func watch(t *testing.T, fd int, do ...int) {
	t.Helper()
	set := closeLater(t)(unix.EpollCreate1(unix.EPOLL_CLOEXEC))
	for _, op := range do {
		if err := unix.EpollCtl(set, op, fd, &unix.EpollEvent{Events: unix.EPOLLIN}); err != nil {
			t.Fatal(err)
		}
	}
}

// TestSoleRefused: where the kernel does not compare descriptors, as for want
// of the right to look at the process, none is known to be the only one.
func TestSoleRefused(t *testing.T) {
	fd := stream(t, unix.AF_INET)
	child := waitingChild(t, -1)
	look(t, fd, func(c *Call) {
		done := make(chan struct{})
		go onThread(func() {
			defer close(done)
			if errno := refuseCompare(); errno != 0 {
				t.Errorf("refusing kcmp: %v", errno)
				return
			}
			if left := maxCompared; c.sole(true) || !c.heldBy(child, &left) {
				t.Error("the only one, though it cannot be compared")
			}
		})
		<-done
	})
}

// refuseCompare has kcmp(2) fail for the calling thread, for good.
func refuseCompare() unix.Errno {
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return unix.EPERM
	}
	const refused, allow = 0x00050000 | uint32(unix.EPERM), 0x7fff0000 // SECCOMP_RET_ERRNO, SECCOMP_RET_ALLOW
	program := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jf: 1, K: unix.SYS_KCMP},
		{Code: unix.BPF_RET | unix.BPF_K, K: refused},
		{Code: unix.BPF_RET | unix.BPF_K, K: allow},
	}
	prog := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, 0, uintptr(unsafe.Pointer(&prog)))
	return errno
}

// TestHeld: a socket that a process has from its parent is found with it, and
// not with one that does not have it.
func TestHeld(t *testing.T) {
	fd := stream(t, unix.AF_INET)
	with, without := waitingChild(t, fd), waitingChild(t, -1)
	look(t, fd, func(c *Call) {
		left := maxCompared
		if !c.heldBy(with, &left) || !c.held() {
			t.Error("a child that has the socket was not found")
		}
		if left = maxCompared; c.heldBy(without, &left) {
			t.Error("a child that has others is taken to have it")
		}
		if left = 1; !c.heldBy(without, &left) {
			t.Error("a child was looked at beyond the bound")
		}
		const nobody = 1 << 30 // more than PID_MAX_LIMIT
		if left = maxCompared; c.heldBy(nobody, &left) {
			t.Error("a process that is gone has it")
		}
	})
}

// waitingChild starts a process that has a socket, or none, until the test ends.
func waitingChild(t *testing.T, fd int) int {
	t.Helper()
	in, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("cat")
	cmd.Stdin = in
	if fd >= 0 {
		copied, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		f := os.NewFile(uintptr(copied), "socket")
		defer f.Close()
		cmd.ExtraFiles = []*os.File{f}
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	in.Close()
	t.Cleanup(func() {
		out.Close()
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	})
	return cmd.Process.Pid
}
