package networktest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"sync"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// wire sees what is sent on lo, before anybody gets it. Of TCP, it is the
// segments that ask for a connection; of all else, every packet.
type wire struct {
	fd int

	mu   sync.Mutex
	seen []Packet
}

// A Packet is one that was sent to an address. Ports are 0 where the protocol
// has none.
type Packet struct {
	// Network is tcp, udp, icmp, or the number of the protocol.
	Network  string
	From, To netip.AddrPort
}

// queue is how many bytes of packets the kernel keeps until they are read.
const queue = 64 << 20

// protocols is htons(ETH_P_ALL).
const protocols = unix.ETH_P_ALL<<8&0xff00 | unix.ETH_P_ALL>>8

func openPacket() (int, error) {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return -1, fmt.Errorf("opening packet(7): %w", err)
	}
	err = attach(fd)
	if err == nil {
		// Only root of the machine may go past its limit.
		if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, queue) != nil {
			err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, queue)
		}
	}
	if err == nil {
		err = unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: protocols, Ifindex: loopback})
	}
	if err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("watching lo: %w", err)
	}
	return fd, nil
}

// Offsets and values of headers.
const (
	ipv6Header   = 40
	tcpFlags     = 13
	tcpSYN       = 0x02
	tcpACK       = 0x10
	keepBytes    = 96 // enough for the headers
	protocolIPv4 = 9
	protocolIPv6 = 6
)

// attach keeps away what comes in (each packet on lo also goes out), and TCP
// but for the first segment of a connection, so that much traffic does no harm.
// Of what is in fragments or has extension headers, nothing is kept away.
func attach(fd int) error {
	program, err := bpf.Assemble([]bpf.Instruction{
		bpf.LoadExtension{Num: bpf.ExtType},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.PACKET_OUTGOING, SkipTrue: 1},
		bpf.RetConstant{Val: 0},
		bpf.LoadAbsolute{Off: 0, Size: 1},
		bpf.ALUOpConstant{Op: bpf.ALUOpShiftRight, Val: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: 6, SkipTrue: 7},
		// IPv4: its header's length is in its first byte.
		bpf.LoadAbsolute{Off: 6, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpBitsSet, Val: 0x1fff, SkipTrue: 10},
		bpf.LoadAbsolute{Off: protocolIPv4, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: unix.IPPROTO_TCP, SkipTrue: 8},
		bpf.LoadMemShift{Off: 0},
		bpf.LoadIndirect{Off: tcpFlags, Size: 1},
		bpf.Jump{Skip: 3},
		// IPv6.
		bpf.LoadAbsolute{Off: protocolIPv6, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: unix.IPPROTO_TCP, SkipTrue: 3},
		bpf.LoadAbsolute{Off: ipv6Header + tcpFlags, Size: 1},
		bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: tcpSYN | tcpACK},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: tcpSYN, SkipTrue: 1},
		bpf.RetConstant{Val: keepBytes},
		bpf.RetConstant{Val: 0},
	})
	if err != nil {
		return err
	}
	filters := make([]unix.SockFilter, len(program))
	for i, p := range program {
		filters[i] = unix.SockFilter{Code: p.Op, Jt: p.Jt, Jf: p.Jf, K: p.K}
	}
	return unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER,
		&unix.SockFprog{Len: uint16(len(filters)), Filter: &filters[0]})
}

// packets returns what was sent until now. A packet is here before its sender's
// system call returns.
func (w *wire) packets() ([]Packet, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	b := make([]byte, keepBytes)
	for {
		n, _, err := unix.Recvfrom(w.fd, b, 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if errors.Is(err, unix.EAGAIN) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("watching lo: %w", err)
		}
		if p, ok := decode(b[:n]); ok {
			w.seen = append(w.seen, p)
		}
	}
	lost, err := unix.GetsockoptTpacketStats(w.fd, unix.SOL_PACKET, unix.PACKET_STATISTICS)
	if err == nil && lost.Drops > 0 {
		err = fmt.Errorf("%d packets were lost", lost.Drops)
	}
	return append([]Packet(nil), w.seen...), err
}

func (w *wire) forget() error {
	_, err := w.packets()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen = nil
	return err
}

func decode(b []byte) (Packet, bool) {
	var from, to netip.Addr
	var protocol byte
	var rest []byte
	switch {
	case len(b) >= 20 && b[0]>>4 == 4 && len(b) >= int(b[0]&15)*4:
		from, to = netip.AddrFrom4([4]byte(b[12:])), netip.AddrFrom4([4]byte(b[16:]))
		protocol, rest = b[protocolIPv4], b[int(b[0]&15)*4:]
		if binary.BigEndian.Uint16(b[6:])&0x1fff != 0 {
			rest = nil // no first fragment: no ports
		}
	case len(b) >= ipv6Header && b[0]>>4 == 6:
		from, to = netip.AddrFrom16([16]byte(b[8:])), netip.AddrFrom16([16]byte(b[24:]))
		protocol, rest = b[protocolIPv6], b[ipv6Header:]
	default:
		return Packet{}, false
	}
	p := Packet{Network: fmt.Sprint(protocol), From: netip.AddrPortFrom(from, 0), To: netip.AddrPortFrom(to, 0)}
	switch protocol {
	case unix.IPPROTO_ICMP, unix.IPPROTO_ICMPV6:
		p.Network = "icmp"
	case unix.IPPROTO_TCP, unix.IPPROTO_UDP:
		p.Network = "tcp"
		if protocol == unix.IPPROTO_UDP {
			p.Network = "udp"
		}
		if len(rest) >= 4 {
			p.From = netip.AddrPortFrom(from, binary.BigEndian.Uint16(rest))
			p.To = netip.AddrPortFrom(to, binary.BigEndian.Uint16(rest[2:]))
		}
	}
	return p, true
}

func openWire(s opener) (*wire, error) {
	file, err := s.open("packet", netip.AddrPort{})
	if err != nil {
		return nil, err
	}
	defer file.Close()
	fd, err := unix.Dup(int(file.Fd()))
	if err != nil {
		return nil, os.NewSyscallError("dup", err)
	}
	unix.CloseOnExec(fd)
	return &wire{fd: fd}, unix.SetNonblock(fd, true)
}
