package supervise

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// notification is struct seccomp_notif of linux/seccomp.h.
type notification struct {
	id                 uint64
	pid, flags         uint32
	nr                 int32
	arch               uint32
	instructionPointer uint64
	args               [6]uint64
}

// response is struct seccomp_notif_resp.
type response struct {
	id    uint64
	val   int64
	error int32
	flags uint32
}

// Container is what a supervisor needs to know of the container it serves.
type Container struct {
	// Listener is where calls wait for their verdicts.
	Listener *os.File
	// Running reports whether the program has been executed.
	Running func() bool
	// Begun, if not nil, is called once, after the call that executes the
	// program has been let go.
	Begun func()
	// Process can be read from (pidfd_open(2)) when the first process has
	// ended, upon which Ended is called once: before Linux 6.11 a process that
	// nobody has waited for keeps its filter. Both may be nil.
	Process *os.File
	Ended   func()
}

// Serve answers the calls that wait at the container's listener until the last
// process with the filter has ended or ctx is done; the first is no error. As
// long as the program has not been executed, calls are lpm's own, of the child
// that is about to execute it, and go on without the policy being asked.
func Serve(ctx context.Context, c Container, policy Policy) (Stats, error) {
	// Each answer is written by the thread that read the call, so that the
	// kernel can wake the caller on the same processor.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer prompt()()

	s := &server{fd: int(c.Listener.Fd()), container: c, policy: policy, stop: -1, process: -1}
	if c.Process != nil {
		s.process = int32(c.Process.Fd())
	}
	// Synchronous wake-ups exist since Linux 6.6; without them it is slower.
	_ = unix.IoctlSetInt(s.fd, unix.SECCOMP_IOCTL_NOTIF_SET_FLAGS, unix.SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP)

	defer s.close()
	if ctx.Done() != nil {
		if err := s.stoppable(); err != nil {
			return Stats{}, err
		}
		woken := make(chan struct{})
		quiet := context.AfterFunc(ctx, func() {
			defer close(woken)
			s.wake()
		})
		defer func() {
			if !quiet() {
				<-woken
			}
		}()
	}
	err := s.serve(ctx)
	if failed := s.later.end(); err == nil {
		err = failed
	}
	if err == nil {
		err = ctx.Err()
	}
	return Stats{Calls: s.calls, Lost: s.lost.Load()}, err
}

type server struct {
	fd        int
	container Container
	// stop can be read from when the server is to end, and is -1 as long as
	// nobody can tell it to; process is -1 once the process's end has been
	// seen. poll(2) leaves that out.
	stop, process int32
	begun         bool
	started       bool
	policy        Policy
	later         later
	copies        copies
	pages         pages
	calls         uint64
	lost          atomic.Uint64
}

// later are the calls that the policy has not decided on yet. The zero value is
// that of a container of which there has been none, as of most.
type later struct {
	calls sync.WaitGroup
	ctx   context.Context
	fail  context.CancelCauseFunc
}

// errEnded is what the context of later calls ends with at the container's end.
var errEnded = errors.New("the container has ended")

// end has the calls answered that still wait, and returns the error of one that
// could not be.
func (l *later) end() error {
	if l.ctx == nil {
		return nil
	}
	l.fail(errEnded)
	l.calls.Wait()
	if err := context.Cause(l.ctx); !errors.Is(err, errEnded) {
		return err
	}
	return nil
}

// stoppable makes what ends the wait for calls.
func (s *server) stoppable() error {
	if s.stop >= 0 {
		return nil
	}
	stop, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return fmt.Errorf("making the supervisor's stop signal: %w", err)
	}
	s.stop = int32(stop)
	return nil
}

// wake ends the wait for calls.
func (s *server) wake() { _, _ = unix.Write(int(s.stop), []byte{1, 0, 0, 0, 0, 0, 0, 0}) }

func (s *server) close() {
	if s.stop >= 0 {
		unix.Close(int(s.stop))
	}
}

// serve answers until the end of the container or of ctx.
func (s *server) serve(ctx context.Context) error {
	for {
		more, err := s.poll()
		if err != nil || !more {
			return err
		}
		if err := s.answer(ctx); err != nil {
			return err
		}
	}
}

// poll waits for a call. It returns false at the end of the container and
// when told to stop.
func (s *server) poll() (bool, error) {
	p := [...]unix.PollFd{
		{Fd: int32(s.fd), Events: unix.POLLIN}, {Fd: s.stop, Events: unix.POLLIN},
		{Fd: s.process, Events: unix.POLLIN},
	}
	for {
		if err := s.wait(p[:]); err != nil {
			return false, fmt.Errorf("waiting for a call: %w", err)
		}
		if p[1].Revents != 0 {
			return false, nil
		}
		if p[0].Revents&unix.POLLIN != 0 {
			return true, nil
		}
		// POLLERR alone says that a signal came while the kernel waited for the
		// listener's lock (seccomp_notify_poll), and nothing of the container.
		if p[0].Revents&unix.POLLHUP != 0 {
			return false, nil
		}
		if p[2].Revents != 0 {
			s.process, p[2].Fd = -1, -1
			s.container.Ended()
		}
	}
}

