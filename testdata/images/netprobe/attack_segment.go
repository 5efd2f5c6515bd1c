package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// overlappingSegments writes over what a connection has said, and ahead of it, as
// somebody would who wants one end to see something else than who looks on. It needs
// a connection that takes the plain path, and CAP_NET_RAW.
func overlappingSegments(o options, to netip.AddrPort) error {
	watch, at, err := packetSocket("lpm0")
	if err != nil {
		return err
	}
	defer unix.Close(watch)
	if err := unix.Bind(watch, &unix.SockaddrLinklayer{Ifindex: at.Ifindex, Protocol: 0x0300}); err != nil { // ETH_P_ALL
		return call("bind", err)
	}
	o.local = netip.AddrPortFrom(own4(), 0).String()
	fd, err := o.handed()
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := arrives(fd); err != nil {
		return err
	}
	last, err := sent(watch, fd)
	if err != nil {
		return err
	}
	for _, shift := range []int{-6, -3, 0, 3, 6, 1 << 20} {
		forged := append([]byte(nil), last...)
		sequence := binary.BigEndian.Uint32(forged[14+20+4:])
		binary.BigEndian.PutUint32(forged[14+20+4:], sequence+uint32(shift))
		copy(forged[len(forged)-6:], "forged")
		if err := unix.Sendto(watch, forged, 0, at); err != nil {
			return call("sendto", err)
		}
		// The same bytes to the target, which knows of no connection.
		target := to.Addr().As4()
		copy(forged[14+16:], target[:])
		binary.BigEndian.PutUint16(forged[14+10:], 0)
		binary.BigEndian.PutUint16(forged[14+10:], checksum(forged[14:14+20]))
		if err := unix.Sendto(watch, forged, 0, at); err != nil {
			return call("sendto", err)
		}
	}
	fmt.Println("12 segments")
	return o.handled()
}

// sent returns the last frame with six bytes of data that a socket has sent.
func sent(watch, fd int) ([]byte, error) {
	own, err := unix.Getsockname(fd)
	if err != nil {
		return nil, err
	}
	from, ok := own.(*unix.SockaddrInet4)
	if !ok {
		return nil, errors.New("no connection by IPv4")
	}
	b := make([]byte, 64<<10)
	for {
		n, _, err := unix.Recvfrom(watch, b, unix.MSG_DONTWAIT)
		if err != nil {
			return nil, fmt.Errorf("its packets were not seen, it may be handed over: %w", err)
		}
		p := b[:n]
		if n < 14+40 || p[14] != 0x45 || p[14+9] != protoTCP || binary.BigEndian.Uint16(p[14+20:]) != uint16(from.Port) {
			continue
		}
		if header := 14 + 20 + int(p[14+20+12]>>4)*4; n == header+6 {
			return append([]byte(nil), p...), nil
		}
	}
}
