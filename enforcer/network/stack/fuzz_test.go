package stack

import (
	"context"
	"encoding/binary"
	"net"
	"net/netip"
	"os"
	"testing"

	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip/header"

	"github.com/least-privilege/lpm/enforcer/network/subnet"
)

// steadfast is a handler that refuses, and fails the test if it is asked about what
// no packet may be about.
type steadfast struct{ t testing.TB }

func (h *steadfast) TCP(_ context.Context, from, to netip.AddrPort) (*net.TCPConn, error) {
	h.check(from, to.Addr())
	return nil, ErrRefused
}

func (h *steadfast) UDP(_ context.Context, from, to netip.AddrPort) (*net.UDPConn, error) {
	h.check(from, to.Addr())
	return nil, ErrRefused
}

func (h *steadfast) Echo(_ context.Context, to netip.Addr) error {
	h.check(netip.AddrPortFrom(containerOf(to), 0), to)
	return ErrRefused
}

func (h *steadfast) Resolve(_ context.Context, query []byte, _ bool) []byte { return query }

func (h *steadfast) check(from netip.AddrPort, to netip.Addr) {
	if from.Addr() != containerOf(to) || !single(to) || gateway(to) {
		h.t.Errorf("the handler is asked about %s to %s", from, to)
	}
}

// newFuzzed returns a stack whose packets go nowhere.
func newFuzzed(t testing.TB) *Stack {
	t.Helper()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	nowhere := os.NewFile(uintptr(pair[1]), "nowhere")
	d := &device{offload: true}
	if err := d.open(pair[0], "device"); err != nil {
		t.Fatal(err)
	}
	limits, err := Limits{}.complete()
	if err != nil {
		t.Fatal(err)
	}
	s, err := newStack(Options{Handler: &steadfast{t}}, limits, d)
	if err != nil {
		t.Fatal(err)
	}
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		b := make([]byte, 1<<16)
		for {
			if _, err := nowhere.Read(b); err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		nowhere.Close()
		<-drained
	})
	return s
}

// FuzzPackets gives the stack packets: as they are, and as what the container's own
// would look like to it. A panic anywhere in it ends the program.
func FuzzPackets(f *testing.F) {
	to := netip.MustParseAddr("198.51.100.7").As4()
	own := subnet.Container4().As4()
	for _, protocol := range []byte{1, 6, 17} {
		p := make([]byte, header.IPv4MinimumSize, 60)
		header.IPv4(p).Encode(&header.IPv4Fields{TotalLength: 60, TTL: 64, Protocol: protocol})
		copy(p[12:], own[:])
		copy(p[16:], to[:])
		f.Add(append(p, 8, 0, 0, 53, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2, 4, 0, 0, 0, 0, 0))
	}
	for _, next := range []byte{0, 6, 17, 43, 44, 58, 60} {
		p := make([]byte, header.IPv6MinimumSize)
		header.IPv6(p).Encode(&header.IPv6Fields{PayloadLength: 24, TransportProtocol: 17, HopLimit: 64})
		p[6] = next
		f.Add(append(p, 17, 0, 0, 1, 0, 0, 0, 1, 128, 0, 0, 53, 0, 8, 0, 0, 0x50, 2, 4, 0, 0, 0, 0, 0))
	}
	s := newFuzzed(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		give := func(p []byte) {
			if len(p) > 0 {
				s.receive(buffer.NewViewWithData(p))
			}
		}
		give(data)
		for _, p := range split(data) {
			give(p)
			give(genuine(p))
		}
	})
}

// split makes several packets of one input, each with its length before it.
func split(data []byte) (packets [][]byte) {
	for len(data) > 2 {
		n := min(int(binary.BigEndian.Uint16(data)), len(data)-2)
		packets = append(packets, data[2:2+n])
		data = data[2+n:]
	}
	return packets
}

// genuine returns the packet with a header that is admitted if its protocol is.
func genuine(p []byte) []byte {
	p = append([]byte(nil), p...)
	switch {
	case len(p) >= header.IPv6MinimumSize && p[0]&1 == 1:
		p[0] = 0x60
		binary.BigEndian.PutUint16(p[4:], uint16(len(p)-header.IPv6MinimumSize))
		from := subnet.Container6().As16()
		copy(p[8:], from[:])
	case len(p) >= header.IPv4MinimumSize:
		p[0] = 0x45
		binary.BigEndian.PutUint16(p[2:], uint16(len(p)))
		from := subnet.Container4().As4()
		copy(p[12:], from[:])
	}
	return p
}

// FuzzAdmit holds that what is admitted is from the container, to one host, and whole.
func FuzzAdmit(f *testing.F) {
	f.Add([]byte{0x45, 0, 0, 20}, true)
	f.Add([]byte{0x60, 0, 0, 0, 0, 0, 17, 64}, true)
	f.Fuzz(func(t *testing.T, p []byte, own bool) {
		if own {
			p = genuine(p)
		}
		a := admit(p)
		if a.verdict != accepted && a.verdict != echo {
			return
		}
		if !single(a.to) || a.headers > a.length || a.length > len(p) {
			t.Errorf("admitted: %+v of %d bytes", a, len(p))
		}
		if a.verdict == echo && a.length-a.headers < header.ICMPv4MinimumSize {
			t.Error("an echo request without a header is admitted")
		}
	})
}
