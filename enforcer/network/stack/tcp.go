package stack

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"syscall"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/waiter"
)

// connections are the TCP connections of a stack.
type connections struct {
	mu sync.Mutex
	// pending has the first packet of those in the making, for an error about it.
	pending map[stack.TransportEndpointID]*stack.PacketBuffer
	open    map[*relay]struct{}
	// reserved counts those that are open or in the making.
	reserved int
	closed   bool
}

func (s *Stack) serveTCP() {
	s.tcp.pending = map[stack.TransportEndpointID]*stack.PacketBuffer{}
	s.tcp.open = map[*relay]struct{}{}
	// The option for new endpoints is not for those that it makes.
	first := min(initial, s.device.window(s.limits.Buffer))
	forwarder := tcp.NewForwarder(s.net, first, s.limits.Pending+1, s.accept)
	s.net.SetTransportProtocolHandler(tcp.ProtocolNumber, func(id stack.TransportEndpointID, pkt *stack.PacketBuffer) bool {
		return s.handleTCP(forwarder, id, pkt)
	})
}

// handleTCP takes a segment that belongs to no connection. One that it does
// not take is answered with a reset.
func (s *Stack) handleTCP(forwarder *tcp.Forwarder, id stack.TransportEndpointID, pkt *stack.PacketBuffer) bool {
	flags := header.TCP(pkt.TransportHeader().Slice()).Flags()
	if flags&(header.TCPFlagSyn|header.TCPFlagAck) != header.TCPFlagSyn {
		return false
	}
	to := addrPort(id.LocalAddress, id.LocalPort)
	if gateway(to.Addr()) && !isResolver(to) {
		return false
	}
	reserved, handled := s.reserve(id, pkt)
	if !reserved {
		return handled
	}
	// The forwarder calls accept for it, in a goroutine of its own.
	s.work.Add(1)
	if !forwarder.HandlePacket(id, pkt) {
		s.release(id)
		s.work.Done()
		return false
	}
	return true
}

// reserve takes a place for a connection, or says what becomes of the segment.
func (s *Stack) reserve(id stack.TransportEndpointID, pkt *stack.PacketBuffer) (reserved, handled bool) {
	c := &s.tcp
	c.mu.Lock()
	defer c.mu.Unlock()
	_, again := c.pending[id]
	switch {
	case c.closed:
		return false, true
	case again:
		return false, true
	case c.reserved >= s.limits.Connections:
		s.counts.limited.Add(1)
		return false, false
	case len(c.pending) >= s.limits.Pending:
		// The container's kernel tries again after a second.
		s.counts.limited.Add(1)
		return false, true
	}
	c.pending[id] = quote(pkt)
	c.reserved++
	return true, true
}

// settle says that a connection is no longer in the making.
func (s *Stack) settle(id stack.TransportEndpointID) {
	s.tcp.mu.Lock()
	defer s.tcp.mu.Unlock()
	if pkt := s.tcp.pending[id]; pkt != nil {
		pkt.DecRef()
		delete(s.tcp.pending, id)
	}
}

func (s *Stack) release(id stack.TransportEndpointID) {
	s.settle(id)
	s.tcp.mu.Lock()
	defer s.tcp.mu.Unlock()
	s.tcp.reserved--
}

// accept opens the host's side of a connection, and then accepts it.
func (s *Stack) accept(request *tcp.ForwarderRequest) {
	defer s.work.Done()
	id := request.ID()
	defer s.release(id)
	from, to := addrPort(id.RemoteAddress, id.RemotePort), addrPort(id.LocalAddress, id.LocalPort)
	if isResolver(to) {
		if ep, queue := establish(request); ep != nil {
			s.settle(id)
			s.resolveTCP(ep, queue)
		}
		return
	}
	host, err := s.handler.TCP(s.ctx, from, to)
	if err != nil {
		s.refuseTCP(request, err)
		return
	}
	ep, queue := establish(request)
	if ep == nil {
		abandon(host)
		return
	}
	s.settle(id)
	s.relay(host, ep, queue)
}

// establish ends the handshake, or returns nil if it fails.
func establish(request *tcp.ForwarderRequest) (tcpip.Endpoint, *waiter.Queue) {
	queue := &waiter.Queue{}
	ep, err := request.CreateEndpoint(queue)
	request.Complete(false)
	if err != nil {
		return nil, nil
	}
	return ep, queue
}

