// Package stack is the userspace end of a container's network device: it ends the
// TCP connections, UDP flows and ICMP echoes that the container opens, and asks a
// handler to open the host's side of each with ordinary sockets.
//
// Nothing is routed: whatever leaves the machine leaves by a socket that the
// handler opened, for a destination that it was asked about. A packet whose
// source is not the container's own address is dropped, as is everything that is
// not TCP, UDP or an ICMP echo. A connection is opened on the host before it is
// accepted in the container, so that a refusal is seen there as one.
//
// All state is bounded (Limits). What the container sends is hostile input.
package stack

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"

	"github.com/least-privilege/lpm/enforcer/network/subnet"
)

// Handler decides on what the container opens, and opens the host's side.
//
// Its methods are called at the same time from many goroutines. The context ends
// with the stack.
type Handler interface {
	// TCP opens a connection to the destination. An error that is ErrRefused, or
	// ECONNREFUSED, is a reset in the container; other errors are ICMP
	// errors: network or host unreachable, or prohibited (EACCES, EPERM).
	TCP(ctx context.Context, from, to netip.AddrPort) (*net.TCPConn, error)
	// UDP opens a connected socket for one flow. ErrRefused is a port
	// that is unreachable; other errors are as for TCP.
	UDP(ctx context.Context, from, to netip.AddrPort) (*net.UDPConn, error)
	// Echo says whether an address may be sent ICMP echo requests.
	Echo(ctx context.Context, to netip.Addr) error
	// Resolve answers a DNS message that was sent to the gateway, or returns nil
	// for no answer. Over UDP, the answer's size is what the query allows.
	Resolve(ctx context.Context, query []byte, tcp bool) []byte
}

// ErrRefused is what a handler refuses with.
var ErrRefused = errors.New("refused")

// Options are what a stack is made of.
type Options struct {
	// Device is a packet socket (AF_PACKET, SOCK_RAW) that is bound to the other
	// end of the container's interface, which New takes over. With
	// PACKET_VNET_HDR, checksums are left out.
	Device  *os.File
	Handler Handler
	Limits  Limits
	// Report gets what the host does not allow, if not nil: an EchoError.
	Report func(error)
}

// nic is the number of the stack's one interface.
const nic tcpip.NICID = 1

// Stack is a running stack.
type Stack struct {
	handler Handler
	limits  Limits
	report  func(error)
	device  *device
	net     *stack.Stack
	counts  counters

	tcp  connections
	udp  flows
	echo flows
	// published are flows into the container, which others may open and must
	// not take the place of the container's own.
	published flows

	resolving chan struct{}
	reporting sync.Once

	ctx    context.Context
	cancel context.CancelFunc
	// reading ends with the goroutine that reads the device, work with all others.
	reading, work sync.WaitGroup
	failed        error
}

// New starts a stack, which runs until it is closed.
func New(o Options) (*Stack, error) {
	limits, err := o.Limits.complete()
	if err != nil {
		o.Device.Close()
		return nil, err
	}
	d, err := newDevice(o.Device)
	if err != nil {
		return nil, fmt.Errorf("preparing the container's network device: %w", err)
	}
	return newStack(o, limits, d)
}

// newStack takes the device over.
func newStack(o Options, limits Limits, d *device) (*Stack, error) {
	s := &Stack{handler: o.Handler, limits: limits, report: o.Report, device: d, resolving: make(chan struct{}, limits.Queries)}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.udp = newFlows(limits.UDPFlows)
	s.published = newFlows(limits.UDPFlows)
	s.echo = newFlows(limits.EchoFlows)
	if err := s.build(); err != nil {
		s.cancel()
		d.shut()
		return nil, err
	}
	s.start()
	return s, nil
}

