package supervise

import (
	"context"
	"errors"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/manifest"
)

// onBehalf has the supervisor itself make a call that a person has granted, on
// its copy of the calling process's socket. The process could change the
// address that the call points to, or put another socket in the descriptor's
// place; Landlock, which holds the process to what it was started with, does
// not know of the grant.
func onBehalf(c *Call, p manifest.Protocol, do func(fd int) unix.Errno) func(context.Context) Verdict {
	return func(ctx context.Context) Verdict {
		fd, err := c.TakeFD(int32(c.Args[0]))
		if err != nil {
			return Verdict{Errno: noCopy(err)}
		}
		defer c.LetGo(fd)
		if !speaks(fd, p) {
			return Verdict{Errno: unix.EACCES}
		}
		// A connection can take minutes, and the container is gone by then.
		interrupted := make(chan struct{})
		stop := context.AfterFunc(ctx, func() {
			defer close(interrupted)
			_ = unix.Shutdown(fd, unix.SHUT_RDWR)
		})
		errno := unprivileged(func() unix.Errno { return do(fd) })
		if !stop() {
			<-interrupted
		}
		return Verdict{Errno: errno, Done: errno == 0}
	}
}

// noCopy is what a call fails with whose descriptor could not be copied.
func noCopy(err error) unix.Errno {
	if errors.Is(err, unix.EMFILE) {
		return unix.EMFILE
	}
	return unix.EBADF
}

// speaks reports whether a socket is an internet socket of the protocol.
func speaks(fd int, p manifest.Protocol) bool {
	want := unix.IPPROTO_TCP
	if p == manifest.UDP {
		want = unix.IPPROTO_UDP
	}
	family, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN)
	if err != nil || family != unix.AF_INET && family != unix.AF_INET6 {
		return false
	}
	protocol, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_PROTOCOL)
	return err == nil && protocol == want
}

// setAddress makes connect(2) or bind(2) with the very bytes of an address.
func setAddress(call uintptr, fd int, name []byte) unix.Errno {
	_, _, errno := unix.Syscall(call, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(name))), uintptr(len(name)))
	return errno
}

// unprivileged makes a call with no capability in effect. Where root runs lpm,
// a person who grants a container a port does not mean root's right to any
// port.
func unprivileged(do func() unix.Errno) unix.Errno {
	runtime.LockOSThread()
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var has [2]unix.CapUserData
	if err := unix.Capget(&header, &has[0]); err != nil {
		runtime.UnlockOSThread()
		return unix.EPERM
	}
	less := has
	less[0].Effective, less[1].Effective = 0, 0
	if err := unix.Capset(&header, &less[0]); err != nil {
		runtime.UnlockOSThread()
		return unix.EPERM
	}
	errno := do()
	// A thread that does not get them back is of no more use.
	if err := unix.Capset(&header, &has[0]); err == nil {
		runtime.UnlockOSThread()
	}
	return errno
}
