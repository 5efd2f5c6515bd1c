package main

import (
	"encoding/binary"
	"errors"
	"net/netip"

	"golang.org/x/sys/unix"
)

// Changes to the container's interfaces, addresses and routes (rtnetlink(7)).
// They need CAP_NET_ADMIN, and then a datagram and a connection to the target are
// tried.
func netlinkAttacks() map[string]attack {
	device, peer := uint32(64), uint32(65)
	return map[string]attack{
		"route-peer": changed(unix.RTM_NEWROUTE, func(to netip.Addr) []byte { return route(to, peer) }),
		"route-own":  changed(unix.RTM_NEWROUTE, func(to netip.Addr) []byte { return route(to, device) }),
		"route-lo":   changed(unix.RTM_NEWROUTE, func(to netip.Addr) []byte { return route(to, 1) }),
		"address-more": changed(unix.RTM_NEWADDR, func(netip.Addr) []byte {
			return ownAddress(netip.AddrFrom4([4]byte{198, 51, 100, 77}), device)
		}),
		"address-peer": changed(unix.RTM_NEWADDR, func(to netip.Addr) []byte { return ownAddress(to.Prev(), peer) }),
		"link-peer-down": changed(unix.RTM_NEWLINK, func(netip.Addr) []byte {
			return linkMessage(peer, 0, unix.IFF_UP)
		}),
		"link-peer-moved": changed(unix.RTM_NEWLINK, func(netip.Addr) []byte {
			return append(linkMessage(peer, 0, 0), netlinkAttribute(unix.IFLA_NET_NS_PID, binary.NativeEndian.AppendUint32(nil, 1))...)
		}),
		"link-gone": changed(unix.RTM_DELLINK, func(netip.Addr) []byte { return linkMessage(device, 0, 0) }),
	}
}

// changed makes a change and then tries to reach the target.
func changed(kind uint16, body func(to netip.Addr) []byte) attack {
	return func(o options, to netip.AddrPort) error {
		if err := netlink(kind, body(to.Addr())); err != nil {
			return err
		}
		return errors.Join(errors.New("changed"), each(map[string]func() error{
			"tcp": func() error {
				fd, err := o.open(unix.SOCK_STREAM, to)
				if err != nil {
					return err
				}
				defer unix.Close(fd)
				return reconnect(o, fd, to)
			},
			"udp": func() error { return udp(o, []string{to.String()}) },
		}))
	}
}

// netlink makes one request, and waits for what the kernel says.
func netlink(kind uint16, body []byte) error {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return call("socket", err)
	}
	defer unix.Close(fd)
	b := binary.NativeEndian.AppendUint32(nil, uint32(16+len(body)))
	b = binary.NativeEndian.AppendUint16(b, kind)
	flags := uint16(unix.NLM_F_REQUEST | unix.NLM_F_ACK)
	if kind == unix.RTM_NEWROUTE || kind == unix.RTM_NEWADDR {
		flags |= unix.NLM_F_CREATE | unix.NLM_F_REPLACE
	}
	b = binary.NativeEndian.AppendUint16(b, flags)
	b = append(append(b, 1, 0, 0, 0, 0, 0, 0, 0), body...)
	if err := unix.Sendto(fd, b, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return call("sendto", err)
	}
	answer := make([]byte, 4096)
	n, _, err := receive(fd, answer)
	if err != nil {
		return err
	}
	if n < 20 {
		return errors.New("a short answer")
	}
	if code := int32(binary.NativeEndian.Uint32(answer[16:])); code != 0 {
		return call("netlink", unix.Errno(-code))
	}
	return nil
}

func netlinkAttribute(kind uint16, value []byte) []byte {
	b := binary.NativeEndian.AppendUint16(nil, uint16(4+len(value)))
	b = append(binary.NativeEndian.AppendUint16(b, kind), value...)
	return append(b, make([]byte, -len(b)&3)...)
}

// route is a struct rtmsg for the target alone, by way of an interface.
func route(to netip.Addr, device uint32) []byte {
	family, bits := byte(unix.AF_INET), byte(32)
	if to.Is6() {
		family, bits = unix.AF_INET6, 128
	}
	b := []byte{family, bits, 0, 0, unix.RT_TABLE_MAIN, unix.RTPROT_BOOT, unix.RT_SCOPE_LINK, unix.RTN_UNICAST, 0, 0, 0, 0}
	b = append(b, netlinkAttribute(unix.RTA_DST, to.AsSlice())...)
	return append(b, netlinkAttribute(unix.RTA_OIF, binary.NativeEndian.AppendUint32(nil, device))...)
}

// ownAddress is a struct ifaddrmsg for one more address of an interface.
func ownAddress(a netip.Addr, device uint32) []byte {
	b := binary.NativeEndian.AppendUint32([]byte{unix.AF_INET, 24, 0, 0}, device)
	b = append(b, netlinkAttribute(unix.IFA_LOCAL, a.AsSlice())...)
	return append(b, netlinkAttribute(unix.IFA_ADDRESS, a.AsSlice())...)
}

// linkMessage is a struct ifinfomsg.
func linkMessage(device, flags, change uint32) []byte {
	b := make([]byte, 4)
	for _, v := range []uint32{device, flags, change} {
		b = binary.NativeEndian.AppendUint32(b, v)
	}
	return b
}
