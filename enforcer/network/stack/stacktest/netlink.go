package stacktest

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/enforcer/network/subnet"
)

// message is a netlink message that is being written (netlink(7), rtnetlink(7)).
type message struct {
	kind, flags uint16
	body        []byte
}

func (m *message) attribute(kind uint16, value []byte) {
	m.body = binary.NativeEndian.AppendUint16(m.body, uint16(4+len(value)))
	m.body = binary.NativeEndian.AppendUint16(m.body, kind)
	m.body = append(m.body, value...)
	for len(m.body)%4 != 0 {
		m.body = append(m.body, 0)
	}
}

// send sends the message in the thread's network namespace, and returns the kernel's error.
func (m *message) send() error {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	b := binary.NativeEndian.AppendUint32(nil, uint32(unix.NLMSG_HDRLEN+len(m.body)))
	b = binary.NativeEndian.AppendUint16(b, m.kind)
	b = binary.NativeEndian.AppendUint16(b, m.flags|unix.NLM_F_REQUEST|unix.NLM_F_ACK)
	b = append(append(b, 1, 0, 0, 0, 0, 0, 0, 0), m.body...)
	if err := unix.Sendto(fd, b, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return err
	}
	answer := make([]byte, 4096)
	n, _, err := unix.Recvfrom(fd, answer, 0)
	if err != nil {
		return err
	}
	replies, err := syscall.ParseNetlinkMessage(answer[:n])
	if err != nil || len(replies) != 1 || replies[0].Header.Type != unix.NLMSG_ERROR {
		return errors.Join(errors.New("an answer that is none"), err)
	}
	if code := int32(binary.NativeEndian.Uint32(replies[0].Data)); code != 0 {
		return syscall.Errno(-code)
	}
	return nil
}

func family(a netip.Addr) byte {
	if a.Is4() {
		return unix.AF_INET
	}
	return unix.AF_INET6
}

func address(index int, p netip.Prefix) error {
	const noDAD = unix.IFA_F_NODAD
	m := message{kind: unix.RTM_NEWADDR, flags: unix.NLM_F_CREATE}
	m.body = append(m.body, family(p.Addr()), byte(p.Bits()), noDAD, unix.RT_SCOPE_UNIVERSE)
	m.body = binary.NativeEndian.AppendUint32(m.body, uint32(index))
	m.attribute(unix.IFA_LOCAL, p.Addr().AsSlice())
	m.attribute(unix.IFA_ADDRESS, p.Addr().AsSlice())
	return m.send()
}

func defaultRoute(index int, gateway netip.Addr) error {
	return route(index, 0, unix.RT_TABLE_MAIN, unix.RTN_UNICAST, unix.RTA_GATEWAY, gateway)
}

// ownRoute takes packets to an IPv6 address in at once, which the kernel leaves to
// a worker of its own.
func ownRoute(index int, own netip.Addr) error {
	return route(index, own.BitLen(), unix.RT_TABLE_LOCAL, unix.RTN_LOCAL, unix.RTA_DST, own)
}

func route(index, bits int, table, kind byte, attribute uint16, a netip.Addr) error {
	m := message{kind: unix.RTM_NEWROUTE, flags: unix.NLM_F_CREATE}
	m.body = append(m.body, family(a), byte(bits), 0, 0, table, unix.RTPROT_BOOT, unix.RT_SCOPE_UNIVERSE, kind, 0, 0, 0, 0)
	m.attribute(attribute, a.AsSlice())
	m.attribute(unix.RTA_OIF, binary.NativeEndian.AppendUint32(nil, uint32(index)))
	return m.send()
}

// up turns an interface on, with an MTU where it is not zero.
func up(index, mtu int) error {
	m := message{kind: unix.RTM_NEWLINK, body: link(index, unix.IFF_UP)}
	if mtu != 0 {
		m.attribute(unix.IFLA_MTU, binary.NativeEndian.AppendUint32(nil, uint32(mtu)))
	}
	return m.send()
}

// pair makes an interface and its other end (veth(4)), both without address
// resolution.
func pair(name string, index, other int) error {
	side := func(name string, index int, mac [6]byte) []byte {
		m := message{body: link(index, unix.IFF_NOARP)}
		m.attribute(unix.IFLA_IFNAME, append([]byte(name), 0))
		m.attribute(unix.IFLA_ADDRESS, mac[:])
		m.attribute(unix.IFLA_MTU, binary.NativeEndian.AppendUint32(nil, subnet.MTU))
		m.attribute(unix.IFLA_GSO_MAX_SEGS, binary.NativeEndian.AppendUint32(nil, 1))
		return m.body
	}
	const peer = 1 // VETH_INFO_PEER
	var data, info message
	data.attribute(peer, side(name+"-peer", other, subnet.PeerMAC()))
	info.attribute(unix.IFLA_INFO_KIND, []byte("veth\x00"))
	info.attribute(unix.IFLA_INFO_DATA, data.body)
	m := message{kind: unix.RTM_NEWLINK, flags: unix.NLM_F_CREATE | unix.NLM_F_EXCL, body: side(name, index, subnet.MAC())}
	m.attribute(unix.IFLA_LINKINFO, info.body)
	return m.send()
}

// link is a struct ifinfomsg with flags that are set.
func link(index int, flags uint32) []byte {
	b := []byte{unix.AF_UNSPEC, 0, 0, 0}
	for _, n := range []uint32{uint32(index), flags, flags} {
		b = binary.NativeEndian.AppendUint32(b, n)
	}
	return b
}

// packets opens a packet socket on an interface.
func packets(index int, offload bool) (*os.File, error) {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), "packet socket")
	options := []int{unix.PACKET_IGNORE_OUTGOING, unix.PACKET_QDISC_BYPASS}
	if offload {
		options = append(options, unix.PACKET_VNET_HDR)
	}
	for _, o := range options {
		err = errors.Join(err, unix.SetsockoptInt(fd, unix.SOL_PACKET, o, 1))
	}
	err = errors.Join(err, unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 4<<20))
	everything := binary.NativeEndian.Uint16([]byte{0, unix.ETH_P_ALL})
	if err = errors.Join(err, unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: everything, Ifindex: index})); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}
