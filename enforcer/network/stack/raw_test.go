package stack_test

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/checksum"
	"gvisor.dev/gvisor/pkg/tcpip/header"

	"github.com/least-privilege/lpm/enforcer/network/subnet"
)

// ping sends an echo request from the container, and waits for the reply to it.
func (l *lab) ping(to netip.Addr, size int) error {
	l.t.Helper()
	var file *os.File
	var err error
	l.Do(func() {
		if err = setPings(os.Getegid()); err == nil {
			file, err = pingSocket(to)
		}
	})
	if err != nil {
		return err
	}
	defer file.Close()
	c, err := net.FilePacketConn(file)
	if err != nil {
		return err
	}
	defer c.Close()
	message := make([]byte, 8+size)
	message[0] = 8
	if to.Is6() {
		message[0] = 128
	}
	copy(message[8:], "what comes back")
	conn := c.(net.Conn)
	conn.SetDeadline(time.Now().Add(patience))
	if _, err := conn.Write(message); err != nil {
		return err
	}
	b := make([]byte, 1<<16)
	n, err := conn.Read(b)
	if err != nil {
		return err
	}
	if n != len(message) || string(b[8:n]) != string(message[8:]) {
		return errors.New("the reply is another")
	}
	return nil
}

func pingSocket(to netip.Addr) (*os.File, error) {
	family, protocol := unix.AF_INET, unix.IPPROTO_ICMP
	address := unix.Sockaddr(&unix.SockaddrInet6{Addr: to.As16()})
	if to.Is4() {
		address = &unix.SockaddrInet4{Addr: to.As4()}
	} else {
		family, protocol = unix.AF_INET6, unix.IPPROTO_ICMPV6
	}
	fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, protocol)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), "ping"), unix.Connect(fd, address)
}

// wire is a packet socket in the container, which sends whatever it is given.
type wire struct {
	fd, index int
}

func (l *lab) wire() *wire {
	l.t.Helper()
	w := &wire{}
	var err error
	l.Do(func() {
		var i *net.Interface
		if i, err = net.InterfaceByName(subnet.Device); err != nil {
			return
		}
		w.index = i.Index
		w.fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	})
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { unix.Close(w.fd) })
	return w
}

// send sends IP packets.
func (w *wire) send(t *testing.T, packets ...[]byte) {
	t.Helper()
	for _, p := range packets {
		kind := uint16(unix.ETH_P_IP)
		if p[0]>>4 == 6 {
			kind = unix.ETH_P_IPV6
		}
		mac := subnet.PeerMAC()
		to := &unix.SockaddrLinklayer{Protocol: binary.BigEndian.Uint16(binary.NativeEndian.AppendUint16(nil, kind)), Ifindex: w.index, Halen: 6}
		copy(to.Addr[:], mac[:])
		err := unix.Sendto(w.fd, p, 0, to)
		for errors.Is(err, unix.ENOBUFS) {
			time.Sleep(time.Millisecond)
			err = unix.Sendto(w.fd, p, 0, to)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// ip4 is an IPv4 packet; offset is in bytes.
func ip4(from, to netip.Addr, protocol tcpip.TransportProtocolNumber, id uint16, offset int, more bool, payload []byte) []byte {
	p := make([]byte, header.IPv4MinimumSize, header.IPv4MinimumSize+len(payload))
	flags := uint8(0)
	if more {
		flags = header.IPv4FlagMoreFragments
	}
	h := header.IPv4(p)
	h.Encode(&header.IPv4Fields{
		TotalLength: uint16(len(p) + len(payload)), ID: id, Flags: flags, FragmentOffset: uint16(offset),
		TTL: 64, Protocol: uint8(protocol), SrcAddr: tcpip.AddrFrom4(from.As4()), DstAddr: tcpip.AddrFrom4(to.As4()),
	})
	h.SetChecksum(^h.CalculateChecksum())
	return append(p, payload...)
}

// ip6 is an IPv6 packet.
func ip6(from, to netip.Addr, next uint8, payload []byte) []byte {
	p := make([]byte, header.IPv6MinimumSize, header.IPv6MinimumSize+len(payload))
	header.IPv6(p).Encode(&header.IPv6Fields{
		PayloadLength: uint16(len(payload)), TransportProtocol: tcpip.TransportProtocolNumber(next), HopLimit: 64,
		SrcAddr: tcpip.AddrFrom16(from.As16()), DstAddr: tcpip.AddrFrom16(to.As16()),
	})
	return append(p, payload...)
}

// udpTo is a UDP header with its payload.
func udpTo(from, to netip.AddrPort, payload []byte) []byte {
	p := make([]byte, header.UDPMinimumSize, header.UDPMinimumSize+len(payload))
	h := header.UDP(p)
	length := uint16(len(p) + len(payload))
	h.Encode(&header.UDPFields{SrcPort: from.Port(), DstPort: to.Port(), Length: length})
	sum := header.PseudoHeaderChecksum(header.UDPProtocolNumber, address(from.Addr()), address(to.Addr()), length)
	h.SetChecksum(^h.CalculateChecksum(checksum.Checksum(payload, sum)))
	return append(p, payload...)
}

// synTo is a TCP segment that opens a connection.
func synTo(from, to netip.AddrPort) []byte {
	p := make([]byte, header.TCPMinimumSize)
	h := header.TCP(p)
	h.Encode(&header.TCPFields{
		SrcPort: from.Port(), DstPort: to.Port(), SeqNum: 1, DataOffset: header.TCPMinimumSize,
		Flags: header.TCPFlagSyn, WindowSize: 1000,
	})
	sum := header.PseudoHeaderChecksum(header.TCPProtocolNumber, address(from.Addr()), address(to.Addr()), uint16(len(p)))
	h.SetChecksum(^h.CalculateChecksum(sum))
	return p
}

func address(a netip.Addr) tcpip.Address {
	if a.Is4() {
		return tcpip.AddrFrom4(a.As4())
	}
	return tcpip.AddrFrom16(a.As16())
}
