// Package publish makes ports of a container's private network reachable at
// ports of the host.
//
// The container sees the client's own address as its peer, for TCP and UDP, so
// that its logs and access lists mean what they say. It sees the gateway
// instead where an address would not lead back to the client from inside the
// container: for clients on the host's loopback, on a link-local
// address, or in the private network's own block; and where a client has the same
// two ends connected already, through another published port.
package publish

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"github.com/least-privilege/lpm/enforcer/network/stack"
)

// Port is one published port.
type Port struct {
	// Host is where the host listens. Port 0 is a free one.
	Host netip.AddrPort
	// Container is the port inside.
	Container uint16
	UDP       bool
}

// String is how the port is written, like 127.0.0.1:8080:80/tcp.
func (p Port) String() string {
	return p.Host.String() + ":" + strconv.Itoa(int(p.Container)) + "/" + p.protocol()
}

func (p Port) protocol() string {
	if p.UDP {
		return "udp"
	}
	return "tcp"
}

// Container is the network that the ports lead into: a *stack.Stack.
type Container interface {
	DialTCP(ctx context.Context, from, to netip.AddrPort) (*stack.Conn, error)
	DialUDP(from, to netip.AddrPort, receive func([]byte), end func()) (*stack.UDPFlow, error)
}

// ListenError says why a port of the host cannot be listened on. It wraps the
// system's error.
type ListenError struct {
	Port Port
	Err  error
}

func (e *ListenError) Error() string {
	return fmt.Sprintf("publishing port %d at %s/%s: %v", e.Port.Container, e.Port.Host, e.Port.protocol(), e.reason())
}

func (e *ListenError) reason() string {
	var number syscall.Errno
	if errors.As(e.Err, &number) {
		return number.Error()
	}
	return e.Err.Error()
}

// Hint is what to do about the error, or nothing.
func (e *ListenError) Hint() string {
	switch {
	case errors.Is(e.Err, syscall.EADDRINUSE):
		return "another program listens there: publish at another port of the host"
	case errors.Is(e.Err, syscall.EACCES), errors.Is(e.Err, syscall.EPERM):
		return fmt.Sprintf("ports below %s take privileges here (net.ipv4.ip_unprivileged_port_start): publish at a port from there on", firstUnprivileged())
	case errors.Is(e.Err, syscall.EADDRNOTAVAIL):
		return fmt.Sprintf("the host has no address %s", e.Port.Host.Addr())
	}
	return ""
}

func (e *ListenError) Unwrap() error { return e.Err }

// firstUnprivileged is the first port that anyone may listen on (ip_sysctl).
func firstUnprivileged() string {
	b, err := os.ReadFile("/proc/sys/net/ipv4/ip_unprivileged_port_start")
	if err != nil {
		return "1024"
	}
	return strings.TrimSpace(string(b))
}

// Publication is a set of ports that are listened on.
type Publication struct {
	ports  []Port
	tcp    []*net.TCPListener
	udp    []*net.UDPConn
	report func(error)

	ctx    context.Context
	cancel context.CancelFunc
	work   sync.WaitGroup
}

// Listen listens on all of the ports, or on none: the error is a *ListenError then.
// What goes wrong later, such as having no descriptors left, is reported, if report
// is not nil. Clients wait until Serve is called.
func Listen(ports []Port, report func(error)) (*Publication, error) {
	p := &Publication{report: report}
	if p.report == nil {
		p.report = func(error) {}
	}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	for _, port := range ports {
		if err := p.listen(port); err != nil {
			p.Close()
			return nil, &ListenError{Port: port, Err: err}
		}
	}
	return p, nil
}

func (p *Publication) listen(port Port) error {
	network := "4"
	if port.Host.Addr().Is6() {
		network = "6"
	}
	if port.UDP {
		config := net.ListenConfig{Control: destinations}
		c, err := config.ListenPacket(p.ctx, "udp"+network, port.Host.String())
		if err != nil {
			return err
		}
		p.udp = append(p.udp, c.(*net.UDPConn))
		port.Host = netip.AddrPortFrom(port.Host.Addr(), c.LocalAddr().(*net.UDPAddr).AddrPort().Port())
	} else {
		l, err := net.ListenTCP("tcp"+network, net.TCPAddrFromAddrPort(port.Host))
		if err != nil {
			return err
		}
		p.tcp = append(p.tcp, l)
		port.Host = netip.AddrPortFrom(port.Host.Addr(), l.Addr().(*net.TCPAddr).AddrPort().Port())
	}
	p.ports = append(p.ports, port)
	return nil
}

// Ports returns what is published, in the order of Listen, with the ports that the
// kernel chose.
func (p *Publication) Ports() []Port { return p.ports }

// Serve lets clients into the container. It returns at once, and is called once.
func (p *Publication) Serve(into Container) {
	tcp, udp := p.tcp, p.udp
	for _, port := range p.ports {
		if port.UDP {
			f := newForwarder(p, into, udp[0], port.Container)
			p.work.Go(f.run)
			udp = udp[1:]
			continue
		}
		l := tcp[0]
		p.work.Go(func() { p.accept(l, into, port.Container) })
		tcp = tcp[1:]
	}
}

// Close ends the listening, resets the clients' connections that are still
// being made, and waits. Open ones end with the container's network.
func (p *Publication) Close() {
	p.cancel()
	for _, l := range p.tcp {
		l.Close()
	}
	for _, c := range p.udp {
		c.Close()
	}
	p.work.Wait()
}
