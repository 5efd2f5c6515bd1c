package main

import (
	"fmt"
	"net"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"
)

// Sockets that came to the container by its listening: port 8080 is one that it may
// listen on.
func listenAttacks() map[string]attack {
	return map[string]attack{
		"accepted": func(o options, to netip.AddrPort) error {
			return o.withListener(func(listener int) error {
				fd, _, err := unix.Accept4(listener, unix.SOCK_CLOEXEC)
				if err != nil {
					return call("accept4", err)
				}
				defer unix.Close(fd)
				if err := o.patient(fd); err != nil {
					return err
				}
				return o.reused(fd, to)
			})
		},
		"listener": func(o options, to netip.AddrPort) error {
			return o.withListener(func(listener int) error {
				fd, _, err := unix.Accept4(listener, unix.SOCK_CLOEXEC)
				if err != nil {
					return call("accept4", err)
				}
				unix.Close(fd)
				return o.reused(listener, to)
			})
		},
	}
}

func (o options) withListener(use func(fd int) error) error {
	fd, err := o.listening(unix.SOCK_STREAM, "0.0.0.0:8080")
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return use(fd)
}

// patient has nothing wait for ever.
func (o options) patient(fd int) error {
	wait := unix.NsecToTimeval(int64(o.wait))
	return call("setsockopt", unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &wait))
}

// reused dissolves a socket, and has it be another.
func (o options) reused(fd int, to netip.AddrPort) error {
	if err := dissolve(fd); err != nil {
		return err
	}
	return each(map[string]func() error{
		"connect":  func() error { return reconnect(o, fd, to) },
		"fastopen": func() error { return sendFastOpen(o, fd, to) },
		"listen": func() error {
			// On whatever port the kernel chooses now.
			again, err := unix.Getsockname(fd)
			if err != nil {
				return err
			}
			if err := listenAnywhere(o, fd, to); err != nil {
				return err
			}
			now, err := unix.Getsockname(fd)
			if err == nil && text(now) == text(again) {
				return fmt.Errorf("listens where it did, at %s", text(now))
			}
			return err
		},
	})
}

// give hands whoever connects to a path a socket that is connected to an address.
func give(o options, args []string) error {
	to, err := netip.ParseAddrPort(args[0])
	if err != nil {
		return err
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: o.name, Net: "unix"})
	if err != nil {
		return err
	}
	defer l.Close()
	if err := os.Chmod(o.name, 0o666); err != nil {
		return err
	}
	c, err := l.AcceptUnix()
	if err != nil {
		return err
	}
	defer c.Close()
	fd, err := o.open(unix.SOCK_STREAM, to)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if _, err := blocking(o, fd, o.sockaddr(to)); err != nil {
		return err
	}
	_, _, err = c.WriteMsgUnix([]byte{0}, unix.UnixRights(fd), nil)
	return err
}
