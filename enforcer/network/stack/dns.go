package stack

import (
	"encoding/binary"
	"io"
	"net/netip"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/waiter"

	"github.com/least-privilege/lpm/enforcer/network/subnet"
)

// isResolver says whether the address is where names are resolved.
func isResolver(a netip.AddrPort) bool {
	return a.Port() == 53 && (a.Addr() == subnet.Gateway4() || a.Addr() == subnet.Gateway6())
}

// resolveUDP answers a query, or drops it if there are too many.
func (s *Stack) resolveUDP(from, to netip.AddrPort, query []byte) {
	select {
	case s.resolving <- struct{}{}:
	default:
		s.counts.limited.Add(1)
		return
	}
	s.work.Go(func() {
		defer func() { <-s.resolving }()
		if answer := s.handler.Resolve(s.ctx, query, false); answer != nil {
			s.sendUDP(to, from, answer)
		}
	})
}

// queryIdle is how long a connection to the resolver may be silent (RFC 7766, 6.2.3).
const queryIdle = 10 * time.Second

// resolveTCP answers the queries of one connection (RFC 1035, 4.2.2), which it
// takes over.
func (s *Stack) resolveTCP(ep tcpip.Endpoint, queue *waiter.Queue) {
	s.bound(ep, smallBuffer)
	conn := gonet.NewTCPConn(queue, ep)
	defer conn.Close()
	for s.ctx.Err() == nil {
		_ = conn.SetDeadline(time.Now().Add(queryIdle))
		if !s.resolveOne(conn) {
			return
		}
	}
}

func (s *Stack) resolveOne(conn *gonet.TCPConn) bool {
	var size [2]byte
	if _, err := io.ReadFull(conn, size[:]); err != nil {
		return false
	}
	query := make([]byte, binary.BigEndian.Uint16(size[:]))
	if _, err := io.ReadFull(conn, query); err != nil {
		return false
	}
	select {
	case s.resolving <- struct{}{}:
	case <-s.ctx.Done():
		return false
	}
	answer := s.handler.Resolve(s.ctx, query, true)
	<-s.resolving
	if answer == nil || len(answer) > 0xffff {
		return false
	}
	framed := append(binary.BigEndian.AppendUint16(nil, uint16(len(answer))), answer...)
	_, err := conn.Write(framed)
	return err == nil
}
