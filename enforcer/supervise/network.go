package supervise

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/manifest"
)

// connect decides on a connection by the address that the call names now. The
// kernel has the last word: the network namespace, or Landlock's list of
// ports.
func (e *Enforcer) connect(c *Call, info manifest.SyscallInfo) (Verdict, *refusal) {
	granted := e.granted(c, info)
	host := e.rules.Network.Mode == manifest.NetworkHost
	name, to := e.address(c)
	if name == nil || !host && (to.Addr().Unmap().IsLoopback() || to.Addr().IsUnspecified()) {
		if granted {
			return Verdict{}, nil
		}
		return e.syscall(c, info)
	}
	protocol, ok := e.protocol(c)
	if !ok {
		return Verdict{Errno: unix.EMFILE}, nil
	}
	open := host && e.mayConnect(to.Port(), protocol)
	if granted && open {
		return Verdict{}, nil
	}
	r := &refusal{subject: subject{KindConnect, endpoint(to, protocol)}, errno: unix.EACCES}
	switch {
	case !granted:
		r.errno = unix.EPERM
	case !host:
		r.errno = unix.ENETUNREACH
	}
	if !host {
		r.fixed = fixedNetwork
	}
	r.grant = func() (g Grant) {
		if !granted {
			g.Syscall = &manifest.Syscall{Name: info.Name}
		}
		if !open && to.Port() != 0 {
			g.Egress = &manifest.Egress{Ports: []manifest.PortRange{manifest.Port(to.Port())}, Protocol: protocol}
		}
		return g
	}
	if e.given(r) {
		return Verdict{Later: onBehalf(c, protocol, func(fd int) unix.Errno { return setAddress(unix.SYS_CONNECT, fd, name) })}, nil
	}
	return Verdict{}, r
}

// mayConnect reports whether the manifest lets the host's network be used so.
func (e *Enforcer) mayConnect(port uint16, protocol manifest.Protocol) bool {
	// C libraries learn which source address they would use by "connecting"
	// a UDP socket to port 0, which sends nothing.
	if protocol == manifest.UDP && port == 0 {
		return true
	}
	for _, g := range e.rules.Network.Egress {
		if g.Protocol == protocol && contains(g.Ports, port) {
			return true
		}
	}
	return false
}

// socket decides on a kind of socket that the filter does not allow on the
// host's network: see plan.hostSockets for what it allows where the manifest
// grants the call.
func (e *Enforcer) socket(c *Call, info manifest.SyscallInfo) (Verdict, *refusal) {
	const kindMask, stream, dgram = 0xf, 1, 2
	family, kind, protocol := uint32(c.Args[0]), c.Args[1]&kindMask, uint32(c.Args[2])
	if family != unix.AF_INET && family != unix.AF_INET6 || kind == stream && (protocol == 0 || protocol == unix.IPPROTO_TCP) {
		return e.syscall(c, info)
	}
	names := make([]string, 2)
	for i, value := range []uint64{uint64(family), kind} {
		names[i] = manifest.SymbolName(e.arch, info.Name, i, value)
	}
	r := &refusal{
		subject: subject{KindSyscall, fmt.Sprintf("socket(%s, %s, %d)", names[0], names[1], protocol)},
		errno:   unix.EPERM, fixed: fixedUDP,
	}
	// Only UDP can be granted, by its ports.
	if kind == dgram && (protocol == 0 || protocol == unix.IPPROTO_UDP) {
		r.grant = func() Grant {
			return Grant{Egress: &manifest.Egress{Ports: []manifest.PortRange{manifest.Port(53)}, Protocol: manifest.UDP}}
		}
	}
	return Verdict{}, r
}

// bind decides on the port that a socket is given.
func (e *Enforcer) bind(c *Call, info manifest.SyscallInfo) (Verdict, *refusal) {
	if !e.granted(c, info) {
		if v, r := e.syscall(c, info); r != nil {
			return v, r
		}
	}
	if e.rules.Handover {
		return e.bindPrivate(c)
	}
	name, at := e.address(c)
	if name == nil {
		return Verdict{}, nil
	}
	// Port 0 lets the kernel choose one, for a socket that then connects;
	// listening on it is refused below.
	protocol, ok := e.protocol(c)
	if !ok {
		return Verdict{Errno: unix.EMFILE}, nil
	}
	if at.Port() == 0 || e.mayListen(at.Port(), protocol) {
		return Verdict{}, nil
	}
	r := e.portRefusal(at, protocol)
	if e.given(r) {
		return Verdict{Later: onBehalf(c, protocol, func(fd int) unix.Errno { return setAddress(unix.SYS_BIND, fd, name) })}, nil
	}
	return Verdict{}, r
}

