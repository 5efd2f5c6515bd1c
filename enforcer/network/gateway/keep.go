package gateway

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/enforcer/network/link"
	"github.com/least-privilege/lpm/enforcer/network/publish"
	"github.com/least-privilege/lpm/manifest"
)

// keptPort is a TCP port of the host's that is bound for a container, so that
// no program of the host gets it before the container listens, nor between two
// times that it does: who connects inside of the container to a port that is
// published could be led there. The socket does not listen, so that who
// connects from outside meanwhile is refused.
type keptPort struct {
	at netip.AddrPort

	mu     sync.Mutex
	socket int
	// published is set once the port leads into the container for good.
	published bool
}

// keep binds a port. The error is a [*publish.ListenError].
func keep(p publish.Port) (*keptPort, error) {
	family := unix.AF_INET6
	if p.Host.Addr().Is4() {
		family = unix.AF_INET
	}
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, unix.IPPROTO_TCP)
	if err != nil {
		return nil, &publish.ListenError{Port: p, Err: err}
	}
	if err = bind(fd, p.Host); errors.Is(err, unix.EADDRINUSE) {
		err = bindAfterOthers(fd, p.Host)
	}
	if err != nil {
		unix.Close(fd)
		return nil, &publish.ListenError{Port: p, Err: err}
	}
	return &keptPort{at: p.Host, socket: fd}, nil
}

// bind binds a socket of whatever family. One for all addresses of IPv6 has
// none of IPv4, which are published by themselves.
func bind(fd int, at netip.AddrPort) error {
	family, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN)
	if err != nil {
		return err
	}
	if family == unix.AF_INET {
		return unix.Bind(fd, &unix.SockaddrInet4{Port: int(at.Port()), Addr: at.Addr().As4()})
	}
	name := &unix.SockaddrInet6{Port: int(at.Port()), Addr: at.Addr().As16()}
	if zone := at.Addr().Zone(); zone != "" {
		i, err := net.InterfaceByName(zone)
		if err != nil {
			return unix.EADDRNOTAVAIL
		}
		name.ZoneId = uint32(i.Index)
	}
	if at.Addr().Is6() {
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 1); err != nil {
			return err
		}
	}
	return unix.Bind(fd, name)
}

// bindAfterOthers binds a port that may be in use by connections alone which
// have ended a short while ago (TIME_WAIT): only a socket with SO_REUSEADDR gets
// it then, and keeps it from all others once it has that no longer.
func bindAfterOthers(fd int, at netip.AddrPort) error {
	return errors.Join(reuse(fd, true), bind(fd, at), reuse(fd, false))
}

// reuse sets SO_REUSEADDR.
func reuse(fd int, on bool) error {
	value := 0
	if on {
		value = 1
	}
	return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, value)
}

// lend lets another socket have the port, which has SO_REUSEADDR as well.
func (k *keptPort) lend(to func() error) error {
	if err := reuse(k.socket, true); err != nil {
		return err
	}
	return errors.Join(to(), reuse(k.socket, false))
}

// listen has a socket listen at the port. The error is EADDRINUSE where another
// one does, or the port is published.
func (k *keptPort) listen(fd, backlog int) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.published {
		return unix.EADDRINUSE
	}
	return k.lend(func() error {
		if err := reuse(fd, true); err != nil {
			return err
		}
		if err := bind(fd, k.at); err != nil {
			return err
		}
		return unix.Listen(fd, backlog)
	})
}

// publish has others listen at the port for good.
func (k *keptPort) publish(listen func() error) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.published {
		return nil
	}
	if err := k.lend(listen); err != nil {
		return err
	}
	k.published = true
	return nil
}

func (k *keptPort) close() error { return unix.Close(k.socket) }

// kept returns a port of the configuration, and what keeps it.
func (g *Gateway) kept(p link.Port) (publish.Port, *keptPort, error) {
	port, err := publication(p)
	if err != nil {
		return port, nil, err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if k := g.keeps[port]; k != nil {
		return port, k, nil
	}
	return port, nil, fmt.Errorf("port %s is not kept for the container", port)
}

// Publish implements [link.Network]. A port that is published already stays so.
func (g *Gateway) Publish(p link.Port) error {
	port, k, err := g.kept(p)
	if err != nil {
		return err
	}
	return k.publish(func() error { return g.publish([]publish.Port{port}) })
}

// Listen implements [link.Network].
func (g *Gateway) Listen(p link.Port, socket, backlog int) error {
	_, k, err := g.kept(p)
	if err != nil {
		return err
	}
	return k.listen(socket, backlog)
}

// publication is a port in the terms of package publish.
func publication(p link.Port) (publish.Port, error) {
	address, err := netip.ParseAddr(p.Address)
	return publish.Port{Host: netip.AddrPortFrom(address, p.Host), Container: p.Container, UDP: p.Protocol == manifest.UDP}, err
}
