package main

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

func udp(o options, args []string) error {
	address, err := netip.ParseAddrPort(args[0])
	if err != nil {
		return err
	}
	fd, err := o.open(unix.SOCK_DGRAM, address)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	to := o.sockaddr(address)
	send := []byte(o.send)
	switch o.way {
	case "", "sendto":
		err = call("sendto", unix.Sendto(fd, send, 0, to))
	case "sendmsg":
		err = call("sendmsg", unix.Sendmsg(fd, send, nil, to, 0))
	case "connected":
		if err = call("connect", unix.Connect(fd, to)); err == nil {
			_, err = unix.Write(fd, send)
			err = call("write", err)
		}
	case "other":
		var other unix.Sockaddr
		if other, err = o.other(); err != nil {
			return err
		}
		if err = call("connect", unix.Connect(fd, to)); err == nil {
			err = call("sendto", unix.Sendto(fd, send, 0, other))
		}
	default:
		return errUsage
	}
	if err != nil {
		return err
	}
	b := make([]byte, 64<<10)
	n, from, err := receive(fd, b)
	if err != nil {
		return err
	}
	fmt.Printf("%s from %s\n", b[:n], text(from))
	return nil
}

func receive(fd int, b []byte) (n int, from unix.Sockaddr, err error) {
	err = again(func() (err error) { n, from, err = unix.Recvfrom(fd, b, 0); return err })
	return n, from, call("recvfrom", err)
}

// ping sends an echo request. The kernel puts the identifier in, and takes only
// its replies.
func ping(o options, args []string) error {
	to, err := netip.ParseAddr(args[0])
	if err != nil {
		return err
	}
	family, protocol, request := unix.AF_INET, unix.IPPROTO_ICMP, byte(8)
	if to.Is6() {
		family, protocol, request = unix.AF_INET6, unix.IPPROTO_ICMPV6, 128
	}
	fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, protocol)
	if err != nil {
		return call("socket", err)
	}
	defer unix.Close(fd)
	wait := unix.NsecToTimeval(int64(o.wait))
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &wait); err != nil {
		return call("setsockopt", err)
	}
	packet := append([]byte{request, 0, 0, 0, 0, 0}, binary.BigEndian.AppendUint16(nil, 7)...)
	packet = append(packet, o.send...)
	if err := unix.Sendto(fd, packet, 0, o.sockaddr(netip.AddrPortFrom(to, 0))); err != nil {
		return call("sendto", err)
	}
	b := make([]byte, 64<<10)
	n, from, err := receive(fd, b)
	if err != nil {
		return err
	}
	if n < 8 || binary.BigEndian.Uint16(b[6:]) != 7 || string(b[8:n]) != o.send {
		return fmt.Errorf("a reply of type %d with %q", b[0], b[:n])
	}
	address, err := netip.ParseAddrPort(text(from))
	if err != nil {
		return err
	}
	fmt.Printf("reply from %s\n", address.Addr())
	return nil
}
