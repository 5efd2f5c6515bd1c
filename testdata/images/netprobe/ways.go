package main

import (
	"errors"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// A way gets from an unconnected socket to a connected one, which it returns.
type way func(o options, fd int, to unix.Sockaddr) (int, error)

func ways() map[string]way {
	return map[string]way{
		"blocking":       blocking,
		"nonblocking":    nonblocking,
		"epoll":          viaEpoll,
		"dup":            viaCopy,
		"unspec":         afterUnspec,
		"again":          twice,
		"fastopen":       fastOpen,
		"fastopen-later": fastOpenLater,
	}
}

func blocking(_ options, fd int, to unix.Sockaddr) (int, error) {
	err := unix.Connect(fd, to)
	if errors.Is(err, unix.EINTR) {
		// It goes on; asking again tells how it ended.
		err = again(func() error { return unix.Connect(fd, to) })
		if errors.Is(err, unix.EISCONN) {
			err = nil
		}
	}
	return fd, call("connect", err)
}

func nonblocking(o options, fd int, to unix.Sockaddr) (int, error) {
	if err := unix.SetNonblock(fd, true); err != nil {
		return fd, call("fcntl", err)
	}
	if err := unix.Connect(fd, to); err != nil && !errors.Is(err, unix.EINPROGRESS) {
		return fd, call("connect", err)
	}
	if err := connected(fd, o.wait); err != nil {
		return fd, err
	}
	return fd, call("fcntl", unix.SetNonblock(fd, false))
}

// viaEpoll has a socket watched before it is connected, and trusts that.
func viaEpoll(o options, fd int, to unix.Sockaddr) (int, error) {
	watch, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return fd, call("epoll_create1", err)
	}
	defer unix.Close(watch)
	if err := unix.SetNonblock(fd, true); err != nil {
		return fd, call("fcntl", err)
	}
	const data = 4711
	event := unix.EpollEvent{Events: unix.EPOLLOUT | unix.EPOLLET, Fd: data}
	if err := unix.EpollCtl(watch, unix.EPOLL_CTL_ADD, fd, &event); err != nil {
		return fd, call("epoll_ctl", err)
	}
	if err := unix.Connect(fd, to); err != nil && !errors.Is(err, unix.EINPROGRESS) {
		return fd, call("connect", err)
	}
	// An unconnected socket counts as hung up, so that the first event may
	// be of before the connection.
	events := make([]unix.EpollEvent, 4)
	for {
		var n int
		err := again(func() (err error) {
			n, err = unix.EpollWait(watch, events, int(o.wait.Milliseconds()))
			return err
		})
		if err != nil {
			return fd, call("epoll_wait", err)
		}
		if n == 0 {
			return fd, call("epoll_wait", unix.ETIMEDOUT)
		}
		if n > 1 || events[0].Fd != data {
			return fd, fmt.Errorf("epoll_wait: %d events, of %d", n, events[0].Fd)
		}
		if err := outcome(fd); err != nil {
			return fd, err
		}
		if _, err := unix.Getpeername(fd); err == nil {
			return fd, call("fcntl", unix.SetNonblock(fd, false))
		}
	}
}

// viaCopy connects by one descriptor, and goes on by another of the same socket.
func viaCopy(o options, fd int, to unix.Sockaddr) (int, error) {
	other, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return fd, call("fcntl", err)
	}
	_, err = blocking(o, fd, to)
	unix.Close(fd)
	return other, err
}

// afterUnspec connects to the address of -also, dissolves that, and connects
// anew.
func afterUnspec(o options, fd int, to unix.Sockaddr) (int, error) {
	first, err := o.other()
	if err != nil {
		return fd, err
	}
	if _, err := blocking(o, fd, first); err != nil {
		return fd, fmt.Errorf("first: %w", err)
	}
	if err := dissolve(fd); err != nil {
		return fd, err
	}
	return blocking(o, fd, to)
}

// twice connects to the address of -also, then to the other at once.
func twice(o options, fd int, to unix.Sockaddr) (int, error) {
	first, err := o.other()
	if err != nil {
		return fd, err
	}
	if _, err := blocking(o, fd, first); err != nil {
		return fd, fmt.Errorf("first: %w", err)
	}
	return fd, call("connect", unix.Connect(fd, to))
}

func (o options) other() (unix.Sockaddr, error) {
	a, err := netip.ParseAddrPort(o.also)
	if err != nil {
		return nil, fmt.Errorf("-also: %w", err)
	}
	return o.sockaddr(a), nil
}

// fastOpen sends without having connected.
func fastOpen(o options, fd int, to unix.Sockaddr) (int, error) {
	err := again(func() error { return unix.Sendto(fd, []byte(o.send), unix.MSG_FASTOPEN, to) })
	return fd, call("sendto", err)
}

// fastOpenLater has the first write connect.
func fastOpenLater(_ options, fd int, to unix.Sockaddr) (int, error) {
	if err := unix.SetsockoptInt(fd, unix.SOL_TCP, unix.TCP_FASTOPEN_CONNECT, 1); err != nil {
		return fd, call("setsockopt", err)
	}
	return fd, call("connect", unix.Connect(fd, to))
}
