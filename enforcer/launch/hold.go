package launch

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Namespaces are the clone flags of the namespaces that a program is for.
type Namespaces uint64

// AllNamespaces are those of a container that shares none with its host.
const AllNamespaces Namespaces = unix.CLONE_NEWUSER | unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWIPC |
	unix.CLONE_NEWUTS | unix.CLONE_NEWCGROUP | unix.CLONE_NEWNET

func namespaces(names []string) (Namespaces, error) {
	flags, err := constants(strings.Join(names, "|"))
	return Namespaces(flags), err
}

// child is a child process, and the thread that made it: the parent-death signal
// (PR_SET_PDEATHSIG) is of that thread, whose goroutine stays locked to it and
// does nothing else for as long as the child is wanted.
type child struct {
	pid   int
	pidfd *os.File
	// number is where the kernel writes the pidfd. It is not on a stack, for a
	// stack can move between the taking of its address and the call.
	number int32
	unused chan struct{}
}

// make makes a child that works with p; see fork. It returns at once, and sends
// the error when there is a child or none.
func (c *child) make(p *bound, args cloneArgs, status int) <-chan error {
	c.unused = make(chan struct{})
	args.flags |= unix.CLONE_PIDFD
	args.exitSignal, args.pidfd = uint64(unix.SIGCHLD), uint64(uintptr(unsafe.Pointer(&c.number)))
	made := make(chan error, 1)
	go func() {
		pid, err := fork(p, args, status)
		// The first lock of a process makes Go start a thread, for which the
		// child need not wait; a thread that is not locked does not end yet.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		if err != nil {
			made <- &NamespaceError{err}
			return
		}
		c.pid, c.pidfd = pid, os.NewFile(uintptr(c.number), "pidfd")
		made <- nil
		<-c.unused
	}()
	return made
}

// collect waits for the child's end.
func (c *child) collect(usage *unix.Rusage) (status unix.WaitStatus, err error) {
	defer close(c.unused)
	for {
		if _, err = unix.Wait4(c.pid, &status, 0, usage); !errors.Is(err, unix.EINTR) {
			return status, err
		}
	}
}

// end kills the child and collects it.
func (c *child) end() error {
	kill := unix.PidfdSendSignal(int(c.pidfd.Fd()), unix.SIGKILL, nil, 0)
	if errors.Is(kill, unix.ESRCH) {
		kill = nil
	}
	_, wait := c.collect(nil)
	return errors.Join(kill, wait)
}

// Held is a child that has its namespaces and waits for what to do in them. The
// kernel takes its time to make them, in which a launcher can find out what is
// to be run.
type Held struct {
	namespaces Namespaces
	program    *bound
	made       <-chan error
	child      child
}

// Hold begins to make a child. It ends with this process. Until it is released
// it shares this process's memory and its table of descriptors, so that it will
// have those that are opened meanwhile. It is to be used in a [Spec], or ended.
func Hold(n Namespaces) (*Held, error) {
	h := &Held{namespaces: n, program: &bound{held: true}}
	if !sharing {
		made := make(chan error, 1)
		made <- errors.New("children cannot be held with the race detector")
		h.made = made
		return h, nil
	}
	var err error
	if h.program.parent, err = unix.PidfdOpen(os.Getpid(), 0); err != nil {
		return nil, fmt.Errorf("preparing a child: %w", err)
	}
	if err = unix.Pipe2(h.program.gate[:], unix.O_CLOEXEC); err != nil {
		return nil, errors.Join(fmt.Errorf("preparing a child: %w", err), unix.Close(h.program.parent))
	}
	h.made = h.child.make(h.program, cloneArgs{flags: uint64(n) | unix.CLONE_VM | unix.CLONE_FILES}, -1)
	return h, nil
}

// wait returns when there is a child, or an error and nothing to end.
func (h *Held) wait() error {
	err := <-h.made
	if err != nil && sharing {
		h.program.closeGate()
	}
	return err
}

// End ends a child that is not needed. That there is none is no error.
func (h *Held) End() error {
	if h.wait() != nil {
		return nil
	}
	h.program.closeGate()
	return errors.Join(h.child.end(), h.child.pidfd.Close())
}

// release gives the child its calls. It then takes descriptors of its own.
func (h *Held) release(b *bound, status int) error {
	p := h.program
	p.calls, p.first, p.fds, p.status, p.keep = b.calls, b.first, b.fds, uintptr(status), append(p.keep, b.keep...)
	_, err := unix.Write(p.gate[1], []byte{1})
	return err
}

func (p *bound) closeGate() {
	for _, fd := range []int{p.gate[0], p.gate[1], p.parent} {
		unix.Close(fd)
	}
}

// awaitCalls is the part of runChild that waits, and returns whether there are
// calls now. It reads from a pipe whose writing end the child has too, so that
// it is not told by the pipe when its parent is gone: the kernel ends it then,
// unless the parent has gone before that could be asked for.
//
//go:norace
//go:nocheckptr
//go:nosplit
func (p *bound) awaitCalls() bool {
	var (
		gone   unix.PollFd
		before unix.Timespec
		b      byte
	)
	syscall.RawSyscall6(unix.SYS_PRCTL, unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0, 0)
	gone.Fd, gone.Events = int32(p.parent), unix.POLLIN
	if n, _, _ := syscall.RawSyscall6(unix.SYS_PPOLL, uintptr(unsafe.Pointer(&gone)), 1, uintptr(unsafe.Pointer(&before)), 0, 0, 0); n != 0 {
		return false
	}
	if n, _, _ := syscall.RawSyscall6(unix.SYS_READ, uintptr(p.gate[0]), uintptr(unsafe.Pointer(&b)), 1, 0, 0, 0); n != 1 {
		return false
	}
	_, _, errno := syscall.RawSyscall6(unix.SYS_UNSHARE, unix.CLONE_FILES, 0, 0, 0, 0, 0)
	p.apart.Store(true)
	return errno == 0
}
