package record

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"

	"github.com/least-privilege/lpm/analyzer/evidence"
	"github.com/least-privilege/lpm/enforcer/supervise"
	"github.com/least-privilege/lpm/manifest"
	"golang.org/x/sys/unix"
)

// noteSocket notes the addresses that a socket call names.
func (r *Recorder) noteSocket(c call) error {
	fd, a := int32(c.args[0]), c.args
	switch c.name {
	case "socket":
		return r.noteRaw(c)
	case "bind":
		return r.noteBind(c)
	case "listen":
		return r.noteListen(c)
	case "connect":
		return r.noteDestination(c, fd, a[1], a[2])
	case "sendto":
		return r.noteDestination(c, fd, a[4], a[5])
	case "sendmsg":
		return r.noteMessage(c, fd, a[1])
	}
	// sendmmsg takes an array of struct mmsghdr: a struct msghdr (56 bytes)
	// and a length. UIO_MAXIOV is the kernel's bound on it.
	const mmsghdr = 64
	for i := range min(uint64(uint32(a[2])), 1024) {
		if err := r.noteMessage(c, fd, a[1]+i*mmsghdr); err != nil {
			return err
		}
	}
	return nil
}

// noteMessage notes the destination in a struct msghdr, which starts with the
// address's pointer and length.
func (r *Recorder) noteMessage(c call, fd int32, addr uint64) error {
	head, err := c.Bytes(addr, 16)
	if err != nil {
		return err
	}
	return r.noteDestination(c, fd, binary.NativeEndian.Uint64(head), uint64(binary.NativeEndian.Uint32(head[8:])))
}

// sockaddr reads a socket address. Its length is as the kernel takes it.
func sockaddr(c call, addr, length uint64) ([]byte, error) {
	return c.Bytes(addr, int(min(uint32(length), unix.SizeofSockaddrAny)))
}

func (r *Recorder) noteDestination(c call, fd int32, addr, length uint64) error {
	if addr == 0 || uint32(length) < 2 {
		return nil // the socket's peer, as connected before
	}
	b, err := sockaddr(c, addr, length)
	if err != nil {
		return err
	}
	if binary.NativeEndian.Uint16(b) == unix.AF_UNIX {
		name := unixName(b)
		if strings.HasPrefix(name, "/") {
			if err := r.checkAccess(c, name, 2, false); err != nil {
				return err
			}
		}
		r.noteConnect(c, evidence.Connect{Family: "unix", Address: text(name)})
		return nil
	}
	to, err := supervise.ParseAddress(b)
	if err != nil {
		return nil // AF_UNSPEC takes the peer away; netlink is local
	}
	protocol, err := protocolOf(c, fd)
	if err != nil {
		return err
	}
	r.noteConnect(c, evidence.Connect{
		Family: family(to), Address: to.Addr().String(), Port: to.Port(), Protocol: protocol,
	})
	return nil
}

func (r *Recorder) noteConnect(c call, v evidence.Connect) {
	r.noteAsking(c, v)
	key := accessKey{v.Family, v.Address, v.Protocol, v.Port}
	f := entry(&r.facts, r.facts.connects, "connects", maxSockets, key, v, v.Address)
	r.facts.see(&f.Seen, r.at(c))
}

func (r *Recorder) noteBind(c call) error {
	b, err := sockaddr(c, c.args[1], c.args[2])
	if err != nil || len(b) < 2 {
		return err
	}
	if binary.NativeEndian.Uint16(b) == unix.AF_UNIX {
		if name := unixName(b); name == "" || name[0] == '@' {
			return nil // abstract: nothing in the file system
		}
		name, err := c.Path(unix.AT_FDCWD, c.args[1]+2)
		if err != nil {
			return err
		}
		if _, err := r.stat(c, name); err == nil {
			return nil // EADDRINUSE
		}
		r.facts.file(name, evidence.Create, r.at(c))
		return r.checkAccess(c, name, 0, true)
	}
	at, err := supervise.ParseAddress(b)
	if err != nil {
		return nil
	}
	protocol, err := protocolOf(c, int32(c.args[0]))
	if err != nil {
		return err
	}
	r.noteLocal(at, protocol, false, r.at(c))
	// On the host's network the capability is looked for outside of the
	// container and is of no use.
	if at.Port() != 0 && at.Port() < 1024 && r.options.Network != manifest.NetworkHost {
		return r.needsIf(c, unix.CAP_NET_BIND_SERVICE, "CAP_NET_BIND_SERVICE", fmt.Sprintf("bind to port %d", at.Port()))
	}
	return nil
}

