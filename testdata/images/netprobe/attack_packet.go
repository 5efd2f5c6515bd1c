package main

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// Packets that no ordinary socket makes. They need CAP_NET_RAW.
func packetAttacks() map[string]attack {
	all := map[string]attack{
		"packet-plain":    onDevice("lpm0", plain),
		"packet-peer":     onDevice("lpm0-peer", every),
		"packet-arp":      onDevice("lpm0", nil),
		"packet-segments": overlappingSegments,
		"raw-socket":      rawSocket,
	}
	for _, group := range groupsOfForms() {
		all["packet-"+group] = onDevice("lpm0", func(o options, to netip.AddrPort) [][]byte { return forms(o, to)[group] })
	}
	return all
}

// plain has what a granted destination would get.
func plain(_ options, to netip.AddrPort) [][]byte {
	const syn = 2
	request := byte(8)
	if to.Addr().Is6() {
		request = 128
	}
	icmp := byte(protoICMPOf(to.Addr()))
	return [][]byte{
		ip(protoUDP, to.Addr(), datagramTo(to, "attack")),
		ip(protoTCP, to.Addr(), segment(to.Port(), 1, syn, "")),
		ip(icmp, to.Addr(), echoRequest(request, "a tunnel in an echo request")),
	}
}

func protoICMPOf(a netip.Addr) int {
	if a.Is4() {
		return unix.IPPROTO_ICMP
	}
	return unix.IPPROTO_ICMPV6
}

// forms has what could get past somebody who looks at the wrong part, by what is
// wrong.
func forms(o options, to netip.AddrPort) map[string][][]byte {
	if to.Addr().Is4() {
		return forms4(o.granted().Addr(), to)
	}
	return forms6(o.granted().Addr(), to)
}

func groupsOfForms() []string {
	return []string{"sources", "protocols", "icmp", "routes", "fragments", "lengths"}
}

// every has all of them, and those with which nothing is wrong.
func every(o options, to netip.AddrPort) [][]byte {
	all := plain(o, to)
	for _, group := range groupsOfForms() {
		all = append(all, forms(o, to)[group]...)
	}
	return all
}

func forms4(granted netip.Addr, to netip.AddrPort) map[string][][]byte {
	target := to.Addr().As4()
	udp := datagram(to.Port(), "attack")
	loose := append([]byte{1, 131, 7, 4}, target[:]...)
	inner := ip4(own4(), to.Addr(), protoUDP, 0, nil, udp)
	all := map[string][][]byte{}
	add := func(group string, packets ...[]byte) { all[group] = append(all[group], packets...) }
	for _, from := range []netip.Addr{
		netip.AddrFrom4([4]byte{192, 0, 0, 1}), netip.AddrFrom4([4]byte{127, 0, 0, 1}), to.Addr(), granted, netip.IPv4Unspecified(),
	} {
		add("sources", ip4(from, to.Addr(), protoUDP, 0, nil, udp))
	}
	for _, protocol := range []byte{protoIGMP, protoIPIP, proto6in4, protoGRE, protoSCTP, 255} {
		add("protocols", ip4(own4(), to.Addr(), protocol, 0, nil, inner), ip4(own4(), granted, protocol, 0, nil, inner))
	}
	for _, kind := range []byte{0, 3, 5, 9, 13, 15, 17} { // ICMP that is no echo request
		add("icmp", ip4(own4(), to.Addr(), unix.IPPROTO_ICMP, 0, nil, echoRequest(kind, "attack")))
	}
	const more = 0x2000
	add("routes", ip4(own4(), granted, protoUDP, 0, loose, udp), ip4(own4(), to.Addr(), protoUDP, 0, loose, udp))
	add("fragments",
		// A first fragment to here, the rest to there.
		ip4(own4(), granted, protoUDP, more, nil, datagram(to.Port(), "12345678")),
		ip4(own4(), to.Addr(), protoUDP, 2, nil, []byte("attack")),
		// One that writes over the ports of the first.
		ip4(own4(), to.Addr(), protoUDP, more, nil, append(datagram(to.Port(), ""), make([]byte, 16)...)),
		ip4(own4(), to.Addr(), protoUDP, 1, nil, udp))
	// A length beyond the packet, and a header beyond the length.
	add("lengths", append([]byte{0x45, 0, 0xff, 0xff}, inner[4:]...), append([]byte{0x4f}, inner[1:]...), inner[:19])
	return all
}