// refuseTCP answers a connection in the making with a reset or an ICMP error.
func (s *Stack) refuseTCP(request *tcp.ForwarderRequest, err error) {
	reset := errors.Is(err, ErrRefused) || errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ECONNRESET)
	if !reset {
		s.tcp.mu.Lock()
		first := s.tcp.pending[request.ID()]
		s.tcp.mu.Unlock()
		s.unreachable(first, err)
	}
	request.Complete(reset)
}

// Conn is a connection to a port of the container.
type Conn struct {
	stack *Stack
	ep    tcpip.Endpoint
	queue *waiter.Queue
	once  sync.Once
}

// DialTCP connects to a port of the container, which sees from as its peer; both
// addresses are of the same family. Port 0 of the gateway is a free one.
//
// The error has ECONNREFUSED where nothing listens, EADDRINUSE where the same
// two ends are connected already, and ErrLimit.
func (s *Stack) DialTCP(ctx context.Context, from, to netip.AddrPort) (*Conn, error) {
	if err := s.enter(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.ctx, cancel)()
	c := &Conn{stack: s, queue: &waiter.Queue{}}
	if err := c.connect(ctx, from, to); err != nil {
		s.leave()
		return nil, &net.OpError{
			Op: "dial", Net: "tcp", Source: net.TCPAddrFromAddrPort(from), Addr: net.TCPAddrFromAddrPort(to), Err: err,
		}
	}
	return c, nil
}

func (c *Conn) connect(ctx context.Context, from, to netip.AddrPort) error {
	var terr tcpip.Error
	if c.ep, terr = c.stack.net.NewEndpoint(tcp.ProtocolNumber, protocolOf(to.Addr()), c.queue); terr != nil {
		return errno(terr)
	}
	entry, done := waiter.NewChannelEntry(waiter.WritableEvents | waiter.EventErr | waiter.EventHUp)
	c.queue.EventRegister(&entry)
	defer c.queue.EventUnregister(&entry)
	if terr = c.ep.Bind(fullAddress(from)); terr == nil {
		terr = c.ep.Connect(fullAddress(to))
	}
	if _, started := terr.(*tcpip.ErrConnectStarted); started {
		select {
		case <-ctx.Done():
			c.ep.Abort()
			return context.Cause(ctx)
		case <-done:
			terr = c.ep.LastError()
		}
	}
	if terr != nil {
		c.ep.Close()
		return errno(terr)
	}
	return nil
}

// Relay carries what either side sends until both are done, or one resets. It
// takes the host's connection over, and ends the container's.
func (c *Conn) Relay(host *net.TCPConn) {
	c.once.Do(func() {
		defer c.stack.leave()
		c.stack.relay(host, c.ep, c.queue)
	})
}

// Close resets a connection that is not relayed.
func (c *Conn) Close() {
	c.once.Do(func() {
		defer c.stack.leave()
		c.ep.Abort()
	})
}

// ErrLimit says that the container has as many connections or flows as it may.
var ErrLimit = errors.New("the container's network is at a limit")

// enter takes a place for a connection into the container.
func (s *Stack) enter() error {
	s.tcp.mu.Lock()
	defer s.tcp.mu.Unlock()
	switch {
	case s.tcp.closed:
		return net.ErrClosed
	case s.tcp.reserved >= s.limits.Connections:
		s.counts.limited.Add(1)
		return ErrLimit
	}
	s.tcp.reserved++
	s.work.Add(1)
	return nil
}

func (s *Stack) leave() {
	s.tcp.mu.Lock()
	s.tcp.reserved--
	s.tcp.mu.Unlock()
	s.work.Done()
}

// errno is the system's error for that of the library.
func errno(err tcpip.Error) error {
	switch err.(type) {
	case *tcpip.ErrConnectionRefused:
		return syscall.ECONNREFUSED
	case *tcpip.ErrConnectionReset:
		return syscall.ECONNRESET
	case *tcpip.ErrTimeout:
		return syscall.ETIMEDOUT
	case *tcpip.ErrPortInUse, *tcpip.ErrAlreadyConnected:
		return syscall.EADDRINUSE
	case *tcpip.ErrHostUnreachable, *tcpip.ErrNetworkUnreachable:
		return syscall.EHOSTUNREACH
	}
	return errors.New(err.String())
}

func (c *connections) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.open)
}

// reset lets no more connections in, and resets those that are open.
func (c *connections) reset() {
	c.mu.Lock()
	c.closed = true
	open := c.open
	c.open = nil
	c.mu.Unlock()
	for r := range open {
		r.abort()
	}
}
