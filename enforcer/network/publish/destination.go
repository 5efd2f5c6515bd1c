package publish

import (
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"
)

// destinations makes a socket say to which of the host's addresses a datagram was sent
// (ip(7), ipv6(7)). One that listens on all addresses would otherwise answer from
// the one that the route has, which the client did not ask.
func destinations(network, _ string, raw syscall.RawConn) error {
	var err error
	cerr := raw.Control(func(fd uintptr) {
		if network == "udp6" {
			err = unix.SetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO, 1)
		} else {
			err = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_PKTINFO, 1)
		}
	})
	if cerr != nil {
		return cerr
	}
	return err
}

// destination reads the address from a datagram's control messages.
func destination(control []byte) netip.Addr {
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return netip.Addr{}
	}
	const address4, address6 = 8, 0 // struct in_pktinfo, in6_pktinfo
	for _, m := range messages {
		switch {
		case m.Header.Level == unix.IPPROTO_IP && m.Header.Type == unix.IP_PKTINFO && len(m.Data) >= address4+4:
			return netip.AddrFrom4([4]byte(m.Data[address4:]))
		case m.Header.Level == unix.IPPROTO_IPV6 && m.Header.Type == unix.IPV6_PKTINFO && len(m.Data) >= address6+16:
			return netip.AddrFrom16([16]byte(m.Data[address6:]))
		}
	}
	return netip.Addr{}
}

// source is the control message that has a datagram sent from the address.
func source(a netip.Addr) []byte {
	switch {
	case a.Is4():
		return unix.PktInfo4(&unix.Inet4Pktinfo{Spec_dst: a.As4()})
	case a.IsValid() && !a.IsMulticast():
		return unix.PktInfo6(&unix.Inet6Pktinfo{Addr: a.As16()})
	}
	return nil
}
