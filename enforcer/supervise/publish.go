package supervise

import (
	"encoding/binary"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/enforcer/network/link"
	"github.com/least-privilege/lpm/enforcer/network/subnet"
	"github.com/least-privilege/lpm/manifest"
)

// listenPrivate has a container with a private network listen on a port that
// the manifest grants. Where that is published, and connections are handed over,
// a socket of the host's takes the place of the container's: it sees who
// connects, and nothing is between the two.
func (e *Enforcer) listenPrivate(c *Call, fd int, at unix.Sockaddr, where netip.AddrPort) Verdict {
	if !e.rules.Handover {
		return listenAt(fd, at, c)
	}
	ports := e.publishedAt(fd, where)
	if len(ports) == 1 {
		if v, ok := e.handOverListener(c, fd, ports[0]); ok {
			return v
		}
	}
	v := listenAt(fd, at, c)
	for _, p := range ports {
		if v.Done && e.options.Network.Publish(p) != nil {
			// Another program of the container listens there, by a socket of
			// the host's.
			_ = unix.Shutdown(fd, unix.SHUT_RDWR)
			return Verdict{Errno: unix.EADDRINUSE}
		}
	}
	return v
}

// listenAgain is for a socket of the host's, which listens only if it did
// before, as where a server says once more how many may wait. What another
// thread takes away just then is found afterwards.
func listenAgain(c *Call, fd int, at unix.Sockaddr) Verdict {
	if info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO); err != nil || info.State != tcpListen {
		return Verdict{Errno: unix.EACCES}
	}
	return listenStill(fd, at, c)
}

// publishedAt are the host's ports that lead to what a socket is bound to. One
// that is bound to the container's loopback is the container's own.
func (e *Enforcer) publishedAt(fd int, where netip.AddrPort) []link.Port {
	if a := where.Addr().Unmap(); !a.IsUnspecified() && a != subnet.Container4() && a != subnet.Container6() {
		return nil
	}
	family, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN)
	if err != nil {
		return nil
	}
	only6, _ := unix.GetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY)
	return slices.DeleteFunc(slices.Clone(e.options.Publish), func(p link.Port) bool {
		a, err := netip.ParseAddr(p.Address)
		return err != nil || p.Protocol != manifest.TCP || p.Container != where.Port() || !fits(family, only6 == 1, a)
	})
}

// fits reports whether a socket can have an address.
func fits(family int, only6 bool, a netip.Addr) bool {
	if family == unix.AF_INET {
		return a.Is4()
	}
	return !a.Is4() || !only6
}

// handOverListener puts a listening socket of the host's in the place of the
// container's. It is false where that would not be the same to the program.
func (e *Enforcer) handOverListener(c *Call, fd int, p link.Port) (Verdict, bool) {
	in, ok := e.describe(c, fd)
	if !ok || e.rules.Shared || c.held() {
		return Verdict{}, false
	}
	host, err := netip.ParseAddr(p.Address)
	if err != nil {
		return Verdict{}, false
	}
	made, err := in.socket()
	if err != nil {
		return Verdict{}, false
	}
	defer unix.Close(made)
	// The port is kept by the network process, which lets this socket have it,
	// unless it has published it by itself.
	if e.options.Network.Listen(p, made, int32(c.Args[1])) != nil || in.install(c, made) != nil {
		return Verdict{}, false
	}
	e.private.mu.Lock()
	defer e.private.mu.Unlock()
	if e.private.handed == nil {
		e.private.handed = map[uint16]netip.AddrPort{}
	}
	e.private.handed[p.Container] = netip.AddrPortFrom(host, p.Host)
	return Verdict{Done: true}, true
}

// handedPort returns where the listener of a port is on the host, if it is
// there.
func (e *Enforcer) handedPort(port uint16) (netip.AddrPort, bool) {
	e.private.mu.Lock()
	defer e.private.mu.Unlock()
	host, ok := e.private.handed[port]
	if ok && host.Addr().IsUnspecified() {
		loopback := netip.IPv6Loopback()
		if host.Addr().Is4() {
			loopback = netip.AddrFrom4([4]byte{127, 0, 0, 1})
		}
		host = netip.AddrPortFrom(loopback, host.Port())
	}
	return host, ok
}

// socketAddress returns a struct sockaddr_in or sockaddr_in6 (ip(7), ipv6(7)).
func socketAddress(family int, a netip.AddrPort) []byte {
	b := binary.NativeEndian.AppendUint16(nil, uint16(family))
	b = binary.BigEndian.AppendUint16(b, a.Port())
	if family == unix.AF_INET {
		four := a.Addr().Unmap().As4()
		return append(append(b, four[:]...), make([]byte, 8)...)
	}
	sixteen := a.Addr().As16()
	b = append(b, 0, 0, 0, 0) // the flow
	return append(append(b, sixteen[:]...), 0, 0, 0, 0)
}
