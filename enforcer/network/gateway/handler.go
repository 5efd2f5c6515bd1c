package gateway

import (
	"context"
	"fmt"
	"net"
	"net/netip"

	"github.com/least-privilege/lpm/enforcer/network/stack"
	"github.com/least-privilege/lpm/manifest"
)

// handler opens the host's side of what the stack ends: see [stack.Handler].
type handler struct{ g *Gateway }

func (h handler) TCP(ctx context.Context, _, to netip.AddrPort) (*net.TCPConn, error) {
	c, err := h.open(ctx, manifest.TCP, to)
	if err != nil {
		return nil, err
	}
	return c.(*net.TCPConn), nil
}

func (h handler) UDP(ctx context.Context, _, to netip.AddrPort) (*net.UDPConn, error) {
	c, err := h.open(ctx, manifest.UDP, to)
	if err != nil {
		return nil, err
	}
	return c.(*net.UDPConn), nil
}

// open connects to a destination that may be reached.
func (h handler) open(ctx context.Context, p manifest.Protocol, to netip.AddrPort) (net.Conn, error) {
	if err := h.g.admit(p, to); err != nil {
		return nil, err
	}
	return h.g.dialer.DialContext(ctx, string(p), to.String())
}

func (h handler) Echo(_ context.Context, to netip.Addr) error {
	return h.g.admit(manifest.ICMP, netip.AddrPortFrom(to, 0))
}

func (h handler) Resolve(ctx context.Context, query []byte, tcp bool) []byte {
	return h.g.resolver.Answer(ctx, query, tcp)
}

// Unwrap makes a refusal one that the stack knows.
func (e *RefusedError) Unwrap() error { return stack.ErrRefused }

// trouble tells the launcher of what keeps the network from doing its work.
func (g *Gateway) trouble(err error) { g.tellTrouble(fmt.Sprint(err)) }
