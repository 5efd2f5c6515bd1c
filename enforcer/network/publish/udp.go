package publish

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/enforcer/network/stack"
)

// forwarder carries datagrams between the clients of one port and the container.
type forwarder struct {
	publication *Publication
	into        Container
	host        *net.UDPConn
	port        uint16

	mu    sync.Mutex
	flows map[client]*stack.UDPFlow
}

// client is who sent a datagram, and to which of the host's addresses: the answers
// come from there.
type client struct {
	peer netip.AddrPort
	at   netip.Addr
}

func newForwarder(p *Publication, into Container, host *net.UDPConn, port uint16) *forwarder {
	return &forwarder{publication: p, into: into, host: host, port: port, flows: map[client]*stack.UDPFlow{}}
}

func (f *forwarder) run() {
	defer f.close()
	payload, control := make([]byte, 64<<10), make([]byte, 256)
	for {
		n, cn, flags, from, err := f.host.ReadMsgUDPAddrPort(payload, control)
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			// An answer that a client did not take, or the host's lack of memory.
			if !errors.Is(err, syscall.ECONNREFUSED) {
				f.publication.report(fmt.Errorf("receiving at %s: %w", f.host.LocalAddr(), err))
				if !f.publication.pause() {
					return
				}
			}
		case flags&unix.MSG_TRUNC == 0:
			f.pass(client{unmapped(from), destination(control[:cn])}, payload[:n])
		}
	}
}

// pass sends a datagram in, on the client's flow or a new one.
func (f *forwarder) pass(from client, payload []byte) {
	f.mu.Lock()
	flow := f.flows[from]
	f.mu.Unlock()
	if flow != nil && flow.Send(payload) == nil {
		return
	}
	flow, err := f.open(from)
	if err != nil {
		// As on any network that is full. The client sends again, or not.
		return
	}
	_ = flow.Send(payload)
}

// ports is how many of the gateway's are tried for a client who cannot have its own.
const ports = 8

func (f *forwarder) open(from client) (*stack.UDPFlow, error) {
	flow, err := f.dial(from, peer(from.peer))
	for range ports {
		if !errors.Is(err, syscall.EADDRINUSE) {
			break
		}
		const first = 1024
		flow, err = f.dial(from, gateway(from.peer.Addr(), uint16(first+rand.IntN(1<<16-first))))
	}
	return flow, err
}

func (f *forwarder) dial(from client, as netip.AddrPort) (*stack.UDPFlow, error) {
	if as.Port() == 0 {
		return nil, syscall.EADDRINUSE
	}
	control := source(from.at)
	receive := func(p []byte) {
		// What does not fit is lost, as on any network.
		f.send(p, control, from.peer)
	}
	// The end may come before DialUDP returns, and is kept from overtaking by the lock.
	f.mu.Lock()
	defer f.mu.Unlock()
	var flow *stack.UDPFlow
	flow, err := f.into.DialUDP(as, netip.AddrPortFrom(inside(from.peer.Addr()), f.port), receive, func() {
		go f.forget(from, &flow)
	})
	if err == nil {
		f.flows[from] = flow
	}
	return flow, err
}

// forget drops a flow that has ended, if it is still the client's.
func (f *forwarder) forget(from client, flow **stack.UDPFlow) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.flows[from] == *flow {
		delete(f.flows, from)
	}
}

// close ends all flows of the port.
func (f *forwarder) close() {
	f.mu.Lock()
	flows := f.flows
	f.flows = nil
	f.mu.Unlock()
	for _, flow := range flows {
		flow.Close()
	}
}

// send does not wait: the goroutine that calls it reads for the whole container.
func (f *forwarder) send(p, control []byte, to netip.AddrPort) {
	raw, err := f.host.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) {
		_, _ = unix.SendmsgN(int(fd), p, control, sockaddr(f.host, to), unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
	})
}

// sockaddr is an address in the family of the socket.
func sockaddr(socket *net.UDPConn, a netip.AddrPort) unix.Sockaddr {
	if socket.LocalAddr().(*net.UDPAddr).IP.To4() != nil {
		return &unix.SockaddrInet4{Addr: a.Addr().As4(), Port: int(a.Port())}
	}
	return &unix.SockaddrInet6{Addr: a.Addr().As16(), Port: int(a.Port()), ZoneId: zone(a.Addr())}
}

// zone is the number of the interface that a link-local address is of.
func zone(a netip.Addr) uint32 {
	i, err := net.InterfaceByName(a.Zone())
	if err != nil {
		return 0
	}
	return uint32(i.Index)
}
