package stack

import (
	"errors"
	"syscall"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

// quote copies of a packet what an ICMP error says of it: the IP header and the
// eight bytes after it, which have the ports and TCP's sequence number.
func quote(pkt *stack.PacketBuffer) *stack.PacketBuffer {
	network, transport := pkt.NetworkHeader().Slice(), pkt.TransportHeader().Slice()
	transport = transport[:min(len(transport), 8)]
	v := buffer.NewView(len(network) + len(transport))
	_, _ = v.Write(network)
	_, _ = v.Write(transport)
	return quoted(pkt.NetworkProtocolNumber, v, len(network))
}

// quotePacket is quote for a packet that the stack has not seen.
func quotePacket(a admission, packet []byte) *stack.PacketBuffer {
	return quoted(a.network, buffer.NewViewWithData(packet[:min(a.headers+8, a.length)]), a.headers)
}

func quoted(protocol tcpip.NetworkProtocolNumber, v *buffer.View, network int) *stack.PacketBuffer {
	q := stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: buffer.MakeWithView(v)})
	q.NICID = nic
	q.NetworkProtocolNumber = protocol
	q.NetworkHeader().Consume(network)
	q.TransportHeader().Consume(v.Size() - network)
	return q
}

// unreachable answers a packet with the ICMP error that tells what the error is.
func (s *Stack) unreachable(pkt *stack.PacketBuffer, err error) {
	four, six := stack.RejectIPv4WithICMPHostUnreachable, stack.RejectIPv6WithICMPAddrUnreachable
	switch {
	case errors.Is(err, ErrRefused), errors.Is(err, syscall.ECONNREFUSED):
		four, six = stack.RejectIPv4WithICMPPortUnreachable, stack.RejectIPv6WithICMPPortUnreachable
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EAFNOSUPPORT), errors.Is(err, syscall.EADDRNOTAVAIL):
		four, six = stack.RejectIPv4WithICMPNetUnreachable, stack.RejectIPv6WithICMPNoRoute
	case errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EPERM):
		four, six = stack.RejectIPv4WithICMPAdminProhibited, stack.RejectIPv6WithICMPAdminProhibited
	}
	// Nothing can be done about an error that is not sent: they are limited
	// in number, too.
	if pkt.NetworkProtocolNumber == header.IPv4ProtocolNumber {
		if header.IPv4(pkt.NetworkHeader().Slice()).TransportProtocol() == header.UDPProtocolNumber {
			four = told(four)
		}
		s.net.NetworkProtocolInstance(ipv4.ProtocolNumber).(stack.RejectIPv4WithHandler).SendRejectionError(pkt, four, true)
		return
	}
	s.net.NetworkProtocolInstance(ipv6.ProtocolNumber).(stack.RejectIPv6WithHandler).SendRejectionError(pkt, six, true)
}

// told is the kind of ICMP error that means the same to a program and that Linux
// tells a datagram socket of unasked: that a network or host is unreachable it
// takes for passing (icmp_err_convert in net/ipv4/icmp.c), and the program would
// wait for an answer. On the host it is told by its own call. IPv6 has no such kind.
func told(kind stack.RejectIPv4WithICMPType) stack.RejectIPv4WithICMPType {
	switch kind {
	case stack.RejectIPv4WithICMPNetUnreachable:
		return stack.RejectIPv4WithICMPNetProhibited
	case stack.RejectIPv4WithICMPHostUnreachable:
		return stack.RejectIPv4WithICMPHostProhibited
	}
	return kind
}