func forms6(granted netip.Addr, to netip.AddrPort) map[string][][]byte {
	udp := datagramTo(to, "attack")
	target := to.Addr().As16()
	extended := func(payload []byte) []byte { return append([]byte{protoUDP, 0, 1, 4, 0, 0, 0, 0}, payload...) }
	routing := append(append([]byte{protoUDP, 2, 0, 1, 0, 0, 0, 0}, target[:]...), udp...)
	fragment := func(next byte, offset uint16, payload []byte) []byte {
		h := []byte{next, 0, 0, 0, 0, 0, 0x47, 0x11}
		binary.BigEndian.PutUint16(h[2:], offset)
		return append(h, payload...)
	}
	inner := ip6(own6(), to.Addr(), protoUDP, udp)
	return map[string][][]byte{
		"sources": {ip6(netip.IPv6Loopback(), to.Addr(), protoUDP, udp), ip6(to.Addr(), to.Addr(), protoUDP, udp)},
		"protocols": {
			ip6(own6(), granted, proto6in4, inner),
			ip6(own6(), to.Addr(), protoHops, extended(udp)),
			ip6(own6(), to.Addr(), protoDestination, extended(udp)),
		},
		"icmp": {
			ip6(own6(), to.Addr(), unix.IPPROTO_ICMPV6, echoRequest(135, string(target[:]))), // neighbour solicitation
			ip6(own6(), to.Addr(), unix.IPPROTO_ICMPV6, echoRequest(134, "attack")),          // router advertisement
		},
		"routes": {ip6(own6(), to.Addr(), protoRouting, routing), ip6(own6(), granted, protoRouting, routing)},
		"fragments": {
			ip6(own6(), to.Addr(), protoFragment, fragment(protoUDP, 0, udp)),
			ip6(own6(), to.Addr(), protoFragment, fragment(protoUDP, 1, udp)),
			ip6(own6(), granted, protoFragment, fragment(protoRouting, 0, routing)),
		},
		"lengths": {append(inner[:4:4], append([]byte{0xff, 0xff}, inner[6:]...)...), inner[:39]},
	}
}

// onDevice writes packets to an interface, each in a frame of its kind and in
// those of others. With no packets it asks for the target's hardware address.
func onDevice(name string, packets func(options, netip.AddrPort) [][]byte) attack {
	return func(o options, to netip.AddrPort) error {
		fd, at, err := packetSocket(name)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		if packets == nil {
			return sendFrame(fd, at, unix.ETH_P_ARP, arp(to.Addr()))
		}
		kind := uint16(unix.ETH_P_IP)
		if to.Addr().Is6() {
			kind = unix.ETH_P_IPV6
		}
		all := packets(o, to)
		for _, p := range all {
			for _, frame := range []uint16{kind, unix.ETH_P_ARP, unix.ETH_P_ALL} {
				if err := sendFrame(fd, at, frame, p); err != nil {
					return err
				}
			}
			tagged := append(binary.BigEndian.AppendUint16([]byte{0, 1}, kind), p...)
			if err := sendFrame(fd, at, unix.ETH_P_8021Q, tagged); err != nil {
				return err
			}
		}
		fmt.Printf("%d packets\n", len(all))
		return o.handled()
	}
}

// handled waits until packets that were sent have been looked at: a question
// that was asked after them is answered. What follows from them has some time.
func (o options) handled() error {
	if err := resolve(o, []string{"after.invalid"}); describe(err) != "resolve: not found" {
		return fmt.Errorf("the resolver: %w", err)
	}
	time.Sleep(200 * time.Millisecond)
	return nil
}

func packetSocket(name string) (int, *unix.SockaddrLinklayer, error) {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, nil, call("socket", err)
	}
	index, ok := map[string]int{"lpm0": 64, "lpm0-peer": 65}[name]
	if !ok {
		unix.Close(fd)
		return -1, nil, fmt.Errorf("no interface %q", name)
	}
	return fd, &unix.SockaddrLinklayer{Ifindex: index}, nil
}

// sendFrame sends an Ethernet frame to the other end.
func sendFrame(fd int, at *unix.SockaddrLinklayer, kind uint16, payload []byte) error {
	frame := []byte{2, 0xc5, 0x1f, 0x5a, 0x9b, 0x3f, 2, 0xc5, 0x1f, 0x5a, 0x9b, 0x3e}
	frame = append(binary.BigEndian.AppendUint16(frame, kind), payload...)
	return call("sendto", unix.Sendto(fd, frame, 0, at))
}

// arp asks who has an address (RFC 826).
func arp(a netip.Addr) []byte {
	from, to := own4().As4(), a.As4()
	b := []byte{0, 1, 8, 0, 6, 4, 0, 1, 2, 0xc5, 0x1f, 0x5a, 0x9b, 0x3e}
	b = append(append(b, from[:]...), make([]byte, 6)...)
	return append(b, to[:]...)
}

// rawSocket writes packets with their headers, which the kernel routes.
func rawSocket(o options, to netip.AddrPort) error {
	family, at := unix.AF_INET, o.sockaddr(netip.AddrPortFrom(to.Addr(), 0))
	if to.Addr().Is6() {
		family = unix.AF_INET6
	}
	fd, err := unix.Socket(family, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW)
	if err != nil {
		return call("socket", err)
	}
	defer unix.Close(fd)
	for _, p := range every(o, to) {
		// The kernel itself refuses the worst of them.
		_ = unix.Sendto(fd, p, 0, at)
	}
	return o.handled()
}
