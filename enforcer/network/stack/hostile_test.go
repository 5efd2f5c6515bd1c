package stack_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"runtime"
	"syscall"
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip/header"

	"github.com/least-privilege/lpm/enforcer/network/stack"
	"github.com/least-privilege/lpm/enforcer/network/stack/stacktest"
	"github.com/least-privilege/lpm/enforcer/network/subnet"
)

// until waits for a condition that must come true.
func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("never: ", what)
		}
	}
}

func TestOnlyTheContainersOwnPacketsCount(t *testing.T) {
	h := &open{}
	l := newLab(t, stack.Options{Handler: h})
	w := l.wire()
	four, six := subnet.Container4(), subnet.Container6()
	to4, to6 := netip.MustParseAddr("198.51.100.7"), netip.MustParseAddr("2001:db8:1::7")
	datagram := func(from, to netip.Addr) []byte {
		return udpTo(netip.AddrPortFrom(from, 1000), netip.AddrPortFrom(to, 7), []byte("x"))
	}
	options := ip4(four, to4, header.UDPProtocolNumber, 1, 0, false, append([]byte{1, 1, 1, 1}, datagram(four, to4)...))
	options[0] = 0x46
	broken := ip4(four, to4, header.UDPProtocolNumber, 1, 0, false, datagram(four, to4))
	binary.BigEndian.PutUint16(broken[2:], 60000)
	mapped, broadcast := netip.MustParseAddr("::ffff:198.51.100.7"), netip.MustParseAddr("255.255.255.255")
	for name, p := range map[string][]byte{
		"another host's":           ip4(netip.MustParseAddr("203.0.113.1"), to4, header.UDPProtocolNumber, 1, 0, false, datagram(four, to4)),
		"the gateway's":            ip4(subnet.Gateway4(), to4, header.UDPProtocolNumber, 1, 0, false, datagram(four, to4)),
		"loopback":                 ip4(netip.MustParseAddr("127.0.0.1"), to4, header.UDPProtocolNumber, 1, 0, false, datagram(four, to4)),
		"another IPv6 host's":      ip6(netip.MustParseAddr("2001:db8::5"), to6, 17, datagram(six, to6)),
		"a link-local host's":      ip6(netip.MustParseAddr("fe80::1"), to6, 17, datagram(six, to6)),
		"with options":             options,
		"longer than it is":        broken,
		"to all":                   ip4(four, broadcast, header.UDPProtocolNumber, 1, 0, false, datagram(four, broadcast)),
		"to many":                  ip4(four, netip.MustParseAddr("224.0.0.251"), header.UDPProtocolNumber, 1, 0, false, datagram(four, to4)),
		"to many by IPv6":          ip6(six, netip.MustParseAddr("ff02::fb"), 17, datagram(six, to6)),
		"IPv4 in IPv6":             ip6(six, mapped, 17, datagram(six, mapped)),
		"GRE":                      ip4(four, to4, 47, 1, 0, false, make([]byte, 40)),
		"IPv6 in IPv4":             ip4(four, to4, 41, 1, 0, false, ip6(six, to6, 17, datagram(six, to6))),
		"SCTP":                     ip4(four, to4, 132, 1, 0, false, make([]byte, 40)),
		"a router's advertisement": ip6(six, six.Prev(), 58, append([]byte{134, 0, 0, 0}, make([]byte, 40)...)),
		"a redirect":               ip4(four, to4, header.ICMPv4ProtocolNumber, 1, 0, false, append([]byte{5, 1, 0, 0}, make([]byte, 40)...)),
		"hop-by-hop options":       ip6(six, to6, 0, append([]byte{17, 0, 1, 4, 0, 0, 0, 0}, datagram(six, to6)...)),
		"a routing header":         ip6(six, to6, 43, append([]byte{17, 0, 0, 0, 0, 0, 0, 0}, datagram(six, to6)...)),
	} {
		before := l.stack.Stats()
		w.send(t, p)
		until(t, name+" was counted", func() bool {
			s := l.stack.Stats()
			return s.Malformed+s.Spoofed+s.Unsupported > before.Malformed+before.Spoofed+before.Unsupported
		})
	}
	w.send(t, ip4(four, to4, header.UDPProtocolNumber, 1, 0, false, datagram(four, to4)), ip6(six, to6, 17, datagram(six, to6)))
	until(t, "its own two were handled", func() bool { return len(h.questions()) == 2 })
	if n := l.stack.Stats().Packets; n != 2 {
		t.Errorf("%d packets were handled", n)
	}
}

