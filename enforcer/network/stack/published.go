package stack

import (
	"net"
	"net/netip"
	"sync/atomic"
	"syscall"
)

// UDPFlow is a flow of datagrams to a port of the container.
type UDPFlow struct {
	stack    *Stack
	flow     *flow
	from, to netip.AddrPort
	closed   atomic.Bool
}

// DialUDP opens a flow to a port of the container, which sees from as its peer;
// both addresses are of the same family. What the container sends there is
// given to receive, which must neither wait nor keep it. The flow ends when it was
// silent for Limits.UDPIdle, or has to make place for another before the container
// answered; end is called then.
//
// The error is EADDRINUSE where there is such a flow already, and ErrLimit.
func (s *Stack) DialUDP(from, to netip.AddrPort, receive func([]byte), end func()) (*UDPFlow, error) {
	u := &UDPFlow{stack: s, from: from, to: to}
	key := flowKey{from: to, to: from}
	if s.udp.has(key) || s.published.has(key) {
		return nil, syscall.EADDRINUSE
	}
	if u.flow = s.published.add(key); u.flow == nil {
		s.counts.limited.Add(1)
		return nil, ErrLimit
	}
	send := func(p []byte) {
		s.published.answer(u.flow)
		s.counts.up.Add(uint64(len(p)))
		receive(p)
	}
	if !s.published.open(u.flow, send, func() { u.closed.Store(true); end() }) {
		return nil, net.ErrClosed
	}
	return u, nil
}

// Send sends a datagram to the container. After the flow's end, the error is net.ErrClosed.
func (u *UDPFlow) Send(p []byte) error {
	if u.closed.Load() {
		return net.ErrClosed
	}
	u.stack.published.use(u.flow)
	u.stack.counts.down.Add(uint64(len(p)))
	u.stack.sendUDP(u.from, u.to, p)
	return nil
}

// Close ends the flow.
func (u *UDPFlow) Close() { u.stack.published.remove(u.flow) }