// listen holds a socket that is about to listen to the manifest's ports, for
// Landlock is asked at bind alone, and neither about a port that the kernel
// chose nor about a socket that was never bound. The supervisor listens on its
// own copy of the socket: if the call went on, the descriptor could be made
// another socket's between the check and the call.
func (e *Enforcer) listen(c *Call, info manifest.SyscallInfo) (Verdict, *refusal) {
	if !e.granted(c, info) {
		if v, r := e.syscall(c, info); r != nil {
			return v, r
		}
	}
	fd, err := c.TakeFD(int32(c.Args[0]))
	if err != nil {
		return Verdict{Errno: noCopy(err)}, nil
	}
	defer c.LetGo(fd)
	at, err := unix.Getsockname(fd)
	if err != nil {
		return Verdict{Errno: unix.ENOTSOCK}, nil
	}
	var where netip.AddrPort
	switch at := at.(type) {
	case *unix.SockaddrInet4:
		where = netip.AddrPortFrom(netip.AddrFrom4(at.Addr), uint16(at.Port))
	case *unix.SockaddrInet6:
		where = netip.AddrPortFrom(netip.AddrFrom16(at.Addr), uint16(at.Port))
	case *unix.SockaddrUnix:
		// A name that is in no folder is one of the host's network: programs
		// of the host could take the container for a server of theirs, and
		// Landlock only keeps it from being their client. A socket that has
		// no name yet looks the same, and could get such a one until it
		// listens.
		if strings.HasPrefix(at.Name, "@") {
			return Verdict{}, &refusal{subject: subject{KindListen, at.Name}, errno: unix.EACCES}
		}
		return listenOn(fd, c), nil
	default:
		return Verdict{Errno: unix.EOPNOTSUPP}, nil
	}
	if e.rules.Network.Mode == manifest.NetworkPrivate {
		if foreign, err := e.foreign(fd); err != nil || foreign {
			return listenAgain(c, fd, at), nil
		}
	}
	if where.Port() != 0 && (e.mayListen(where.Port(), manifest.TCP) || e.ownLoopback(where)) {
		return e.listenPort(c, fd, at, where), nil
	}
	r := e.portRefusal(where, manifest.TCP)
	if where.Port() == 0 {
		// Nobody can say which port it will be.
		r.grant = nil
	}
	if e.given(r) {
		return e.listenPort(c, fd, at, where), nil
	}
	return Verdict{}, r
}

// ownLoopback reports whether an address is of the loopback of a container that
// has a network of its own, where nobody else is. The port is the kernel's
// choice if the manifest does not have it: others cannot be bound.
func (e *Enforcer) ownLoopback(where netip.AddrPort) bool {
	return e.rules.Network.Mode == manifest.NetworkPrivate && where.Addr().Unmap().IsLoopback()
}

func (e *Enforcer) listenPort(c *Call, fd int, at unix.Sockaddr, where netip.AddrPort) Verdict {
	if e.rules.Network.Mode == manifest.NetworkPrivate {
		return e.listenPrivate(c, fd, at, where)
	}
	return listenAt(fd, at, c)
}

// listenAt listens on a socket that says it is bound to an address, and sees to
// it that this is so. A connection that was given its port by the kernel, and
// is disconnected then, has lost the port and still tells of it; to listen by
// it would get any other. Binding it is refused where the socket has a port,
// and gets it back otherwise. What another thread takes away just then is
// found afterwards.
func listenAt(fd int, at unix.Sockaddr, c *Call) Verdict {
	var errno unix.Errno
	if errors.As(unix.Bind(fd, at), &errno) && errno != unix.EINVAL {
		return Verdict{Errno: errno}
	}
	return listenStill(fd, at, c)
}

// listenStill listens, and stops if that is at another port than the socket had.
func listenStill(fd int, at unix.Sockaddr, c *Call) Verdict {
	v := listenOn(fd, c)
	if !v.Done {
		return v
	}
	if now, err := unix.Getsockname(fd); err != nil || portOf(now) != portOf(at) {
		// A socket that cannot be shut down does not listen.
		_ = unix.Shutdown(fd, unix.SHUT_RDWR)
		return Verdict{Errno: unix.EACCES}
	}
	return v
}

