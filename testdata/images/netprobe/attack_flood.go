package main

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// More than there can be of something. -count says how many. What is granted
// has to be reached afterwards, and the target never.
func floodAttacks() map[string]attack {
	return map[string]attack{
		"flood-half-open":   halfOpen,
		"flood-refused":     refusedFlood,
		"flood-datagrams":   datagramFlood,
		"flood-descriptors": noDescriptors,
		"flood-unread":      unread,
		"persist":           persist,
	}
}

// halfOpen has many connections begun to where nobody answers: SYN packets of
// ever other ports.
func halfOpen(o options, to netip.AddrPort) error {
	fd, at, err := packetSocket("lpm0")
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	for i := range o.count {
		const syn = 2
		s := segment(to.Port(), uint32(i), syn, "")
		s[0], s[1] = byte(i>>8), byte(i)
		err := sendFrame(fd, at, unix.ETH_P_IP, ip(protoTCP, to.Addr(), s))
		if err != nil && !errors.Is(err, unix.ENOBUFS) {
			return err
		}
	}
	return o.afterwards(to)
}

// afterwards reports whether what is granted is still reached, and then whether
// the target is.
func (o options) afterwards(to netip.AddrPort) error {
	fd, err := o.handed()
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := arrives(fd); err != nil {
		return fmt.Errorf("the granted address: %w", err)
	}
	fmt.Println("the granted address is reached")
	if to == o.granted() {
		return nil
	}
	return fresh(o, to, reconnect)
}

func refusedFlood(o options, to netip.AddrPort) error {
	for range o.count {
		fd, err := o.open(unix.SOCK_STREAM, to)
		if err != nil {
			return err
		}
		_, err = nonblocking(o, fd, o.sockaddr(to))
		unix.Close(fd)
		if err == nil {
			return nil
		}
	}
	return o.afterwards(to)
}

// datagramFlood has ever other flows.
func datagramFlood(o options, to netip.AddrPort) error {
	for range o.count {
		fd, err := o.open(unix.SOCK_DGRAM, to)
		if err != nil {
			return err
		}
		_ = unix.Sendto(fd, []byte(o.send), 0, o.sockaddr(to))
		unix.Close(fd)
	}
	return o.afterwards(to)
}

// persist has a connection to the granted address, and then tries to reach the
// target by all paths until -wait is over, whatever ends meanwhile.
func persist(o options, to netip.AddrPort) error {
	end := time.Now().Add(o.wait)
	o.wait = 200 * time.Millisecond
	kept, err := o.handed()
	if err != nil {
		return err
	}
	for time.Now().Before(end) {
		_, _ = stream(kept).Write([]byte("kept"))
		for _, try := range []func() error{
			func() error { return fresh(o, to, reconnect) },
			func() error { return tcp(o.by("epoll"), []string{to.String()}) },
			func() error { return udp(o, []string{to.String()}) },
			func() error {
				fd, err := o.dissolved()
				if err != nil {
					return err
				}
				defer unix.Close(fd)
				return reconnect(o, fd, to)
			},
		} {
			if try() == nil {
				return nil
			}
		}
	}
	return errors.New("nothing has ended this")
}

func (o options) by(way string) options {
	o.way = way
	return o
}

// noDescriptors connects when the process can have no more files open.
func noDescriptors(o options, to netip.AddrPort) error {
	target, err := o.open(unix.SOCK_STREAM, to)
	if err != nil {
		return err
	}
	var all []int
	for {
		fd, err := unix.FcntlInt(uintptr(target), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			break
		}
		all = append(all, fd)
	}
	defer func() {
		for _, fd := range all {
			unix.Close(fd)
		}
	}()
	fmt.Printf("%d descriptors\n", len(all))
	_, err = blocking(o, target, o.sockaddr(to))
	if err != nil {
		return err
	}
	return arrives(target)
}

// unread has connections on which both ends send and neither reads, until nothing
// more is taken: all that is between them is full. Then it connects to the target,
// and waits.
func unread(o options, to netip.AddrPort) error {
	var all []int
	defer func() {
		for _, fd := range all {
			unix.Close(fd)
		}
	}()
	for range o.count {
		fd, err := o.handed()
		if err != nil {
			return err
		}
		all = append(all, fd)
		if err := unix.SetNonblock(fd, true); err != nil {
			return call("fcntl", err)
		}
	}
	b, sent := make([]byte, 64<<10), 0
	for idle := time.Now(); time.Since(idle) < time.Second; time.Sleep(10 * time.Millisecond) {
		for _, fd := range all {
			n, err := unix.SendmsgN(fd, b, nil, nil, unix.MSG_NOSIGNAL)
			switch {
			case err == nil:
				sent, idle = sent+n, time.Now()
			case !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.EINTR):
				return call("sendmsg", err)
			}
		}
	}
	fmt.Printf("%d bytes sent\n", sent)
	if err := fresh(o, to, reconnect); err != nil {
		return err
	}
	time.Sleep(o.wait)
	return nil
}
