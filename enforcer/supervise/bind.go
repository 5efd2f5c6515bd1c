package supervise

import (
	"bytes"
	"encoding/binary"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/manifest"
)

// bindPrivate binds an internet socket of a container to whose connections the
// host lends its sockets. One of those that is connected no longer would be
// bound on the host's network, where it kept a port from the host's programs:
// Landlock, which knows ports and no networks, keeps the container from binding
// any TCP socket by itself, and the supervisor binds those that are the
// container's own.
func (e *Enforcer) bindPrivate(c *Call) (Verdict, *refusal) {
	fd, err := c.TakeFD(int32(c.Args[0]))
	if err != nil {
		return Verdict{Errno: noCopy(err)}, nil
	}
	defer c.LetGo(fd)
	family, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN)
	if err != nil || family != unix.AF_INET && family != unix.AF_INET6 {
		return Verdict{}, nil // no TCP socket, or none at all
	}
	name, errno := c.bindName(family)
	if errno != 0 {
		return Verdict{Errno: errno}, nil
	}
	at, err := ParseAddress(name)
	if err != nil {
		return Verdict{Errno: unix.EAFNOSUPPORT}, nil
	}
	protocol := manifest.TCP
	if kind, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE); err == nil && kind != unix.SOCK_STREAM {
		protocol = manifest.UDP
	}
	// As in bind: port 0 is the kernel's choice.
	if at.Port() != 0 && !e.mayListen(at.Port(), protocol) {
		r := e.portRefusal(at, protocol)
		if !e.given(r) {
			return Verdict{}, r
		}
	}
	errno = e.bindOwn(c, fd, name, at.Port())
	return Verdict{Errno: errno, Done: errno == 0}, nil
}

// bindOwn binds a socket that is of the container's network. One of the host's
// counts as bound already.
func (e *Enforcer) bindOwn(c *Call, fd int, name []byte, port uint16) unix.Errno {
	if foreign, err := e.foreign(fd); err != nil || foreign {
		return unix.EINVAL
	}
	// The supervisor may bind them in any network that it has made.
	if port > 0 && port < firstUnprivileged && !c.capable(unix.CAP_NET_BIND_SERVICE) {
		return unix.EACCES
	}
	return setAddress(unix.SYS_BIND, fd, name)
}

// firstUnprivileged is the first port of a new network that anyone may bind
// (PROT_SOCK of net/sock.h).
const firstUnprivileged = 1024

// bindName reads the address that bind(2) is given for a socket of a family.
func (c *Call) bindName(family int) ([]byte, unix.Errno) {
	least := unix.SizeofSockaddrInet4
	if family == unix.AF_INET6 {
		least = unix.SizeofSockaddrInet6 - 4 // see ParseAddress
	}
	length := int(int32(c.Args[2]))
	if length < least || length > unix.SizeofSockaddrAny {
		return nil, unix.EINVAL
	}
	name, err := c.Bytes(c.Args[1], length)
	if err != nil {
		return nil, unix.EFAULT
	}
	// The kernel takes no family for IPv4 with the address of nobody in
	// particular (__inet_bind in net/ipv4/af_inet.c).
	if family == unix.AF_INET && binary.NativeEndian.Uint16(name) == unix.AF_UNSPEC && bytes.Equal(name[4:8], make([]byte, 4)) {
		binary.NativeEndian.PutUint16(name, unix.AF_INET)
	}
	return name, 0
}

// capable reports whether the calling thread has a capability in effect.
func (c *Call) capable(capability uint) bool {
	bits, err := strconv.ParseUint(c.status("CapEff"), 16, 64)
	return err == nil && bits>>capability&1 == 1
}
