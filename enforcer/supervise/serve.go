package supervise

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
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

// Serve answers the calls that wait at listener until the last process with
// the filter has ended or ctx is done; the first is no error. While running
// reports false, calls are lpm's own, of the child that is about to execute
// the program, and go on without the policy being asked.
func Serve(ctx context.Context, listener *os.File, running func() bool, policy Policy) (Stats, error) {
	// Each answer is written by the thread that read the call, so that the
	// kernel can wake the caller on the same processor.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()

	s := &server{fd: int(listener.Fd()), running: running, policy: policy}
	// Synchronous wake-ups exist since Linux 6.6; without them it is slower.
	_ = unix.IoctlSetInt(s.fd, unix.SECCOMP_IOCTL_NOTIF_SET_FLAGS, unix.SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP)

	stop, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return Stats{}, fmt.Errorf("making the supervisor's stop signal: %w", err)
	}
	defer unix.Close(stop)
	// A later answer that goes wrong is the end too.
	inside, fail := context.WithCancelCause(ctx)
	woken := make(chan struct{})
	context.AfterFunc(inside, func() {
		defer close(woken)
		_, _ = unix.Write(stop, []byte{1, 0, 0, 0, 0, 0, 0, 0})
	})
	err = s.serve(inside, fail, stop)
	if err == nil {
		err = context.Cause(inside)
	}
	fail(nil)
	s.later.Wait()
	<-woken
	return Stats{Calls: s.calls, Lost: s.lost.Load()}, err
}

type server struct {
	fd      int
	running func() bool
	started bool
	policy  Policy
	// later are the calls that the policy has not decided on yet.
	later  sync.WaitGroup
	copies copies
	calls  uint64
	lost   atomic.Uint64
}

// serve answers until the end of the container or of ctx.
func (s *server) serve(ctx context.Context, fail context.CancelCauseFunc, stop int) error {
	for {
		more, err := s.poll(stop)
		if err != nil || !more {
			return err
		}
		if err := s.answer(ctx, fail); err != nil {
			return err
		}
	}
}

// poll waits for a call. It returns false at the end of the container and
// when told to stop.
func (s *server) poll(stop int) (bool, error) {
	p := []unix.PollFd{{Fd: int32(s.fd), Events: unix.POLLIN}, {Fd: int32(stop), Events: unix.POLLIN}}
	for {
		_, err := unix.Poll(p, -1)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return false, fmt.Errorf("waiting for a call: %w", err)
		}
		if p[1].Revents != 0 {
			return false, nil
		}
		if p[0].Revents&unix.POLLIN != 0 {
			return true, nil
		}
		if p[0].Revents&(unix.POLLHUP|unix.POLLERR) != 0 {
			return false, nil
		}
	}
}

// answer receives one call and answers it, or has it answered later.
func (s *server) answer(ctx context.Context, fail context.CancelCauseFunc) error {
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
	call := &Call{ID: n.id, TID: int(n.pid), Arch: n.arch, Number: int(n.nr), Args: n.args, listener: s.fd, copies: &s.copies}
	if !s.started {
		// Only these are lpm's own. A copy of the pipe that running looks
		// at, in a child that another goroutine is about to start, must not
		// let the program's calls go.
		s.started = n.nr != unix.SYS_EXECVEAT && n.nr != unix.SYS_WRITE && n.nr != unix.SYS_EXIT_GROUP || s.running()
	}
	if !s.started {
		return s.reply(call, Verdict{})
	}
	v := s.policy.Decide(call)
	if v.Later == nil {
		return s.reply(call, v)
	}
	s.later.Go(func() {
		if err := s.reply(call, v.Later(ctx)); err != nil {
			fail(err)
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

func ioctl(fd int, request uint, arg unsafe.Pointer) unix.Errno {
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), uintptr(request), uintptr(arg))
	return errno
}