// build makes the network stack on the device.
func (s *Stack) build() error {
	s.net = stack.New(stack.Options{
		// IPv6 without options detects no duplicates and learns of no routers.
		NetworkProtocols:   []stack.NetworkProtocolFactory{ipv4.NewProtocol, ipv6.NewProtocolWithOptions(ipv6.Options{})},
		TransportProtocols: []stack.TransportProtocolFactory{tcp.NewProtocol, udp.NewProtocol},
	})
	if err := s.tune(); err != nil {
		return err
	}
	if err := s.net.CreateNIC(nic, s.device); err != nil {
		return problem("creating the interface", err)
	}
	// It answers for every address, which it is asked to be.
	if err := s.net.SetPromiscuousMode(nic, true); err != nil {
		return problem("taking packets to all addresses", err)
	}
	if err := s.net.SetSpoofing(nic, true); err != nil {
		return problem("sending packets from all addresses", err)
	}
	for _, a := range []netip.Addr{subnet.Gateway4(), subnet.Gateway6()} {
		address := tcpip.ProtocolAddress{Protocol: protocolOf(a), AddressWithPrefix: addressOf(a).WithPrefix()}
		if err := s.net.AddProtocolAddress(nic, address, stack.AddressProperties{}); err != nil {
			return problem("setting the gateway's address", err)
		}
	}
	s.net.SetRouteTable([]tcpip.Route{
		{Destination: header.IPv4EmptySubnet, NIC: nic},
		{Destination: header.IPv6EmptySubnet, NIC: nic},
	})
	s.serveTCP()
	s.net.SetTransportProtocolHandler(udp.ProtocolNumber, s.handleUDP)
	return nil
}

func (s *Stack) start() {
	s.reading.Go(func() {
		if err := s.device.receive(s.receive); !errors.Is(err, os.ErrDeadlineExceeded) {
			s.failed = err
		}
	})
	s.work.Go(s.expire)
}

// receive handles one packet from the container, which it takes over.
func (s *Stack) receive(v *buffer.View) {
	a := admit(v.AsSlice())
	switch a.verdict {
	case accepted:
		s.counts.packets.Add(1)
		s.device.deliver(a, v)
		return
	case echo:
		s.handleEcho(a, v.AsSlice())
	case spoofed:
		s.counts.spoofed.Add(1)
	case unsupported:
		s.counts.unsupported.Add(1)
	default:
		s.counts.malformed.Add(1)
	}
	v.Release()
}

// Close ends the stack, resets all connections on both sides, and waits for all
// that it started. A connection of the container that has lost packets at that moment
// may not take the reset, and hears nothing more. It returns why reading the device had failed before, if it had.
func (s *Stack) Close() error {
	// First nothing comes in any more. The device stays open, for the resets.
	s.stop()
	s.cancel()
	s.tcp.reset()
	s.udp.close()
	s.published.close()
	s.echo.close()
	s.abortAll()
	s.net.Close()
	s.net.Wait()
	s.device.shut()
	if s.failed != nil {
		return fmt.Errorf("reading the container's network device: %w", s.failed)
	}
	return nil
}

// abortAll ends all endpoints, until nobody works who may make new ones.
func (s *Stack) abortAll() {
	done := make(chan struct{})
	go func() {
		s.work.Wait()
		close(done)
	}()
	for {
		for _, e := range s.net.RegisteredEndpoints() {
			e.Abort()
		}
		select {
		case <-done:
			return
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// problem is an error of the stack's library, which has a type of its own for such.
func problem(doing string, err tcpip.Error) error {
	return fmt.Errorf("%s: %s", doing, err)
}

func protocolOf(a netip.Addr) tcpip.NetworkProtocolNumber {
	if a.Is4() {
		return ipv4.ProtocolNumber
	}
	return ipv6.ProtocolNumber
}

func addressOf(a netip.Addr) tcpip.Address {
	if a.Is4() {
		return tcpip.AddrFrom4(a.As4())
	}
	return tcpip.AddrFrom16(a.As16())
}

func addrPort(a tcpip.Address, port uint16) netip.AddrPort {
	addr, _ := netip.AddrFromSlice(a.AsSlice())
	return netip.AddrPortFrom(addr, port)
}

func fullAddress(a netip.AddrPort) tcpip.FullAddress {
	return tcpip.FullAddress{NIC: nic, Addr: addressOf(a.Addr()), Port: a.Port()}
}

// gateway says whether the address is the stack's own, or one of its
// network's that nobody has.
func gateway(a netip.Addr) bool { return subnet.IPv4().Contains(a) || subnet.IPv6().Contains(a) }

// reportOnce reports what the host does not allow, which stays as it is.
func (s *Stack) reportOnce(err error) {
	if s.report != nil {
		s.reporting.Do(func() { s.report(err) })
	}
}