func (h *open) questions() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]string(nil), h.asked...)
}

// The policy is asked about what the pieces are together, and only once they are.
func TestFragments(t *testing.T) {
	h := &open{}
	l := newLab(t, stack.Options{Handler: h})
	server, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(stacktest.Hosts()[0], 0)))
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	to := server.LocalAddr().(*net.UDPAddr).AddrPort()
	from := netip.AddrPortFrom(subnet.Container4(), 1000)
	want := bytes.Repeat([]byte("fragment"), 200)
	whole := udpTo(from, to, want)
	w := l.wire()
	piece := func(id uint16, start, end int) []byte {
		return ip4(from.Addr(), to.Addr(), header.UDPProtocolNumber, id, start, end < len(whole), whole[start:end])
	}
	// The second piece says that the port is another; it overlaps the first, and both are dropped.
	forged := append([]byte(nil), whole[:16]...)
	binary.BigEndian.PutUint16(forged[2:], 1)
	w.send(t, piece(1, 0, 800), ip4(from.Addr(), to.Addr(), header.UDPProtocolNumber, 1, 0, true, forged), piece(1, 800, len(whole)))
	// Too few, and then all, the last first.
	w.send(t, piece(2, 0, 800), piece(3, 800, len(whole)), piece(3, 0, 800))
	b := make([]byte, 1<<16)
	server.SetReadDeadline(time.Now().Add(patience))
	n, _, err := server.ReadFromUDPAddrPort(b)
	if err != nil || !bytes.Equal(b[:n], want) {
		t.Errorf("%d bytes arrived: %v", n, err)
	}
	for _, q := range h.questions() {
		if q != "udp "+to.String() {
			t.Errorf("the handler was asked about %s", q)
		}
	}
}

// A flood has a limit, and takes nothing from what is open.
func TestFloods(t *testing.T) {
	stuck := make(chan struct{})
	h := &slow{stuck: stuck}
	limits := stack.Limits{Pending: 20, UDPFlows: 30, EchoFlows: 5}
	l := newLab(t, stack.Options{Handler: h, Limits: limits})
	defer close(stuck)
	host := stacktest.Hosts()[0]
	c := l.mustDial("tcp", serve(t, host, echoServer))
	u := l.mustDial("udp", udpEcho(t, host))
	exchange(t, c)
	exchange(t, u)

	descriptors := openDescriptors(t)
	w := l.wire()
	from, to := subnet.Container4(), netip.MustParseAddr("198.51.100.7")
	for i := range 5000 {
		a, b := netip.AddrPortFrom(from, uint16(1000+i)), netip.AddrPortFrom(to, 7)
		request := append([]byte{8, 0, 0, 0}, binary.BigEndian.AppendUint16(nil, uint16(i))...)
		w.send(t,
			ip4(from, to, header.TCPProtocolNumber, 1, 0, false, synTo(a, b)),
			ip4(from, to, header.UDPProtocolNumber, 1, 0, false, udpTo(a, b, []byte("flood"))),
			ip4(from, to, header.UDPProtocolNumber, uint16(i), 800, true, make([]byte, 800)),
			ip4(from, to, header.ICMPv4ProtocolNumber, 1, 0, false, append(request, 0, 0)))
	}
	until(t, "a limit was met", func() bool { return l.stack.Stats().Limited > 1000 })
	s := l.stack.Stats()
	if s.UDPFlows > limits.UDPFlows || s.EchoFlows > limits.EchoFlows || s.Connections != 1 {
		t.Errorf("after the flood: %+v", s)
	}
	if n := h.asking(); n > limits.Pending+limits.UDPFlows+limits.EchoFlows {
		t.Errorf("%d questions are asked at a time", n)
	}
	if n := openDescriptors(t) - descriptors; n > 10 {
		t.Errorf("%d descriptors more are open", n)
	}
	exchange(t, c)
	exchange(t, u)
}

