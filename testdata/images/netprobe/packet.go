package main

import (
	"encoding/binary"
	"net/netip"
)

// What packets are made of, right or wrong.

// The container's own addresses.
func own4() netip.Addr { return netip.AddrFrom4([4]byte{192, 0, 0, 2}) }
func own6() netip.Addr { return netip.AddrFrom16([16]byte{0xfd, 0xc5, 0x1f, 0x5a, 0x9b, 0x3e, 15: 2}) }

// Numbers of protocols (IANA).
const (
	protoIGMP, protoIPIP, protoTCP, protoUDP, proto6in4                           = 2, 4, 6, 17, 41
	protoHops, protoRouting, protoFragment, protoGRE, protoDestination, protoSCTP = 0, 43, 44, 47, 60, 132
)

// ip returns a packet from the container.
func ip(protocol byte, to netip.Addr, payload []byte) []byte {
	if to.Is4() {
		return ip4(own4(), to, protocol, 0, nil, payload)
	}
	return ip6(own6(), to, protocol, payload)
}

// ip4 returns an IPv4 packet. The fragment field has its flags.
func ip4(from, to netip.Addr, protocol byte, fragment uint16, options, payload []byte) []byte {
	length := 20 + len(options)
	h := make([]byte, 20, length+len(payload))
	h[0] = 4<<4 | byte(length/4)
	binary.BigEndian.PutUint16(h[2:], uint16(length+len(payload)))
	binary.BigEndian.PutUint16(h[4:], 4711)
	binary.BigEndian.PutUint16(h[6:], fragment)
	h[8], h[9] = 64, protocol
	source, target := from.As4(), to.As4()
	copy(h[12:], source[:])
	copy(h[16:], target[:])
	h = append(h, options...)
	binary.BigEndian.PutUint16(h[10:], checksum(h))
	return append(h, payload...)
}

func ip6(from, to netip.Addr, next byte, payload []byte) []byte {
	h := make([]byte, 40, 40+len(payload))
	h[0] = 6 << 4
	binary.BigEndian.PutUint16(h[4:], uint16(len(payload)))
	h[6], h[7] = next, 64
	source, target := from.As16(), to.As16()
	copy(h[8:], source[:])
	copy(h[24:], target[:])
	return append(h, payload...)
}

// datagramTo returns a UDP datagram of the container's to an address. That of IPv6
// has a checksum (RFC 8200, 8.1).
func datagramTo(to netip.AddrPort, text string) []byte {
	d := datagram(to.Port(), text)
	if to.Addr().Is4() {
		return d
	}
	from, target := own6().As16(), to.Addr().As16()
	pseudo := append(from[:], target[:]...)
	pseudo = append(pseudo, 0, 0, 0, byte(len(d)), 0, 0, 0, protoUDP)
	binary.BigEndian.PutUint16(d[6:], checksum(append(pseudo, d...)))
	return d
}

// datagram returns a UDP datagram without a checksum.
func datagram(port uint16, text string) []byte {
	h := make([]byte, 8)
	binary.BigEndian.PutUint16(h, 40000)
	binary.BigEndian.PutUint16(h[2:], port)
	binary.BigEndian.PutUint16(h[4:], uint16(8+len(text)))
	return append(h, text...)
}

// segment returns a TCP segment without options.
func segment(port uint16, sequence uint32, flags byte, text string) []byte {
	h := make([]byte, 20)
	binary.BigEndian.PutUint16(h, 40001)
	binary.BigEndian.PutUint16(h[2:], port)
	binary.BigEndian.PutUint32(h[4:], sequence)
	h[12], h[13] = 5<<4, flags
	binary.BigEndian.PutUint16(h[14:], 0xffff)
	return append(h, text...)
}

// echoRequest returns an ICMP message of a type, which has a text to carry.
func echoRequest(kind byte, text string) []byte {
	m := append([]byte{kind, 0, 0, 0, 0, 1, 0, 1}, text...)
	binary.BigEndian.PutUint16(m[2:], checksum(m))
	return m
}

func checksum(b []byte) uint16 {
	var sum uint32
	for i, v := range b {
		if i%2 == 0 {
			sum += uint32(v) << 8
		} else {
			sum += uint32(v)
		}
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}
