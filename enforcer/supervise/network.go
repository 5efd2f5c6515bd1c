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
func (e *Enforcer) connect(c *Call, info manifest.SyscallInfo) Verdict {
	to, inet := e.address(c)
	if !e.calls["connect"] {
		if !inet {
			return e.syscall(c, info)
		}
		return e.denyAddress(c, KindConnect, to, e.protocol(c), unix.EPERM)
	}
	if !inet {
		return Verdict{}
	}
	if e.rules.Network.Mode != manifest.NetworkHost {
		if to.Addr().Unmap().IsLoopback() || to.Addr().IsUnspecified() {
			return Verdict{}
		}
		return e.denyAddress(c, KindConnect, to, e.protocol(c), unix.ENETUNREACH)
	}
	protocol := e.protocol(c)
	// C libraries learn which source address they would use by "connecting"
	// a UDP socket to port 0, which sends nothing.
	if protocol == manifest.UDP && to.Port() == 0 {
		return Verdict{}
	}
	for _, g := range e.rules.Network.Egress {
		if g.Protocol == protocol && contains(g.Ports, to.Port()) {
			return Verdict{}
		}
	}
	return e.denyAddress(c, KindConnect, to, protocol, unix.EACCES)
}

// socket refuses a kind of socket that the filter does not allow on the host's
// network. Only UDP can be granted: see plan.hostSockets.
func (e *Enforcer) socket(c *Call) Verdict {
	const kindMask, dgram = 0xf, 2
	names := make([]string, 2)
	for i, mask := range []uint64{1<<32 - 1, kindMask} {
		names[i] = manifest.SymbolName(e.arch, "socket", i, c.Args[i]&mask)
	}
	what := fmt.Sprintf("socket(%s, %s, %d)", names[0], names[1], uint32(c.Args[2]))
	grant := ""
	internet := uint32(c.Args[0]) == unix.AF_INET || uint32(c.Args[0]) == unix.AF_INET6
	switch {
	case internet && c.Args[1]&kindMask == dgram:
		grant = `network: {mode: "host", egress: [{ports: ["53"], protocol: "udp"}]}`
	case !internet:
		grant = fmt.Sprintf(`syscalls: allow: [{name: "socket", when: [{arg: 0, oneOf: [%q]}]}]`, names[0])
	}
	return e.deny(c, KindSyscall, what, unix.EPERM, grant)
}

// bind decides on the port that a socket is given.
func (e *Enforcer) bind(c *Call) Verdict {
	at, inet := e.address(c)
	if !inet || e.rules.Network.Mode != manifest.NetworkHost {
		return Verdict{}
	}
	// Port 0 lets the kernel choose one, for a socket that then connects;
	// listening on it is refused below.
	protocol := e.protocol(c)
	if at.Port() == 0 || e.mayListen(at.Port(), protocol) {
		return Verdict{}
	}
	return e.denyAddress(c, KindListen, at, protocol, unix.EACCES)
}

// listen holds a socket that is about to listen to the manifest's ports, for
// Landlock is asked at bind alone, and neither about a port that the kernel
// chose nor about a socket that was never bound. The supervisor listens on its
// own copy of the socket: if the call went on, the descriptor could be made
// another socket's between the check and the call.
func (e *Enforcer) listen(c *Call) Verdict {
	if e.rules.Network.Mode != manifest.NetworkHost {
		return Verdict{}
	}
	fd, err := c.TakeFD(int32(c.Args[0]))
	if err != nil {
		return Verdict{Errno: unix.EBADF}
	}
	defer letGo(fd)
	at, err := unix.Getsockname(fd)
	if err != nil {
		return Verdict{Errno: unix.ENOTSOCK}
	}
	switch at := at.(type) {
	case *unix.SockaddrInet4, *unix.SockaddrInet6:
	case *unix.SockaddrUnix:
		// A name that is in no folder is one of the host's network: programs
		// of the host could take the container for a server of theirs, and
		// Landlock only keeps it from being their client. A socket that has
		// no name yet looks the same, and could get such a one until it
		// listens.
		if strings.HasPrefix(at.Name, "@") {
			return e.deny(c, KindListen, at.Name, unix.EACCES, "")
		}
		return listenOn(fd, c)
	default:
		return Verdict{Errno: unix.EOPNOTSUPP}
	}
	port := portOf(at)
	if port != 0 && e.mayListen(uint16(port), manifest.TCP) {
		return listenAt(fd, at, c)
	}
	return e.denyAddress(c, KindListen, netip.AddrPortFrom(netip.IPv4Unspecified(), uint16(port)), manifest.TCP, unix.EACCES)
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

func contains(ranges []manifest.PortRange, port uint16) bool {
	for _, r := range ranges {
		if r.Contains(port) {
			return true
		}
	}
	return false
}

func (e *Enforcer) denyAddress(c *Call, kind Kind, a netip.AddrPort, p manifest.Protocol, errno unix.Errno) Verdict {
	grant := fmt.Sprintf(`network: {mode: "host", egress: [{ports: ["%d"], protocol: %q}]}`, a.Port(), p)
	if kind == KindConnect && !e.calls["connect"] {
		grant = `syscalls: allow: [{name: "connect"}], ` + grant
	}
	if kind == KindListen {
		grant = fmt.Sprintf(`network: {mode: "host", listen: [{port: %d, protocol: %q}]}`, a.Port(), p)
	}
	return e.deny(c, kind, fmt.Sprintf("%s/%s", a, p), errno, grant)
}

// address reads the socket address that connect and bind take. It is false
// for families other than IPv4 and IPv6 and for addresses that the kernel
// refuses by itself.
func (e *Enforcer) address(c *Call) (netip.AddrPort, bool) {
	length := min(uint32(c.Args[2]), unix.SizeofSockaddrAny)
	b, err := c.Bytes(c.Args[1], int(length))
	if err != nil {
		return netip.AddrPort{}, false
	}
	a, err := ParseAddress(b)
	return a, err == nil
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
// manifest names no UDP port on the host's network there are only TCP sockets.
func (e *Enforcer) protocol(c *Call) manifest.Protocol {
	if e.rules.Network.Mode == manifest.NetworkHost && !e.udp {
		return manifest.TCP
	}
	fd, err := c.TakeFD(int32(c.Args[0]))
	if err != nil {
		return manifest.TCP
	}
	defer letGo(fd)
	if kind, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE); err == nil && kind != unix.SOCK_STREAM {
		return manifest.UDP
	}
	return manifest.TCP
}

// letGo closes a copy of a container's socket. If the container has closed
// its own meanwhile, and asked the kernel to wait for what is still to be sent
// (SO_LINGER), closing blocks as long as it has asked for: nobody waits here.
func letGo(fd int) {
	go func() { _ = unix.Close(fd) }()
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
