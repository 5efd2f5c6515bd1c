package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"
)

// What a socket of the host's could be set to, which is nobody's but the host's.
func optionAttacks() map[string]attack {
	return map[string]attack{
		"handed-group":       joinGroups,
		"handed-source":      onDissolved(chooseSource),
		"handed-unicast":     lookForInterfaces,
		"handed-label":       labelFlows,
		"handed-mark":        onHanded(mark),
		"handed-transparent": onHanded(beAnybody),
		"handed-repair":      onHanded(repair),
	}
}

func onHanded(run func(options, int, netip.AddrPort) error) attack {
	return func(o options, to netip.AddrPort) error {
		fd, err := o.handed()
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		return run(o, fd, to)
	}
}

// groupRequest is struct group_source_req of linux/in.h, and as far as the group
// struct group_req.
type groupRequest struct {
	device        uint32
	_             uint32
	group, source [128]byte
}

// joinGroups has the host join a group, of which it tells the machines of its
// network: the group's number is a message to them. The kernel refuses that of TCP
// sockets by the usual request alone.
func joinGroups(o options, to netip.AddrPort) error {
	fd, err := o.handed()
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	level := unix.IPPROTO_IP
	group, source := netip.AddrFrom4([4]byte{232, 1, 2, 3}), to.Addr()
	if source.Is6() {
		level, group = unix.IPPROTO_IPV6, netip.MustParseAddr("ff35::4321")
	}
	request := &groupRequest{device: 1}
	copy(request.group[:], storage(group))
	copy(request.source[:], storage(source))
	set := func(name int, size uintptr) func() error {
		return func() error {
			_, _, errno := unix.Syscall6(unix.SYS_SETSOCKOPT, uintptr(fd), uintptr(level), uintptr(name),
				uintptr(unsafe.Pointer(request)), size, 0)
			if errno != 0 {
				return call("setsockopt", errno)
			}
			return nil
		}
	}
	whole := unsafe.Sizeof(*request)
	attempts := map[string]func() error{
		"MCAST_JOIN_GROUP":        set(unix.MCAST_JOIN_GROUP, whole-unsafe.Sizeof(request.source)),
		"MCAST_JOIN_SOURCE_GROUP": set(unix.MCAST_JOIN_SOURCE_GROUP, whole),
	}
	if level == unix.IPPROTO_IP {
		g, s := group.As4(), source.As4()
		old := append(append(g[:], 127, 0, 0, 1), s[:]...) // struct ip_mreq_source
		attempts["IP_ADD_SOURCE_MEMBERSHIP"] = func() error {
			return call("setsockopt", unix.SetsockoptString(fd, level, unix.IP_ADD_SOURCE_MEMBERSHIP, string(old)))
		}
	}
	return each(attempts)
}

// storage is a struct sockaddr_in or sockaddr_in6 without a port.
func storage(a netip.Addr) []byte {
	if a.Is4() {
		four := a.As4()
		return append(binary.NativeEndian.AppendUint16(nil, unix.AF_INET), append([]byte{0, 0}, four[:]...)...)
	}
	sixteen := a.As16()
	return append(binary.NativeEndian.AppendUint16(nil, unix.AF_INET6), append(make([]byte, 6), sixteen[:]...)...)
}

// chooseSource has a connection to the granted address come from another one.
func chooseSource(o options, fd int, to netip.AddrPort) error {
	from := o.sockaddr(netip.AddrPortFrom(to.Addr(), 0))
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_FREEBIND, 1); err != nil {
		return call("setsockopt", err)
	}
	if err := unix.Bind(fd, from); err != nil {
		return call("bind", err)
	}
	return reconnect(o, fd, o.granted())
}

// lookForInterfaces learns which interfaces the host has by choosing them.
func lookForInterfaces(o options, _ netip.AddrPort) error {
	fd, err := o.handed()
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	level, name := unix.IPPROTO_IP, unix.IP_UNICAST_IF
	if o.granted().Addr().Is6() {
		level, name = unix.IPPROTO_IPV6, unix.IPV6_UNICAST_IF
	}
	for index := range uint32(64) {
		number := string(binary.BigEndian.AppendUint32(nil, index+1))
		err := unix.SetsockoptString(fd, level, name, number)
		switch {
		case err == nil:
			fmt.Printf("there is an interface %d\n", index+1)
			return nil
		case !errors.Is(err, unix.EADDRNOTAVAIL):
			return call("setsockopt", err)
		}
	}
	return errors.New("there are no interfaces")
}

// labelFlows gives packets extension headers: by options, and by way of a flow
// label that stands for them (RFC 3697).
func labelFlows(o options, to netip.AddrPort) error {
	fd, err := o.handed()
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	a := to.Addr().As16()
	routing := append([]byte{0, 2, 2, 1, 0, 0, 0, 0}, a[:]...)
	// struct in6_flowlabel_req, and a control message behind it.
	request := append(append(a[:16:16], 0, 0, 0, 0, 0, 1, 1, 0), make([]byte, 8)...)
	control := binary.NativeEndian.AppendUint64(nil, uint64(unix.CmsgLen(len(routing))))
	control = binary.NativeEndian.AppendUint32(control, unix.IPPROTO_IPV6)
	control = append(binary.NativeEndian.AppendUint32(control, unix.IPV6_RTHDR), routing...)
	set := func(name int, value []byte) func() error {
		return func() error {
			return call("setsockopt", unix.SetsockoptString(fd, unix.IPPROTO_IPV6, name, string(value)))
		}
	}
	const flowLabelManager = 32 // IPV6_FLOWLABEL_MGR of linux/in6.h
	return each(map[string]func() error{
		"label":            set(flowLabelManager, request),
		"label with route": set(flowLabelManager, append(request[:len(request):len(request)], control...)),
		"hop-by-hop":       set(unix.IPV6_HOPOPTS, []byte{0, 0, 1, 4, 0, 0, 0, 0}),
		"destination":      set(unix.IPV6_DSTOPTS, []byte{0, 0, 1, 4, 0, 0, 0, 0}),
	})
}

// mark has the host's rules for routes and packets take a socket for another's.
func mark(_ options, fd int, _ netip.AddrPort) error {
	return call("setsockopt", unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_MARK, 1))
}

// beAnybody has a socket be any address's.
func beAnybody(_ options, fd int, _ netip.AddrPort) error {
	return call("setsockopt", unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_TRANSPARENT, 1))
}

// repair has a socket be connected without a handshake.
func repair(o options, fd int, to netip.AddrPort) error {
	if err := unix.SetsockoptInt(fd, unix.SOL_TCP, unix.TCP_REPAIR, 1); err != nil {
		return call("setsockopt", err)
	}
	if err := dissolve(fd); err != nil {
		return err
	}
	return reconnect(o, fd, to)
}
