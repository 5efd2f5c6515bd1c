package publish

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"time"

	"github.com/least-privilege/lpm/enforcer/network/stack"
)

const (
	// connectTime is how long the container's kernel may take to accept. It answers at
	// once, unless the program's queue of connections is full.
	connectTime = 15 * time.Second
	// breath is how long nothing is accepted after an error of the host's.
	breath = 100 * time.Millisecond
)

// accept lets clients in, until the listener is closed.
func (p *Publication) accept(l *net.TCPListener, into Container, port uint16) {
	for {
		c, err := l.AcceptTCP()
		switch {
		case err == nil:
			// They end with the container's network, which waits for them.
			p.work.Go(func() { p.let(c, into, port) })
		case errors.Is(err, net.ErrClosed):
			return
		default:
			p.report(fmt.Errorf("accepting connections at %s: %w", l.Addr(), err))
			if !p.pause() {
				return
			}
		}
	}
}

func (p *Publication) pause() bool {
	select {
	case <-p.ctx.Done():
		return false
	case <-time.After(breath):
		return true
	}
}

// let connects one client to the container, or resets its connection.
func (p *Publication) let(client *net.TCPConn, into Container, port uint16) {
	c, err := p.dial(unmapped(client.RemoteAddr().(*net.TCPAddr).AddrPort()), into, port)
	if err != nil {
		_ = client.SetLinger(0)
		client.Close()
		if errors.Is(err, stack.ErrLimit) {
			p.report(err)
		}
		return
	}
	go c.Relay(client)
}

func (p *Publication) dial(client netip.AddrPort, into Container, port uint16) (*stack.Conn, error) {
	ctx, cancel := context.WithTimeout(p.ctx, connectTime)
	defer cancel()
	to := netip.AddrPortFrom(inside(client.Addr()), port)
	c, err := into.DialTCP(ctx, peer(client), to)
	if errors.Is(err, syscall.EADDRINUSE) {
		c, err = into.DialTCP(ctx, gateway(client.Addr(), 0), to)
	}
	return c, err
}
