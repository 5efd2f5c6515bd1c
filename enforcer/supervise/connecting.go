package supervise

import (
	"context"
	"errors"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// connecting is a socket that is being connected for a thread of the container
// which waits for that, as connect(2) of a blocking socket does: no longer than
// its SO_SNDTIMEO, and no longer than until a signal comes.
type connecting struct {
	file *os.File
	to   []byte
	// late is what the call fails with when the time is over.
	late unix.Errno
}

// newConnecting takes a descriptor over whose socket does not block now.
func newConnecting(fd int, to []byte, late unix.Errno) *connecting {
	return &connecting{os.NewFile(uintptr(fd), "connecting socket"), to, late}
}

func (b *connecting) close() { _ = b.file.Close() }

// finish waits for the connection, and returns what the call does.
func (b *connecting) finish(ctx context.Context, a *attempt) Verdict {
	defer b.close()
	errno := b.wait(ctx, a.c)
	return Verdict{Errno: errno, Done: errno == 0}
}

// glance is how often a signal is looked for.
const glance = 100 * time.Millisecond

func (b *connecting) wait(ctx context.Context, c *Call) unix.Errno {
	conn, err := b.file.SyscallConn()
	if err != nil {
		return unix.ENETDOWN
	}
	patience, err := b.patience(conn.Control)
	if err != nil {
		return unix.ENETDOWN
	}
	late := time.Now().Add(patience)
	// The wait ends at once when the container does.
	defer context.AfterFunc(ctx, func() { _ = b.file.SetWriteDeadline(time.Unix(1, 0)) })()
	for {
		next := time.Now().Add(glance)
		if patience > 0 && late.Before(next) {
			next = late
		}
		if err := b.file.SetWriteDeadline(next); err != nil || ctx.Err() != nil {
			return unix.EINTR
		}
		var errno unix.Errno
		err := conn.Write(func(fd uintptr) (ended bool) {
			errno, ended = b.outcome(int(fd))
			return ended
		})
		switch {
		case err == nil:
			return errno
		case !errors.Is(err, os.ErrDeadlineExceeded):
			return unix.ENETDOWN
		case patience > 0 && !time.Now().Before(late):
			return b.late
		}
		if errno := c.interrupted(patience > 0); errno != 0 {
			return errno
		}
	}
}

// patience is how long the socket's program wants to wait; 0 is for ever.
func (b *connecting) patience(control func(func(uintptr)) error) (time.Duration, error) {
	var timeout *unix.Timeval
	var err error
	look := func(fd uintptr) { timeout, err = unix.GetsockoptTimeval(int(fd), unix.SOL_SOCKET, unix.SO_SNDTIMEO) }
	if failed := control(look); failed != nil || err != nil {
		return 0, errors.Join(failed, err)
	}
	return time.Duration(timeout.Nano()), nil
}

// outcome tells how a connection has ended, if it has, and leaves the socket as
// the kernel does when its program has been told.
func (b *connecting) outcome(fd int) (unix.Errno, bool) {
	p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}
	if n, err := unix.Poll(p, 0); err != nil || n == 0 {
		return 0, false
	}
	if p[0].Revents == unix.POLLOUT {
		return b.settle(fd), true
	}
	code, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err != nil || code == 0 {
		code = int(unix.ECONNABORTED) // another thread has been told why
	}
	_ = setAddress(unix.SYS_CONNECT, fd, make([]byte, unix.SizeofSockaddrInet4)) // AF_UNSPEC
	return unix.Errno(code), true
}

// settle has the kernel tell that the connection is made. It does not wait, for
// another thread can have ended the connection since, and this would begin anew.
func (b *connecting) settle(fd int) unix.Errno {
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	if err != nil || unix.SetNonblock(fd, true) != nil {
		return unix.EBADF
	}
	errno := setAddress(unix.SYS_CONNECT, fd, b.to)
	_, _ = unix.FcntlInt(uintptr(fd), unix.F_SETFL, flags)
	return errno
}

// restart is ERESTARTSYS of linux/errno.h: the kernel makes the call again once
// the signal is handled, if the handler was installed so (SA_RESTART).
const restart = unix.Errno(512)

// interrupted reports with what error the call fails because of a signal that
// the calling thread is to have, and 0 where there is none: while the supervisor
// has the call, a thread can only be killed.
func (c *Call) interrupted(hasTimeout bool) unix.Errno {
	status, err := os.ReadFile(c.proc("status"))
	if c.check(err) != nil {
		return unix.EINTR
	}
	set := func(name string) uint64 {
		bits, _ := strconv.ParseUint(statusField(status, name), 16, 64)
		return bits
	}
	deaf := set("SigBlk") | set("SigIgn")
	own, shared := set("SigPnd")&^deaf, set("ShdPnd")&^deaf
	switch {
	case own|shared == 0:
		return 0
	case hasTimeout:
		return unix.EINTR // signal(7)
	case own != 0 || statusField(status, "Threads") == "1":
		return restart
	}
	// Another thread may take the signal, and this one would see a number that
	// is the kernel's own.
	return unix.EINTR
}
