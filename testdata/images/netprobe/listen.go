package main

import (
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// bound opens a socket at an address.
func (o options) bound(kind int, address string) (int, error) {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return -1, err
	}
	fd, err := o.open(kind, at)
	if err != nil {
		return -1, err
	}
	if err := call("bind", unix.Bind(fd, o.sockaddr(at))); err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// listening opens a socket that serves an address.
func (o options) listening(kind int, address string) (int, error) {
	fd, err := o.bound(kind, address)
	if err != nil {
		return -1, err
	}
	if kind != unix.SOCK_STREAM {
		fmt.Println("listening")
		return fd, nil
	}
	if err := o.listens(fd); err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

func listen(o options, args []string) error {
	if o.way == "received" {
		return received(o)
	}
	serve, ok := servers()[o.way]
	if !ok {
		return errUsage
	}
	for round := range o.rounds {
		if o.way == "dup-once" && round > 0 {
			serve = plainly
		}
		fd, err := o.bound(unix.SOCK_STREAM, args[0])
		if err != nil {
			return err
		}
		if err := serve(o, fd, args[0]); err != nil {
			return err
		}
	}
	return nil
}

// serve echoes on one connection until the peer ends, and tells of both.
func serve(fd int) error {
	var conn int
	var peer unix.Sockaddr
	err := again(func() (err error) { conn, peer, err = unix.Accept4(fd, unix.SOCK_CLOEXEC); return err })
	if err != nil {
		return call("accept4", err)
	}
	defer unix.Close(conn)
	fmt.Printf("from %s\n", text(peer))
	b := make([]byte, 64<<10)
	for {
		n, err := stream(conn).Read(b)
		if n == 0 || err != nil {
			fmt.Println("served")
			return nil
		}
		if _, err := stream(conn).Write(b[:n]); err != nil {
			return err
		}
	}
}

func listenUDP(o options, args []string) error {
	fd, err := o.listening(unix.SOCK_DGRAM, args[0])
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	b := make([]byte, 64<<10)
	for range o.count {
		n, from, err := receive(fd, b)
		if err != nil {
			return err
		}
		fmt.Printf("from %s\n", text(from))
		if err := unix.Sendto(fd, b[:n], 0, from); err != nil {
			return call("sendto", err)
		}
	}
	return nil
}