// atHand is how long after an answer the next call is waited for without the
// runtime of Go being told. Told, it may give the thread's share of the
// processors away and have it look for another at the call, which costs as much
// as a whole answer; not told, it would disturb an idle supervisor every 10 ms.
const atHand = 50 * time.Millisecond

// wait waits until one of the descriptors is ready.
func (s *server) wait(p []unix.PollFd) error {
	if s.calls > 0 && s.waitAtHand(p) {
		return nil
	}
	for {
		if _, err := unix.Poll(p, -1); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// waitAtHand reports whether one of the descriptors became ready within that
// time. The runtime interrupts it when it needs the thread, as for a garbage
// collection, and gets it between two rounds. What is left of the time the kernel
// writes back (ppoll(2), "C library/kernel differences"), so that no clock is read
// for it.
func (s *server) waitAtHand(p []unix.PollFd) bool {
	left := unix.NsecToTimespec(atHand.Nanoseconds())
	for {
		n, _, errno := unix.RawSyscall6(unix.SYS_PPOLL, uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)), uintptr(unsafe.Pointer(&left)), 0, 0, 0)
		if errno != unix.EINTR {
			return errno == 0 && n > 0
		}
	}
}

// answer receives one call and has it answered.
func (s *server) answer(ctx context.Context) error {
	var n notification
	if errno := ioctl(s.fd, unix.SECCOMP_IOCTL_NOTIF_RECV, unsafe.Pointer(&n)); errno != 0 {
		// The call was interrupted, or its process killed, between the
		// poll and the read (seccomp_unotify(2)).
		if errno == unix.EINTR || errno == unix.ENOENT {
			return nil
		}
		return fmt.Errorf("receiving a call: %w", errno)
	}
	s.calls++
	call := &Call{ID: n.id, TID: int(n.pid), Arch: n.arch, Number: int(n.nr), Args: n.args, listener: s.fd, copies: &s.copies, pages: &s.pages}
	if !s.started {
		// Only these are lpm's own. A copy of the pipe that running looks
		// at, in a child that another goroutine is about to start, must not
		// let the program's calls go.
		s.started = n.nr != unix.SYS_EXECVEAT && n.nr != unix.SYS_WRITE && n.nr != unix.SYS_EXIT_GROUP || s.container.Running()
	}
	if s.started {
		return s.decide(ctx, call)
	}
	if err := s.reply(call, Verdict{}); err != nil {
		return err
	}
	if !s.begun && n.nr == unix.SYS_EXECVEAT && s.container.Begun != nil {
		s.begun = true
		s.container.Begun()
	}
	return nil
}

// decide answers one of the program's calls, or has it answered later.
func (s *server) decide(ctx context.Context, call *Call) error {
	v := s.policy.Decide(call)
	if v.Later == nil {
		return s.reply(call, v)
	}
	if s.later.ctx == nil {
		if err := s.stoppable(); err != nil {
			return err
		}
		s.later.ctx, s.later.fail = context.WithCancelCause(ctx)
	}
	s.later.calls.Go(func() {
		if err := s.reply(call, v.Later(s.later.ctx)); err != nil {
			s.later.fail(err)
			s.wake()
		}
	})
	return nil
}

// reply answers a call.
func (s *server) reply(call *Call, v Verdict) error {
	call.close()
	if call.lost {
		s.lost.Add(1)
	}
	resp := response{id: call.ID, flags: unix.SECCOMP_USER_NOTIF_FLAG_CONTINUE}
	if v.Errno != 0 || v.Done {
		resp.flags, resp.error = 0, -int32(v.Errno)
	}
	errno := ioctl(s.fd, unix.SECCOMP_IOCTL_NOTIF_SEND, unsafe.Pointer(&resp))
	// The caller may be gone by now.
	if errno != 0 && errno != unix.ENOENT {
		return fmt.Errorf("answering a call: %w", errno)
	}
	return nil
}

// ioctl makes one of the listener's requests. They wait for the listener's lock
// alone; a signal meanwhile, as the runtime of Go sends its threads, is no answer.
func ioctl(fd int, request uint, arg unsafe.Pointer) unix.Errno {
	for {
		_, _, errno := unix.RawSyscall(unix.SYS_IOCTL, uintptr(fd), uintptr(request), uintptr(arg))
		if errno != unix.EINTR || request == unix.SECCOMP_IOCTL_NOTIF_RECV {
			return errno // one that could not be received is polled for again
		}
	}
}