// slow is a handler that does not answer about the documentation's second block.
type slow struct {
	open
	stuck chan struct{}
	now   int
}

func (h *slow) wait(to netip.Addr) {
	if to != netip.MustParseAddr("198.51.100.7") {
		return
	}
	h.mu.Lock()
	h.now++
	h.mu.Unlock()
	<-h.stuck
}

func (h *slow) asking() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.now
}

func (h *slow) TCP(ctx context.Context, from, to netip.AddrPort) (*net.TCPConn, error) {
	h.wait(to.Addr())
	return h.open.TCP(ctx, from, to)
}

func (h *slow) UDP(ctx context.Context, from, to netip.AddrPort) (*net.UDPConn, error) {
	h.wait(to.Addr())
	return h.open.UDP(ctx, from, to)
}

func (h *slow) Echo(ctx context.Context, to netip.Addr) error {
	h.wait(to)
	return h.open.Echo(ctx, to)
}

func exchange(t *testing.T, c net.Conn) {
	t.Helper()
	c.SetDeadline(time.Now().Add(patience))
	b := make([]byte, 4)
	c.Write([]byte("ping"))
	if _, err := io.ReadFull(c, b); err != nil || string(b) != "ping" {
		t.Errorf("%q, %v", b, err)
	}
}

func udpEcho(t *testing.T, host netip.Addr) netip.AddrPort {
	t.Helper()
	server, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(host, 0)))
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		b := make([]byte, 1<<16)
		for {
			n, from, err := server.ReadFromUDPAddrPort(b)
			if err != nil {
				return
			}
			server.WriteToUDPAddrPort(b[:n], from)
		}
	}()
	t.Cleanup(func() {
		server.Close()
		<-done
	})
	return server.LocalAddr().(*net.UDPAddr).AddrPort()
}

func openDescriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// A flood of flows that nobody answers ends others of the kind, and none that is answered.
func TestAnsweredFlowsStay(t *testing.T) {
	host := stacktest.Hosts()[0]
	l := newLab(t, stack.Options{Limits: stack.Limits{UDPFlows: 10}})
	to := udpEcho(t, host)
	c := l.mustDial("udp", to)
	exchange(t, c)
	silent, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(host, 0)))
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	for range 100 {
		l.mustDial("udp", silent.LocalAddr().(*net.UDPAddr).AddrPort()).Write([]byte("x"))
	}
	until(t, "new ones found a place", func() bool { return l.stack.Stats().UDPFlows == 10 })
	// The last takes a place that was another's, which it can lose again to one
	// that is still on its way.
	last := l.mustDial("udp", to)
	until(t, "the last was answered", func() bool {
		last.Write([]byte("ping"))
		last.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
		_, err := last.Read(make([]byte, 4))
		return err == nil
	})
	exchange(t, c)
}

func TestIdleFlowsEnd(t *testing.T) {
	l := newLab(t, stack.Options{Limits: stack.Limits{UDPIdle: 20 * time.Millisecond}})
	c := l.mustDial("udp", udpEcho(t, stacktest.Hosts()[0]))
	exchange(t, c)
	until(t, "the flow ended", func() bool { return l.stack.Stats().UDPFlows == 0 })
	exchange(t, c)
}

