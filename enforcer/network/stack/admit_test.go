package stack

import (
	"bytes"
	"encoding/binary"
	"testing"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"

	"github.com/least-privilege/lpm/enforcer/network/subnet"
)

// packet4 and packet6 return a packet from the container with so many bytes of TCP
// or UDP.
func packet4(protocol tcpip.TransportProtocolNumber, n int) []byte {
	p := make([]byte, header.IPv4MinimumSize+n)
	header.IPv4(p).Encode(&header.IPv4Fields{TotalLength: uint16(len(p)), TTL: 64, Protocol: byte(protocol)})
	from := subnet.Container4().As4()
	copy(p[12:], from[:])
	copy(p[16:], []byte{198, 51, 100, 7})
	return p
}

func packet6(protocol tcpip.TransportProtocolNumber, n int) []byte {
	p := make([]byte, header.IPv6MinimumSize+n)
	header.IPv6(p).Encode(&header.IPv6Fields{PayloadLength: uint16(n), TransportProtocol: protocol, HopLimit: 64})
	from := subnet.Container6().As16()
	copy(p[8:], from[:])
	copy(p[24:], []byte{0x20, 0x01, 0x0d, 0xb8, 15: 1})
	return p
}

// TestApart: the headers of a long packet are in memory of their own, and all that
// follows them is in one piece, where it was. A short packet stays as it is.
func TestApart(t *testing.T) {
	const tcp, udp = header.TCPProtocolNumber, header.UDPProtocolNumber
	for _, c := range []struct {
		name    string
		packet  []byte
		offset  byte // of TCP's data, in units of four bytes
		headers int
	}{
		{"TCP over IPv4", packet4(tcp, 60000), 5, 40},
		{"TCP with timestamps", packet4(tcp, 60000), 8, 52},
		{"TCP with all options over IPv6", packet6(tcp, 60000), 15, 100},
		{"TCP that is shorter than it says", packet4(tcp, copySize), 0, 20},
		{"UDP over IPv4", packet4(udp, 60000), 0, 28},
		{"UDP over IPv6", packet6(udp, 60000), 0, 48},
		{"a short one", packet4(tcp, 1000), 5, 1020},
	} {
		p := c.packet
		rest := len(p) - 8
		binary.NativeEndian.PutUint64(p[rest:], 0x1122334455667788)
		a := admit(p)
		if a.verdict != accepted {
			t.Errorf("%s: verdict %d", c.name, a.verdict)
			continue
		}
		if c.offset != 0 {
			p[a.headers+header.TCPDataOffset] = c.offset << 4
		}
		b := a.apart(buffer.NewViewWithData(p))
		var pieces []int
		b.Apply(func(v *buffer.View) { pieces = append(pieces, v.Size()) })
		switch {
		case len(p) > copySize && (len(pieces) != 2 || pieces[0] != c.headers || pieces[1] != len(p)-c.headers),
			len(p) <= copySize && len(pieces) != 1:
			t.Errorf("%s: %d bytes in pieces of %d", c.name, len(p), pieces)
		case !bytes.Equal(b.Flatten(), p):
			t.Errorf("%s: it is another packet", c.name)
		}
		b.Release()
	}
}
