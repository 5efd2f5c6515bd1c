package networktest

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// loopback is the number of lo, the first device of a network namespace.
const loopback = 1

// network brings lo up, gives it the machine's addresses, and leads everything
// else to servers in here. An address that a route calls local can be listened
// at and connected to without being anybody's.
func network() error {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return fmt.Errorf("opening rtnetlink(7): %w", err)
	}
	defer unix.Close(fd)
	up := unix.IfInfomsg{Index: loopback, Flags: unix.IFF_UP, Change: unix.IFF_UP}
	if err := request(fd, unix.RTM_NEWLINK, up); err != nil {
		return fmt.Errorf("bringing lo up: %w", err)
	}
	for _, s := range []string{Host4, Host6} {
		if err := addAddress(fd, netip.MustParseAddr(s)); err != nil {
			return fmt.Errorf("adding the address %s: %w", s, err)
		}
	}
	for _, p := range elsewhere() {
		if err := addRoute(fd, p); err != nil {
			return fmt.Errorf("adding a route to %s: %w", p, err)
		}
	}
	return nil
}

func family(a netip.Addr) uint8 {
	if a.Is4() {
		return unix.AF_INET
	}
	return unix.AF_INET6
}

func addAddress(fd int, a netip.Addr) error {
	m := unix.IfAddrmsg{
		Family: family(a), Prefixlen: uint8(a.BitLen()), Index: loopback,
		// Nobody else can have it.
		Flags: unix.IFA_F_NODAD,
	}
	return request(fd, unix.RTM_NEWADDR, m,
		attribute{unix.IFA_LOCAL, a.AsSlice()}, attribute{unix.IFA_ADDRESS, a.AsSlice()})
}

func addRoute(fd int, to netip.Prefix) error {
	a := to.Addr()
	source := netip.MustParseAddr(Host4)
	if a.Is6() {
		source = netip.MustParseAddr(Host6)
	}
	m := unix.RtMsg{
		Family: family(a), Dst_len: uint8(to.Bits()), Table: unix.RT_TABLE_LOCAL,
		Protocol: unix.RTPROT_STATIC, Scope: unix.RT_SCOPE_HOST, Type: unix.RTN_LOCAL,
	}
	return request(fd, unix.RTM_NEWROUTE, m,
		attribute{unix.RTA_DST, a.AsSlice()}, attribute{unix.RTA_PREFSRC, source.AsSlice()},
		attribute{unix.RTA_OIF, binary.NativeEndian.AppendUint32(nil, loopback)})
}

// attribute is a value of a message, as rtnetlink(7) has them.
type attribute struct {
	kind  uint16
	value []byte
}

// request sends one message, and waits until the kernel has done it.
func request(fd int, kind uint16, header any, attributes ...attribute) error {
	var body bytes.Buffer
	if err := binary.Write(&body, binary.NativeEndian, header); err != nil {
		return err
	}
	for _, a := range attributes {
		b := binary.NativeEndian.AppendUint16(nil, uint16(unix.SizeofRtAttr+len(a.value)))
		b = binary.NativeEndian.AppendUint16(b, a.kind)
		body.Write(append(b, a.value...)) // of 4 or 16 bytes: aligned
	}
	h := unix.NlMsghdr{
		Len: uint32(unix.SizeofNlMsghdr + body.Len()), Type: kind,
		Flags: unix.NLM_F_REQUEST | unix.NLM_F_ACK | unix.NLM_F_CREATE,
	}
	var message bytes.Buffer
	if err := binary.Write(&message, binary.NativeEndian, h); err != nil {
		return err
	}
	message.Write(body.Bytes())
	if err := unix.Sendto(fd, message.Bytes(), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return err
	}
	reply := make([]byte, 4096)
	n, _, err := unix.Recvfrom(fd, reply, 0)
	if err != nil {
		return err
	}
	// A header, then the negated error number.
	if n < unix.SizeofNlMsghdr+4 || binary.NativeEndian.Uint16(reply[4:]) != unix.NLMSG_ERROR {
		return fmt.Errorf("a reply of %d bytes that is none", n)
	}
	if code := int32(binary.NativeEndian.Uint32(reply[unix.SizeofNlMsghdr:])); code != 0 {
		return unix.Errno(-code)
	}
	return nil
}
