package main

import (
	"errors"
	"fmt"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"
)

// Sockets that are no ordinary ones, and ordinary ones used oddly.
func socketAttacks() map[string]attack {
	return map[string]attack{
		"families":     otherFamilies,
		"groups":       groups,
		"datagrams":    datagrams,
		"source-port":  sourcePort,
		"first-data":   func(o options, to netip.AddrPort) error { return fresh(o, to, sendFastOpen) },
		"first-datas":  func(o options, to netip.AddrPort) error { return fresh(o, to, sendmsgFastOpen) },
		"first-write":  func(o options, to netip.AddrPort) error { return fresh(o, to, connectFastOpen) },
		"uring":        ringConnect,
		"bind":         bindAnywhere,
		"listen-other": listenUnbound,
		"unix-path":    unixPaths,
	}
}

func fresh(o options, to netip.AddrPort, run func(options, int, netip.AddrPort) error) error {
	fd, err := o.open(unix.SOCK_STREAM, to)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := run(o, fd, to); err != nil {
		return err
	}
	return arrives(fd)
}

// otherFamilies looks for a family or protocol that nobody watches.
func otherFamilies(o options, to netip.AddrPort) error {
	attempts := map[string]func() error{}
	for name, s := range map[string][3]int{
		"AF_VSOCK": {unix.AF_VSOCK, unix.SOCK_STREAM, 0}, "AF_QIPCRTR": {unix.AF_QIPCRTR, unix.SOCK_DGRAM, 0},
		"MPTCP": {unix.AF_INET, unix.SOCK_STREAM, unix.IPPROTO_MPTCP},
	} {
		attempts[name] = func() error {
			fd, err := unix.Socket(s[0], s[1]|unix.SOCK_CLOEXEC, s[2])
			if err != nil {
				return call("socket", err)
			}
			return unix.Close(fd)
		}
	}
	for name, s := range map[string][3]int{
		"AF_SMC": {unix.AF_SMC, unix.SOCK_STREAM, 0}, "SCTP": {unix.AF_INET, unix.SOCK_STREAM, unix.IPPROTO_SCTP},
		"UDP-Lite": {unix.AF_INET, unix.SOCK_DGRAM, unix.IPPROTO_UDPLITE}, "DCCP": {unix.AF_INET, unix.SOCK_DCCP, unix.IPPROTO_DCCP},
	} {
		attempts[name] = func() error {
			fd, err := unix.Socket(s[0], s[1]|unix.SOCK_CLOEXEC, s[2])
			if err != nil {
				return call("socket", err)
			}
			defer unix.Close(fd)
			wait := unix.NsecToTimeval(int64(o.wait))
			_ = unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &wait)
			_ = unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &wait)
			return reconnect(o, fd, to)
		}
	}
	return each(attempts)
}

// groups sends to everybody.
func groups(o options, to netip.AddrPort) error {
	attempts := map[string]func() error{}
	for _, address := range []string{"224.0.0.1", "239.1.2.3", "255.255.255.255", "192.0.0.7", "ff02::1", "ff05::2"} {
		attempts[address] = func() error {
			at := netip.AddrPortFrom(netip.MustParseAddr(address), to.Port())
			fd, err := o.open(unix.SOCK_DGRAM, at)
			if err != nil {
				return err
			}
			defer unix.Close(fd)
			if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_BROADCAST, 1); err != nil {
				return call("setsockopt", err)
			}
			if err := unix.Sendto(fd, []byte(o.send), 0, o.sockaddr(at)); err != nil {
				return call("sendto", err)
			}
			_, _, err = receive(fd, make([]byte, 16))
			return err
		}
	}
	return each(attempts)
}

// datagrams sends to the target by a socket that is connected to the granted
// address, in all ways.
func datagrams(o options, to netip.AddrPort) error {
	attempts := map[string]func() error{}
	for name, send := range map[string]func(fd int) error{
		"sendto":  func(fd int) error { return unix.Sendto(fd, []byte(o.send), 0, o.sockaddr(to)) },
		"sendmsg": func(fd int) error { return unix.Sendmsg(fd, []byte(o.send), nil, o.sockaddr(to), 0) },
		"more": func(fd int) error { // begun for here, ended for there
			if err := unix.Sendto(fd, []byte(o.send), unix.MSG_MORE, o.sockaddr(o.granted())); err != nil {
				return err
			}
			return unix.Sendto(fd, []byte(o.send), 0, o.sockaddr(to))
		},
		"connected anew": func(fd int) error {
			if err := unix.Connect(fd, o.sockaddr(to)); err != nil {
				return err
			}
			_, err := unix.Write(fd, []byte(o.send))
			return err
		},
	} {
		attempts[name] = func() error {
			fd, err := o.open(unix.SOCK_DGRAM, o.granted())
			if err != nil {
				return err
			}
			defer unix.Close(fd)
			if err := unix.Connect(fd, o.sockaddr(o.granted())); err != nil {
				return call("connect", err)
			}
			if err := send(fd); err != nil {
				return call("send", err)
			}
			_, from, err := receive(fd, make([]byte, 64))
			if err == nil && text(from) != to.String() {
				err = errors.New("an answer of the granted address")
			}
			return err
		}
	}
	return each(attempts)
}

// sourcePort connects from ports that firewalls of old trusted.
func sourcePort(o options, to netip.AddrPort) error {
	attempts := map[string]func() error{}
	for _, port := range []uint16{0, 20, 53, 80, to.Port()} {
		from := o
		from.local = netip.AddrPortFrom(own4(), port).String()
		attempts[fmt.Sprint("tcp ", port)] = func() error {
			return fresh(from, to, func(o options, fd int, to netip.AddrPort) error { return reconnect(o, fd, to) })
		}
		attempts[fmt.Sprint("udp ", port)] = func() error { return udp(from, []string{to.String()}) }
	}
	return each(attempts)
}

// bindAnywhere takes ports that are not granted, and addresses of others.
func bindAnywhere(o options, to netip.AddrPort) error {
	attempts := map[string]func() error{}
	for _, address := range []string{"0.0.0.0:8081", "127.0.0.1:8081", "192.0.0.2:22", "[::]:8081", to.String()} {
		at := netip.MustParseAddrPort(address)
		for name, kind := range map[string]int{"tcp ": unix.SOCK_STREAM, "udp ": unix.SOCK_DGRAM} {
			attempts[name+address] = func() error {
				fd, err := o.open(kind, at)
				if err != nil {
					return err
				}
				defer unix.Close(fd)
				return call("bind", unix.Bind(fd, o.sockaddr(at)))
			}
		}
	}
	return each(attempts)
}

// listenUnbound has the kernel choose the port.
func listenUnbound(o options, to netip.AddrPort) error {
	fd, err := o.open(unix.SOCK_STREAM, to)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return call("listen", unix.Listen(fd, 1))
}

// unixPaths looks for sockets of the host's.
func unixPaths(options, netip.AddrPort) error {
	attempts := map[string]func() error{}
	for _, name := range []string{"@lpm-attack", "/tmp/lpm-attack.sock", "/run/dbus/system_bus_socket", "/var/run/docker.sock"} {
		attempts[name] = func() error {
			fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
			if err != nil {
				return call("socket", err)
			}
			defer unix.Close(fd)
			return call("connect", unix.Connect(fd, &unix.SockaddrUnix{Name: name}))
		}
	}
	if entries, err := os.ReadDir("/proc/self/task"); err != nil || len(entries) == 0 {
		return errors.Join(errors.New("no /proc"), err)
	}
	return each(attempts)
}