// Closing waits for all that runs, and leaves nothing open.
func TestCloseWhileBusy(t *testing.T) {
	descriptors, goroutines := openDescriptors(t), runtime.NumGoroutine()
	for range 3 {
		t.Run("", closeWhileBusy)
	}
	until(t, "all descriptors were closed", func() bool { return openDescriptors(t) <= descriptors })
	defer func() {
		if t.Failed() {
			b := make([]byte, 1<<20)
			t.Logf("%s", b[:runtime.Stack(b, true)])
		}
	}()
	until(t, "all goroutines ended", func() bool { return runtime.NumGoroutine() <= goroutines })
}

func closeWhileBusy(t *testing.T) {
	stuck := make(chan struct{})
	c := stacktest.New(t, true)
	s, err := stack.New(stack.Options{Device: c.Device, Handler: &leaving{slow{stuck: stuck}}})
	if err != nil {
		t.Fatal(err)
	}
	l := &lab{Container: c, t: t, stack: s}
	to := serve(t, stacktest.Hosts()[0], echoServer)
	conns, resets := make([]net.Conn, 10), make(chan error, 10)
	for i := range conns {
		if conns[i], err = l.dial("tcp", to); err != nil {
			t.Fatal(err)
		}
		defer conns[i].Close()
		go io.Copy(io.Discard, conns[i])
		go func() { resets <- writeAlways(conns[i]) }()
	}
	w := l.wire()
	until(t, "there is work", func() bool {
		// Packets get lost among the many.
		attempts(t, w, to)
		st := s.Stats()
		return st.Up > 1<<20 && st.UDPFlows > 0
	})
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	// One that has lost packets just then is told nothing: it would ask back.
	if err := <-resets; !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, syscall.EPIPE) {
		t.Errorf("the container sees %v", err)
	}
	for _, c := range conns {
		c.SetDeadline(time.Unix(1, 0))
	}
	for range conns[1:] {
		<-resets
	}
}

func writeAlways(c net.Conn) error {
	for {
		if _, err := c.Write(make([]byte, 1<<16)); err != nil {
			return err
		}
	}
}

// attempts sends what leads to connections in the making, to some that wait for the
// last step of the handshake, and to flows that are being opened.
func attempts(t *testing.T, w *wire, to netip.AddrPort) {
	t.Helper()
	four, slow := subnet.Container4(), netip.MustParseAddrPort("198.51.100.7:7")
	for i := range 20 {
		from := netip.AddrPortFrom(four, uint16(1000+i))
		w.send(t, ip4(four, slow.Addr(), header.TCPProtocolNumber, 1, 0, false, synTo(from, slow)),
			ip4(four, to.Addr(), header.TCPProtocolNumber, 1, 0, false, synTo(from, to)),
			ip4(four, slow.Addr(), header.UDPProtocolNumber, 1, 0, false, udpTo(from, slow, []byte("x"))))
	}
}

// leaving is slow, and heeds its context.
type leaving struct{ slow }

func (h *leaving) TCP(ctx context.Context, from, to netip.AddrPort) (*net.TCPConn, error) {
	if to.Addr() == netip.MustParseAddr("198.51.100.7") {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return h.open.TCP(ctx, from, to)
}

func (h *leaving) UDP(ctx context.Context, from, to netip.AddrPort) (*net.UDPConn, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// Back-pressure reaches the sender: what is not read is not taken from it.
func TestNothingIsHeldForSlowReaders(t *testing.T) {
	const buffer = 64 << 10
	release := make(chan struct{})
	l := newLab(t, stack.Options{Limits: stack.Limits{Buffer: buffer}})
	c := l.mustDial("tcp", serve(t, stacktest.Hosts()[0], func(c *net.TCPConn) {
		c.SetReadBuffer(buffer)
		<-release
		io.Copy(io.Discard, c)
	})).(*net.TCPConn)
	c.SetWriteBuffer(buffer)
	data := make([]byte, 64<<20)
	rand.NewChaCha8([32]byte{}).Read(data)
	c.SetWriteDeadline(time.Now().Add(time.Second))
	n, err := c.Write(data)
	if !errors.Is(err, os.ErrDeadlineExceeded) || n > 16<<20 {
		t.Errorf("%d bytes were taken: %v", n, err)
	}
	close(release)
}
