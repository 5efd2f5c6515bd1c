package stack

import (
	"encoding/binary"
	"net/netip"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"

	"github.com/least-privilege/lpm/enforcer/network/subnet"
)

// verdict is what becomes of a packet from the container.
type verdict int

const (
	// malformed packets have headers that contradict themselves.
	malformed verdict = iota
	// spoofed ones have a source that is not the container's.
	spoofed
	// unsupported ones are of another protocol, have options or extension
	// headers, or go to many receivers.
	unsupported
	// echo ones are ICMP echo requests.
	echo
	// accepted ones go to the stack: TCP and UDP.
	accepted
)

// admission is a packet's verdict, with what was read from its headers.
type admission struct {
	verdict
	network tcpip.NetworkProtocolNumber
	to      netip.Addr
	// headers is the length of the IP header, in bytes, and length that of the packet.
	headers, length int
}

// admit judges a packet by its IP header alone. All that is admitted is of a
// form that an ordinary socket makes: options and extension headers, of which the
// stack would know many, are never needed here.
func admit(p []byte) admission {
	if len(p) == 0 {
		return admission{}
	}
	switch p[0] >> 4 {
	case 4:
		return admit4(p)
	case 6:
		return admit6(p)
	}
	return admission{verdict: unsupported}
}

func admit4(p []byte) admission {
	if len(p) < header.IPv4MinimumSize {
		return admission{}
	}
	a := admission{
		network: header.IPv4ProtocolNumber, headers: header.IPv4MinimumSize,
		to:     netip.AddrFrom4([4]byte(p[16:20])),
		length: int(binary.BigEndian.Uint16(p[2:])),
	}
	if int(p[0]&15)*4 < a.headers || a.length < a.headers || a.length > len(p) {
		return a
	}
	from := netip.AddrFrom4([4]byte(p[12:16]))
	switch {
	case from != subnet.Container4():
		a.verdict = spoofed
	case p[0]&15 != 5, !single(a.to):
		a.verdict = unsupported
	default:
		const fragmented = 0x3fff
		whole := binary.BigEndian.Uint16(p[6:])&fragmented == 0
		a.verdict = byProtocol(p[9], p[a.headers:a.length], whole, header.ICMPv4ProtocolNumber, byte(header.ICMPv4Echo))
	}
	return a
}

func admit6(p []byte) admission {
	if len(p) < header.IPv6MinimumSize {
		return admission{}
	}
	a := admission{
		network: header.IPv6ProtocolNumber, headers: header.IPv6MinimumSize,
		to:     netip.AddrFrom16([16]byte(p[24:40])),
		length: header.IPv6MinimumSize + int(binary.BigEndian.Uint16(p[4:])),
	}
	if a.length > len(p) {
		return a
	}
	from := netip.AddrFrom16([16]byte(p[8:24]))
	next, payload := p[6], p[a.headers:a.length]
	switch {
	case from != subnet.Container6():
		a.verdict = spoofed
	case !single(a.to):
		a.verdict = unsupported
	case next == byte(header.IPv6FragmentExtHdrIdentifier):
		a.verdict = fragment6(payload)
	default:
		a.verdict = byProtocol(next, payload, true, header.ICMPv6ProtocolNumber, byte(header.ICMPv6EchoRequest))
	}
	return a
}

// fragment6 judges what follows a fragment header (RFC 8200, 4.5), of which each
// fragment names the protocol.
func fragment6(p []byte) verdict {
	if len(p) < 8 {
		return malformed
	}
	return byProtocol(p[0], p[8:], false, header.ICMPv6ProtocolNumber, byte(header.ICMPv6EchoRequest))
}

func byProtocol(protocol byte, payload []byte, whole bool, icmp tcpip.TransportProtocolNumber, request byte) verdict {
	switch tcpip.TransportProtocolNumber(protocol) {
	case header.TCPProtocolNumber, header.UDPProtocolNumber:
		return accepted
	case icmp:
		switch {
		case !whole:
			// No echo is: the device takes packets of any size.
			return unsupported
		case len(payload) < header.ICMPv4MinimumSize:
			return malformed
		case payload[0] == request && payload[1] == 0:
			return echo
		}
	}
	return unsupported
}

// apart returns an accepted packet, whose headers have memory of their own if it is
// long: the library copies the whole memory that they are in when it looks at them.
func (a admission) apart(v *buffer.View) buffer.Buffer {
	p := v.AsSlice()
	if len(p) <= copySize {
		return buffer.MakeWithView(v)
	}
	protocol := p[9]
	if a.network == header.IPv6ProtocolNumber {
		protocol = p[6]
	}
	all := a.headers + header.UDPMinimumSize
	if tcpip.TransportProtocolNumber(protocol) == header.TCPProtocolNumber {
		all = a.headers + int(p[a.headers+header.TCPDataOffset]>>4)*4
	}
	first := buffer.NewViewWithData(p[:all])
	b := buffer.MakeWithView(first)
	v.TrimFront(all)
	// Where its memory is shared, nothing of what follows is copied to its end.
	shared := first.Clone()
	_ = b.Append(v) // fails only for that copy
	shared.Release()
	return b
}

// single says whether the address is of one host.
//
// IPv4 in IPv6 is never on a wire (RFC 4291, 2.5.5.2), and a policy might see another
// address in it than the host does.
func single(a netip.Addr) bool {
	broadcast := netip.AddrFrom4([4]byte{255, 255, 255, 255})
	return !a.IsMulticast() && !a.IsUnspecified() && a != broadcast && !a.Is4In6()
}
