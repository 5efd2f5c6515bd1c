package stack_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"testing"

	"github.com/least-privilege/lpm/enforcer/network/stack"
	"github.com/least-privilege/lpm/enforcer/network/stack/stacktest"
)

func TestMain(m *testing.M) { stacktest.Main(m) }

// open is a handler that lets everything through, and records what it was asked.
type open struct {
	mu    sync.Mutex
	asked []string
	// refuse is what is returned in place of a connection, if not nil.
	refuse func(to netip.AddrPort) error
}

func (h *open) ask(what string, to netip.AddrPort) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.asked = append(h.asked, fmt.Sprint(what, " ", to))
	if h.refuse != nil {
		return h.refuse(to)
	}
	return nil
}

func (h *open) TCP(ctx context.Context, from, to netip.AddrPort) (*net.TCPConn, error) {
	if err := h.ask("tcp", to); err != nil {
		return nil, err
	}
	var d net.Dialer
	return d.DialTCP(ctx, "tcp", netip.AddrPort{}, to)
}

func (h *open) UDP(ctx context.Context, from, to netip.AddrPort) (*net.UDPConn, error) {
	if err := h.ask("udp", to); err != nil {
		return nil, err
	}
	var d net.Dialer
	return d.DialUDP(ctx, "udp", netip.AddrPort{}, to)
}

func (h *open) Echo(ctx context.Context, to netip.Addr) error {
	return h.ask("echo", netip.AddrPortFrom(to, 0))
}

func (h *open) Resolve(ctx context.Context, query []byte, tcp bool) []byte {
	return append([]byte("answer to "), query...)
}

// lab is a container's network with a stack, whose handler the test chose.
type lab struct {
	*stacktest.Container
	t     *testing.T
	stack *stack.Stack
}

func newLab(t *testing.T, o stack.Options) *lab {
	t.Helper()
	l := &lab{Container: stacktest.New(t, false), t: t}
	if o.Handler == nil {
		o.Handler = &open{}
	}
	o.Device = l.Device
	var err error
	if l.stack, err = stack.New(o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.stack.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

// dial opens a connection from the container.
func (l *lab) dial(network string, to netip.AddrPort) (c net.Conn, err error) {
	l.t.Helper()
	l.Do(func() { c, err = net.Dial(network, to.String()) })
	return c, err
}

func (l *lab) mustDial(network string, to netip.AddrPort) net.Conn {
	l.t.Helper()
	c, err := l.dial(network, to)
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { c.Close() })
	return c
}

// serve accepts connections on the host at each of its addresses.
func serve(t *testing.T, host netip.Addr, each func(*net.TCPConn)) netip.AddrPort {
	t.Helper()
	listener, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(netip.AddrPortFrom(host, 0)))
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := listener.AcceptTCP()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer c.Close()
				each(c)
			})
		}
	})
	t.Cleanup(func() {
		listener.Close()
		wg.Wait()
	})
	return listener.Addr().(*net.TCPAddr).AddrPort()
}

// echoServer copies by hand: the pipes of splice(2) are kept for later, and look
// like descriptors that were forgotten.
func echoServer(c *net.TCPConn) { io.Copy(struct{ io.Writer }{c}, struct{ io.Reader }{c}) }

func TestTCPCarriesBothWays(t *testing.T) {
	for _, host := range stacktest.Hosts() {
		t.Run(host.String(), func(t *testing.T) {
			l := newLab(t, stack.Options{})
			c := l.mustDial("tcp", serve(t, host, echoServer)).(*net.TCPConn)
			data := make([]byte, 32<<20)
			rand.NewChaCha8([32]byte{}).Read(data)
			var got []byte
			var wg sync.WaitGroup
			wg.Go(func() { got, _ = io.ReadAll(c) })
			if _, err := c.Write(data); err != nil {
				t.Fatal(err)
			}
			if err := c.CloseWrite(); err != nil {
				t.Fatal(err)
			}
			wg.Wait()
			if sha256.Sum256(got) != sha256.Sum256(data) {
				t.Errorf("%d bytes came back that are not the %d that were sent", len(got), len(data))
			}
		})
	}
}

func TestResolverAnswers(t *testing.T) {
	l := newLab(t, stack.Options{})
	for _, server := range []string{"192.0.0.1:53", "[fdc5:1f5a:9b3e::1]:53"} {
		c := l.mustDial("udp", netip.MustParseAddrPort(server))
		c.Write([]byte("query"))
		b := make([]byte, 100)
		n, err := c.Read(b)
		if err != nil || string(b[:n]) != "answer to query" {
			t.Errorf("%s: %q, %v", server, b[:n], err)
		}
		c = l.mustDial("tcp", netip.MustParseAddrPort(server))
		for range 2 {
			c.Write([]byte("\x00\x05query"))
			n, err = io.ReadFull(c, b[:17])
			if err != nil || !bytes.Equal(b[:n], []byte("\x00\x0fanswer to query")) {
				t.Errorf("%s over TCP: %q, %v", server, b[:n], err)
			}
		}
	}
}

func TestUDPCarriesBothWays(t *testing.T) {
	for _, host := range stacktest.Hosts() {
		t.Run(host.String(), func(t *testing.T) {
			l := newLab(t, stack.Options{})
			server, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(host, 0)))
			if err != nil {
				t.Fatal(err)
			}
			defer server.Close()
			go func() {
				b := make([]byte, 1<<16)
				for {
					n, from, err := server.ReadFromUDPAddrPort(b)
					if err != nil {
						return
					}
					server.WriteToUDPAddrPort(b[:n], from)
				}
			}()
			c := l.mustDial("udp", server.LocalAddr().(*net.UDPAddr).AddrPort())
			for _, size := range []int{0, 1, 1472, 9000, 60000, 65400, 65507} {
				data := make([]byte, size)
				rand.NewChaCha8([32]byte{}).Read(data)
				if _, err := c.Write(data); err != nil {
					t.Fatal(size, err)
				}
				got := make([]byte, 1<<16)
				n, err := c.Read(got)
				if err != nil || !bytes.Equal(got[:n], data) {
					t.Errorf("%d bytes came back of %d: %v", n, size, err)
				}
			}
		})
	}
}
