package stack

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip/checksum"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"

	"github.com/least-privilege/lpm/enforcer/network/subnet"
)

// EchoError says that the host does not let this process send echo requests.
type EchoError struct {
	Group int
	Err   error
}

func (e *EchoError) Error() string {
	return fmt.Sprintf("sending ICMP echo requests as group %d: %v (net.ipv4.ping_group_range must contain the group)", e.Group, e.Err)
}

func (e *EchoError) Unwrap() error { return e.Err }

// handleEcho passes an echo request on. The gateway answers by itself.
func (s *Stack) handleEcho(a admission, packet []byte) {
	message := packet[a.headers:a.length]
	if isGateway(a.to) {
		s.counts.packets.Add(1)
		s.sendEcho(a.to, message)
		return
	}
	from := containerOf(a.to)
	key := flowKey{from: netip.AddrPortFrom(from, binary.BigEndian.Uint16(message[4:])), to: netip.AddrPortFrom(a.to, 0)}
	payload := func() []byte { return append([]byte(nil), message...) }
	if s.echo.pass(key, payload) {
		return
	}
	if gateway(a.to) {
		return
	}
	f := s.echo.add(key)
	if f == nil {
		s.counts.limited.Add(1)
		return
	}
	s.echo.pass(key, payload)
	first := quotePacket(a, packet)
	s.work.Go(func() {
		defer first.DecRef()
		s.openEcho(f, first)
	})
}

// openEcho opens the host's side of an echo, and carries the replies.
func (s *Stack) openEcho(f *flow, first *stack.PacketBuffer) {
	defer s.echo.remove(f)
	to := f.key.to.Addr()
	host, err := s.ping(to)
	if err != nil {
		s.unreachable(first, err)
		return
	}
	raw, err := host.SyscallConn()
	if err != nil {
		host.Close()
		return
	}
	send := func(p []byte) {
		// The socket puts in an identifier of its own.
		_ = raw.Control(func(fd uintptr) {
			_, _ = unix.SendmsgN(int(fd), p, nil, nil, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
		})
	}
	if !s.echo.open(f, send, func() { host.Close() }) {
		host.Close()
		return
	}
	b := make([]byte, 64<<10)
	for {
		n, err := host.Read(b)
		switch {
		case err == nil && n >= header.ICMPv4MinimumSize:
			s.echo.answer(f)
			binary.BigEndian.PutUint16(b[4:], f.key.from.Port())
			s.sendEcho(to, b[:n])
		case err != nil && notable(err):
			s.unreachable(first, err)
		case err != nil:
			return
		}
	}
}

// ping opens a socket that sends echo requests to one address, and receives
// only the replies to them (icmp(7)).
func (s *Stack) ping(to netip.Addr) (*net.UDPConn, error) {
	if err := s.handler.Echo(s.ctx, to); err != nil {
		return nil, err
	}
	family, protocol := unix.AF_INET, unix.IPPROTO_ICMP
	address := unix.Sockaddr(&unix.SockaddrInet4{Addr: v4(to)})
	if to.Is6() {
		family, protocol = unix.AF_INET6, unix.IPPROTO_ICMPV6
		address = &unix.SockaddrInet6{Addr: to.As16()}
	}
	fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, protocol)
	if err != nil {
		if errors.Is(err, syscall.EACCES) || errors.Is(err, syscall.EPERM) {
			err = &EchoError{Group: os.Getegid(), Err: err}
			s.reportOnce(err)
		}
		return nil, err
	}
	file := os.NewFile(uintptr(fd), "ping")
	defer file.Close()
	if err := unix.Connect(fd, address); err != nil {
		return nil, os.NewSyscallError("connect", err)
	}
	conn, err := net.FilePacketConn(file)
	if err != nil {
		return nil, err
	}
	udp, ok := conn.(*net.UDPConn)
	if !ok {
		conn.Close()
		return nil, fmt.Errorf("a ping socket is a %T", conn)
	}
	return udp, nil
}

// v4 is the address's four bytes, if it has no more.
func v4(a netip.Addr) [4]byte {
	if a.Is4() {
		return a.As4()
	}
	return [4]byte{}
}

// sendEcho sends a message to the container, as an echo reply.
func (s *Stack) sendEcho(from netip.Addr, message []byte) {
	to := containerOf(from)
	route, terr := s.net.FindRoute(nic, addressOf(from), addressOf(to), protocolOf(to), false)
	if terr != nil {
		return
	}
	defer route.Release()
	pkt := stack.NewPacketBuffer(stack.PacketBufferOptions{
		ReserveHeaderBytes: header.ICMPv4MinimumSize + int(route.MaxHeaderLength()),
		Payload:            buffer.MakeWithData(message[header.ICMPv4MinimumSize:]),
	})
	defer pkt.DecRef()
	h := pkt.TransportHeader().Push(header.ICMPv4MinimumSize)
	copy(h, message)
	h[0], h[1], h[2], h[3] = byte(header.ICMPv4EchoReply), 0, 0, 0
	protocol, sum := header.ICMPv4ProtocolNumber, uint16(0)
	if from.Is6() {
		h[0], protocol = byte(header.ICMPv6EchoReply), header.ICMPv6ProtocolNumber
		sum = route.PseudoHeaderChecksum(protocol, uint16(len(message)))
	}
	sum = ^checksum.Combine(checksum.Checksum(h, sum), pkt.Data().Checksum())
	binary.BigEndian.PutUint16(h[2:], sum)
	pkt.TransportProtocolNumber = protocol
	route.WritePacket(stack.NetworkHeaderParams{Protocol: protocol, TTL: route.DefaultTTL()}, pkt)
}

func isGateway(a netip.Addr) bool { return a == subnet.Gateway4() || a == subnet.Gateway6() }

// containerOf is the container's address of the same family.
func containerOf(a netip.Addr) netip.Addr {
	if a.Is4() {
		return subnet.Container4()
	}
	return subnet.Container6()
}