// portOf returns the port of an internet address.
func portOf(at unix.Sockaddr) int {
	switch at := at.(type) {
	case *unix.SockaddrInet4:
		return at.Port
	case *unix.SockaddrInet6:
		return at.Port
	}
	return 0
}

func listenOn(fd int, c *Call) Verdict {
	var errno unix.Errno
	if errors.As(unix.Listen(fd, int(int32(c.Args[1]))), &errno) {
		return Verdict{Errno: errno}
	}
	return Verdict{Done: true}
}

func (e *Enforcer) mayListen(port uint16, protocol manifest.Protocol) bool {
	for _, l := range e.rules.Network.Listen {
		if l.Protocol == protocol && l.Port == port {
			return true
		}
	}
	return false
}

// portRefusal is that of a port to listen on. What a person grants is the port
// at this address; a manifest can only grant it at all of them.
func (e *Enforcer) portRefusal(at netip.AddrPort, protocol manifest.Protocol) *refusal {
	return &refusal{
		subject: subject{KindListen, endpoint(at, protocol)}, errno: unix.EACCES,
		grant: func() Grant {
			return Grant{Listen: &manifest.Listen{Port: at.Port(), Protocol: protocol}, Mode: e.rules.Network.Mode}
		},
	}
}

func contains(ranges []manifest.PortRange, port uint16) bool {
	for _, r := range ranges {
		if r.Contains(port) {
			return true
		}
	}
	return false
}

// endpoint names an address as denials do.
func endpoint(a netip.AddrPort, p manifest.Protocol) string {
	a = netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
	if p == manifest.ICMP { // it has no ports
		return fmt.Sprintf("%s/%s", a.Addr(), p)
	}
	return fmt.Sprintf("%s/%s", a, p)
}

// address reads the socket address that connect and bind take, once: the
// bytes, and what they say. The bytes are nil for families other than IPv4 and
// IPv6 and for addresses that the kernel refuses by itself.
func (e *Enforcer) address(c *Call) ([]byte, netip.AddrPort) {
	const most = 128 // the size of struct sockaddr_storage
	length := uint32(c.Args[2])
	if length > most {
		return nil, netip.AddrPort{}
	}
	b, err := c.Bytes(c.Args[1], int(length))
	if err != nil {
		return nil, netip.AddrPort{}
	}
	a, err := ParseAddress(b)
	if err != nil {
		return nil, netip.AddrPort{}
	}
	return b, a
}

// ErrNotInternet is returned by [ParseAddress] for other address families.
var ErrNotInternet = errors.New("not an IPv4 or IPv6 address")

// ParseAddress reads a struct sockaddr_in or sockaddr_in6 (ip(7), ipv6(7)).
func ParseAddress(b []byte) (netip.AddrPort, error) {
	if len(b) < 2 {
		return netip.AddrPort{}, ErrNotInternet
	}
	switch family := binary.NativeEndian.Uint16(b); {
	case family == unix.AF_INET && len(b) >= unix.SizeofSockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[4:8])), binary.BigEndian.Uint16(b[2:4])), nil
	// The kernel takes addresses without the scope, of 24 bytes (RFC 2133).
	case family == unix.AF_INET6 && len(b) >= unix.SizeofSockaddrInet6-4:
		return netip.AddrPortFrom(netip.AddrFrom16([16]byte(b[8:24])), binary.BigEndian.Uint16(b[2:4])), nil
	}
	return netip.AddrPort{}, ErrNotInternet
}

// protocol looks the transport protocol of the call's socket up. Where the
// manifest names no UDP port on the host's network there are only TCP sockets,
// and what is no socket the kernel refuses. It is false where too many copies of
// sockets are held to look.
func (e *Enforcer) protocol(c *Call) (manifest.Protocol, bool) {
	if e.rules.Network.Mode == manifest.NetworkHost && !e.udp {
		return manifest.TCP, true
	}
	fd, err := c.TakeFD(int32(c.Args[0]))
	if err != nil {
		return manifest.TCP, !errors.Is(err, unix.EMFILE)
	}
	defer c.LetGo(fd)
	if kind, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE); err == nil && kind != unix.SOCK_STREAM {
		return manifest.UDP, true
	}
	return manifest.TCP, true
}

// namesUDP reports whether a network section names a UDP port.
func namesUDP(n manifest.Network) bool {
	for _, e := range n.Egress {
		if e.Protocol == manifest.UDP {
			return true
		}
	}
	for _, l := range n.Listen {
		if l.Protocol == manifest.UDP {
			return true
		}
	}
	return false
}