// noteListen notes the port that a socket listens at, which listen(2) itself
// does not name.
func (r *Recorder) noteListen(c call) error {
	if s, ok := observedSocket(c); ok {
		if s.Local.IsValid() {
			r.noteListening(c, s.Local)
		}
		return nil
	}
	fd, err := c.TakeFD(int32(c.args[0]))
	if err != nil {
		return err
	}
	defer c.LetGo(fd)
	local, err := unix.Getsockname(fd)
	if err != nil {
		return fmt.Errorf("asking for a socket's address: %w", err)
	}
	var at netip.AddrPort
	switch local := local.(type) {
	case *unix.SockaddrInet4:
		at = netip.AddrPortFrom(netip.AddrFrom4(local.Addr), uint16(local.Port))
	case *unix.SockaddrInet6:
		at = netip.AddrPortFrom(netip.AddrFrom16(local.Addr), uint16(local.Port))
	default:
		return nil
	}
	r.noteListening(c, at)
	return nil
}

func (r *Recorder) noteListening(c call, at netip.AddrPort) {
	// A port that the kernel chose at bind(2) looks like any other here.
	zero := netip.AddrPortFrom(at.Addr(), 0)
	if b := r.facts.binds[bindKey(zero, "tcp")]; b != nil && r.facts.binds[bindKey(at, "tcp")] == nil {
		at = zero
	}
	r.noteLocal(at, "tcp", true, r.at(c))
}

func bindKey(at netip.AddrPort, protocol string) accessKey {
	return accessKey{family(at), at.Addr().String(), protocol, at.Port()}
}

func (r *Recorder) noteLocal(at netip.AddrPort, protocol string, listening bool, o occasion) {
	if protocol == "icmp" {
		protocol = "raw" // what it is bound to is no port
	}
	b := entry(&r.facts, r.facts.binds, "binds", maxSockets, bindKey(at, protocol), evidence.Bind{
		Family: family(at), Address: at.Addr().String(), Port: at.Port(), Protocol: protocol,
	}, at.Addr().String())
	if listening && b.Count > 0 {
		b.Listening = true // counted when it was bound
		return
	}
	b.Listening = listening
	r.facts.see(&b.Seen, o)
}

// noteRaw notes the capability that sockets below the transport take.
func (r *Recorder) noteRaw(c call) error {
	const typeMask = 0xf
	raw := c.args[1]&typeMask == unix.SOCK_RAW
	switch int(int32(c.args[0])) {
	case unix.AF_PACKET:
	case unix.AF_INET, unix.AF_INET6:
		if !raw {
			return nil
		}
	default:
		return nil
	}
	if r.options.Network == manifest.NetworkHost {
		return nil
	}
	return r.needsIf(c, unix.CAP_NET_RAW, "CAP_NET_RAW", "making a raw socket")
}

// protocolOf asks the socket itself, of which the call's number tells
// nothing.
func protocolOf(c call, number int32) (string, error) {
	if s, ok := observedSocket(c); ok {
		return protocolName(s.Type, s.Protocol), nil
	}
	fd, err := c.TakeFD(number)
	if err != nil {
		return "", err
	}
	defer c.LetGo(fd)
	kind, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE)
	if err != nil {
		return "", fmt.Errorf("asking for a socket's type: %w", err)
	}
	protocol, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_PROTOCOL)
	if err != nil {
		return "", fmt.Errorf("asking for a socket's protocol: %w", err)
	}
	return protocolName(kind, protocol), nil
}

func protocolName(kind, protocol int) string {
	switch {
	case kind == unix.SOCK_STREAM && (protocol == unix.IPPROTO_TCP || protocol == unix.IPPROTO_MPTCP):
		return "tcp"
	case kind == unix.SOCK_DGRAM && protocol == unix.IPPROTO_UDP:
		return "udp"
	case (kind == unix.SOCK_DGRAM || kind == unix.SOCK_RAW) && (protocol == unix.IPPROTO_ICMP || protocol == unix.IPPROTO_ICMPV6):
		return "icmp" // as ping makes them: icmp(7), raw(7)
	}
	return "raw"
}

func family(a netip.AddrPort) string {
	if a.Addr().Is4() {
		return "inet"
	}
	return "inet6"
}

// unixName returns the name in a struct sockaddr_un (unix(7)), an abstract
// one with "@" in place of its first byte.
func unixName(b []byte) string {
	name := b[2:]
	if len(name) > 0 && name[0] == 0 {
		return "@" + string(name[1:])
	}
	s, _, _ := strings.Cut(string(name), "\x00")
	return s
}

// needsIf notes a capability that the caller has.
func (r *Recorder) needsIf(c call, bit int, capability, example string) error {
	cred, err := r.credentials(c)
	if err != nil {
		return err
	}
	if cred.has(bit) {
		r.needs(c, capability, example)
	}
	return nil
}
