package stack

import (
	"errors"
	"net"
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip/checksum"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

// handleUDP takes every datagram, whole. One that it does not take is answered
// with an ICMP error.
func (s *Stack) handleUDP(id stack.TransportEndpointID, pkt *stack.PacketBuffer) bool {
	from, to := addrPort(id.RemoteAddress, id.RemotePort), addrPort(id.LocalAddress, id.LocalPort)
	payload := func() []byte { return datagram(pkt) }
	key := flowKey{from, to}
	if s.published.pass(key, payload) || s.udp.pass(key, payload) {
		return true
	}
	switch {
	case isResolver(to):
		s.resolveUDP(from, to, payload())
		return true
	case gateway(to.Addr()):
		return false
	}
	f := s.udp.add(key)
	if f == nil {
		s.counts.limited.Add(1)
		return true
	}
	s.udp.pass(key, payload)
	first := quote(pkt)
	// The handler may wait, which this goroutine must not.
	s.work.Go(func() {
		defer first.DecRef()
		s.openUDP(f, first)
	})
	return true
}

// datagram copies the payload, as long as the header says.
func datagram(pkt *stack.PacketBuffer) []byte {
	said := int(header.UDP(pkt.TransportHeader().Slice()).Length()) - header.UDPMinimumSize
	b := pkt.Data().AsRange().ToSlice()
	return b[:max(0, min(said, len(b)))]
}

// openUDP opens the host's side of a flow, and carries what comes from there.
func (s *Stack) openUDP(f *flow, first *stack.PacketBuffer) {
	defer s.udp.remove(f)
	host, err := s.handler.UDP(s.ctx, f.key.from, f.key.to)
	if err != nil {
		s.unreachable(first, err)
		return
	}
	raw, err := host.SyscallConn()
	if err != nil {
		host.Close()
		return
	}
	send := func(p []byte) {
		s.counts.up.Add(uint64(len(p)))
		// Datagrams that do not fit are lost, as on any network. An error
		// that came from the host is what the next read returns.
		_ = raw.Control(func(fd uintptr) {
			_, _ = unix.SendmsgN(int(fd), p, nil, nil, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
		})
	}
	if !s.udp.open(f, send, func() { host.Close() }) {
		host.Close()
		return
	}
	s.receiveUDP(f, host, first)
}

func (s *Stack) receiveUDP(f *flow, host *net.UDPConn, first *stack.PacketBuffer) {
	b := make([]byte, 64<<10)
	for {
		n, err := host.Read(b)
		switch {
		case err == nil:
			s.udp.answer(f)
			s.counts.down.Add(uint64(n))
			s.sendUDP(f.key.to, f.key.from, b[:n])
		case errors.Is(err, net.ErrClosed):
			return
		case !notable(err):
			return
		default:
			s.unreachable(first, err)
		}
	}
}

// notable says whether a socket's error is about what was sent, after which more
// may be sent.
func notable(err error) bool {
	return errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.EHOSTUNREACH) ||
		errors.Is(err, syscall.ENETUNREACH) || errors.Is(err, syscall.EACCES) || errors.Is(err, syscall.EMSGSIZE)
}

// sendUDP sends a datagram to the container.
func (s *Stack) sendUDP(from, to netip.AddrPort, payload []byte) {
	route, terr := s.net.FindRoute(nic, addressOf(from.Addr()), addressOf(to.Addr()), protocolOf(to.Addr()), false)
	if terr != nil {
		return
	}
	defer route.Release()
	pkt := stack.NewPacketBuffer(stack.PacketBufferOptions{
		ReserveHeaderBytes: header.UDPMinimumSize + int(route.MaxHeaderLength()),
		Payload:            buffer.MakeWithData(payload),
	})
	defer pkt.DecRef()
	length := uint16(header.UDPMinimumSize + len(payload))
	udp := header.UDP(pkt.TransportHeader().Push(header.UDPMinimumSize))
	udp.Encode(&header.UDPFields{SrcPort: from.Port(), DstPort: to.Port(), Length: length})
	pkt.TransportProtocolNumber = header.UDPProtocolNumber
	sum := route.PseudoHeaderChecksum(header.UDPProtocolNumber, length)
	udp.SetChecksum(^udp.CalculateChecksum(checksum.Combine(sum, pkt.Data().Checksum())))
	// What the device does not take is lost, as on any network.
	route.WritePacket(stack.NetworkHeaderParams{Protocol: header.UDPProtocolNumber, TTL: route.DefaultTTL()}, pkt)
}
