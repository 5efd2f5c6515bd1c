package main

import (
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// Sockets of the host's that a program of the host's hands over, at the path of
// -name.
func unixAttacks() map[string]attack {
	return map[string]attack{
		"rights": func(o options, _ netip.AddrPort) error {
			fd, err := o.given()
			if err != nil {
				return err
			}
			defer unix.Close(fd)
			return arrives(fd)
		},
		"rights-connect": func(o options, to netip.AddrPort) error {
			fd, err := o.given()
			if err != nil {
				return err
			}
			defer unix.Close(fd)
			return o.reused(fd, to)
		},
	}
}

// given gets a descriptor.
func (o options) given() (int, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, call("socket", err)
	}
	defer unix.Close(fd)
	// Who serves it may be about to start.
	for end := time.Now().Add(o.wait); ; time.Sleep(20 * time.Millisecond) {
		if err = unix.Connect(fd, &unix.SockaddrUnix{Name: o.name}); err == nil || time.Now().After(end) {
			break
		}
	}
	if err != nil {
		return -1, call("connect", err)
	}
	return receivedOn(fd)
}
