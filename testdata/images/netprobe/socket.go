package main

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Raw system calls, for a library hides which are made.

// call gives an error the name of its call.
func call(name string, err error) error {
	if err == nil {
		return nil
	}
	return os.NewSyscallError(name, err)
}

// again makes a call until no signal interrupts it: those of the Go runtime do.
func again(f func() error) error {
	for {
		if err := f(); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// open makes a socket of the kind that is to reach an address, bound as the
// flags say.
func (o options) open(kind int, to netip.AddrPort) (int, error) {
	family := unix.AF_INET
	if to.Addr().Is6() || o.mapped {
		family = unix.AF_INET6
	}
	fd, err := unix.Socket(family, kind|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, call("socket", err)
	}
	wait := unix.NsecToTimeval(int64(o.wait))
	err = errors.Join(
		call("setsockopt", unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &wait)),
		call("setsockopt", unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &wait)))
	if err == nil && o.reuse {
		err = errors.Join(
			call("setsockopt", unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)),
			call("setsockopt", unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)))
	}
	if err == nil && o.local != "" {
		var from netip.AddrPort
		if from, err = netip.ParseAddrPort(o.local); err == nil {
			err = call("bind", unix.Bind(fd, o.sockaddr(from)))
		}
	}
	if err != nil {
		unix.Close(fd)
	}
	return fd, err
}

// sockaddr returns an address as sockets of the flags' family have it.
func (o options) sockaddr(a netip.AddrPort) unix.Sockaddr {
	if a.Addr().Is4() && !o.mapped {
		return &unix.SockaddrInet4{Addr: a.Addr().As4(), Port: int(a.Port())}
	}
	return &unix.SockaddrInet6{Addr: a.Addr().As16(), Port: int(a.Port())}
}

func text(sa unix.Sockaddr) string {
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port)).String()
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(sa.Addr).Unmap(), uint16(sa.Port)).String()
	}
	return fmt.Sprintf("%T", sa)
}

// connected waits until a socket that does not block is, and returns how that
// ended.
func connected(fd int, wait time.Duration) error {
	p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}
	end := time.Now().Add(wait)
	var n int
	err := again(func() (err error) {
		n, err = unix.Poll(p, int(max(0, time.Until(end)/time.Millisecond)))
		return err
	})
	switch {
	case err != nil:
		return call("poll", err)
	case n == 0:
		return call("connect", unix.ETIMEDOUT)
	}
	return outcome(fd)
}

func outcome(fd int) error {
	code, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err != nil {
		return call("getsockopt", err)
	}
	if code != 0 {
		return call("connect", unix.Errno(code))
	}
	return nil
}
