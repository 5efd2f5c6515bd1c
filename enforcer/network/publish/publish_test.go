package publish_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/least-privilege/lpm/enforcer/network/publish"
	"github.com/least-privilege/lpm/enforcer/network/stack"
	"github.com/least-privilege/lpm/enforcer/network/stack/stacktest"
	"github.com/least-privilege/lpm/enforcer/network/subnet"
)

func TestMain(m *testing.M) { stacktest.Main(m) }

// closed is a handler that lets nothing out.
type closed struct{}

func (closed) TCP(context.Context, netip.AddrPort, netip.AddrPort) (*net.TCPConn, error) {
	return nil, stack.ErrRefused
}

func (closed) UDP(context.Context, netip.AddrPort, netip.AddrPort) (*net.UDPConn, error) {
	return nil, stack.ErrRefused
}

func (closed) Echo(context.Context, netip.Addr) error { return stack.ErrRefused }

func (closed) Resolve(context.Context, []byte, bool) []byte { return nil }

// lab is a container with published ports.
type lab struct {
	*stacktest.Container
	t *testing.T
	*publish.Publication
}

func newLab(t *testing.T, limits stack.Limits, ports ...publish.Port) *lab {
	t.Helper()
	l := &lab{Container: stacktest.New(t, false), t: t}
	s, err := stack.New(stack.Options{Device: l.Device, Handler: closed{}, Limits: limits})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	if l.Publication, err = publish.Listen(ports, func(err error) { t.Log(err) }); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Publication.Close)
	l.Serve(s)
	return l
}

// serve accepts connections in the container.
func (l *lab) serve(port uint16, each func(*net.TCPConn)) {
	l.t.Helper()
	var listener *net.TCPListener
	var err error
	l.Do(func() { listener, err = net.ListenTCP("tcp", &net.TCPAddr{Port: int(port)}) })
	if err != nil {
		l.t.Fatal(err)
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
	l.t.Cleanup(func() {
		listener.Close()
		wg.Wait()
	})
}

func tcpAt(host string, port uint16) publish.Port {
	return publish.Port{Host: netip.AddrPortFrom(netip.MustParseAddr(host), 0), Container: port}
}

func udpAt(host string, port uint16) publish.Port {
	p := tcpAt(host, port)
	p.UDP = true
	return p
}

// sayPeer tells the client whom the container takes it for, and echoes.
func sayPeer(c *net.TCPConn) {
	fmt.Fprintln(c, c.RemoteAddr())
	io.Copy(c, c)
}

func line(t *testing.T, c net.Conn) string {
	t.Helper()
	b := make([]byte, 100)
	c.SetReadDeadline(time.Now().Add(20 * time.Second))
	n, err := c.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(b[:n]), "\n")
	return first
}

func TestPeersAreSeenWhereTheyCanBe(t *testing.T) {
	for _, test := range []struct{ at, want string }{
		{"127.0.0.1", subnet.Gateway4().String()},
		{"::1", subnet.Gateway6().String()},
		{"192.0.2.1", "192.0.2.1"},
		{"2001:db8::1", "2001:db8::1"},
	} {
		t.Run(test.at, func(t *testing.T) {
			l := newLab(t, stack.Limits{}, tcpAt(test.at, 80), udpAt(test.at, 80))
			l.serve(80, sayPeer)
			c, err := net.Dial("tcp", l.Ports()[0].Host.String())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if host, _, _ := net.SplitHostPort(line(t, c)); host != test.want {
				t.Errorf("TCP comes from %s", host)
			}

			l.serveUDP(80)
			c, err = net.Dial("udp", l.Ports()[1].Host.String())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			c.Write([]byte("x"))
			if host, _, _ := net.SplitHostPort(line(t, c)); host != test.want {
				t.Errorf("UDP comes from %s", host)
			}
		})
	}
}

// serveUDP answers each datagram with its sender's address.
func (l *lab) serveUDP(port uint16) {
	l.t.Helper()
	var c *net.UDPConn
	var err error
	l.Do(func() { c, err = net.ListenUDP("udp", &net.UDPAddr{Port: int(port)}) })
	if err != nil {
		l.t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		b := make([]byte, 1<<16)
		for {
			n, from, err := c.ReadFromUDPAddrPort(b)
			if err != nil {
				return
			}
			from = netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
			answer := []byte(from.String())
			if n > 1 {
				answer = b[:n]
			}
			c.WriteToUDPAddrPort(answer, from)
		}
	}()
	l.t.Cleanup(func() {
		c.Close()
		<-done
	})
}

// Two published ports lead to one inside: a client that uses the same port of its
// own for both cannot be seen at one address twice.
func TestClientWithTheSamePortTwice(t *testing.T) {
	l := newLab(t, stack.Limits{}, tcpAt("192.0.2.1", 80), tcpAt("192.0.2.1", 80), udpAt("192.0.2.1", 80), udpAt("192.0.2.1", 80))
	l.serve(80, sayPeer)
	l.serveUDP(80)
	reuse := func(_, _ string, c syscall.RawConn) (err error) {
		c.Control(func(fd uintptr) { err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1) })
		return err
	}
	for network, ports := range map[string][]publish.Port{"tcp": l.Ports()[:2], "udp": l.Ports()[2:]} {
		var peers []string
		local := net.Addr(nil)
		for _, p := range ports {
			d := net.Dialer{LocalAddr: local, Control: reuse}
			c, err := d.Dial(network, p.Host.String())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			local = c.LocalAddr()
			c.Write([]byte("x"))
			peers = append(peers, line(t, c))
		}
		if peers[0] != local.String() || !strings.HasPrefix(peers[1], subnet.Gateway4().String()+":") {
			t.Errorf("%s: %q", network, peers)
		}
	}
}

func TestTCPHalfCloseAndReset(t *testing.T) {
	l := newLab(t, stack.Limits{}, tcpAt("127.0.0.1", 80), tcpAt("127.0.0.1", 81), tcpAt("127.0.0.1", 82))
	l.serve(80, func(c *net.TCPConn) {
		b, _ := io.ReadAll(c)
		c.Write(bytes.ToUpper(b))
	})
	l.serve(81, func(c *net.TCPConn) {
		c.Read(make([]byte, 1))
		c.SetLinger(0)
	})
	seen := make(chan error, 1)
	l.serve(82, func(c *net.TCPConn) {
		c.Write([]byte("x"))
		_, err := c.Read(make([]byte, 1))
		seen <- err
	})
	dial := func(i int) *net.TCPConn {
		c, err := net.DialTCP("tcp", nil, net.TCPAddrFromAddrPort(l.Ports()[i].Host))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
	c := dial(0)
	c.Write([]byte("half"))
	c.CloseWrite()
	if b, err := io.ReadAll(c); err != nil || string(b) != "HALF" {
		t.Errorf("after the half-close: %q, %v", b, err)
	}
	c = dial(1)
	c.Write([]byte("x"))
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the container's reset is %v", err)
	}
	c = dial(2)
	c.Read(make([]byte, 1))
	c.SetLinger(0)
	c.Close()
	if err := <-seen; !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the client's reset is %v", err)
	}
}

func TestNobodyListensInside(t *testing.T) {
	l := newLab(t, stack.Limits{}, tcpAt("127.0.0.1", 80))
	c, err := net.Dial("tcp", l.Ports()[0].Host.String())
	if err == nil {
		defer c.Close()
		_, err = c.Read(make([]byte, 1))
	}
	if !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the error is %v", err)
	}
}

func TestUDPIsWholeAndExpires(t *testing.T) {
	l := newLab(t, stack.Limits{UDPIdle: 40 * time.Millisecond}, udpAt("0.0.0.0", 80))
	l.serveUDP(80)
	// An address of loopback that is not the one that the route has.
	at := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.9"), l.Ports()[0].Host.Port())
	c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(at))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for range 3 {
		data := bytes.Repeat([]byte("0123456789"), 6000)
		if _, err := c.Write(data); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 1<<16)
		c.SetReadDeadline(time.Now().Add(20 * time.Second))
		n, err := c.Read(b)
		if err != nil || !bytes.Equal(b[:n], data) {
			t.Fatalf("%d bytes came back: %v", n, err)
		}
		time.Sleep(100 * time.Millisecond) // The flow ends, and the next is a new one.
	}
}

func TestListenErrors(t *testing.T) {
	taken, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	inUse := taken.Addr().(*net.TCPAddr).AddrPort()
	for _, test := range []struct {
		name string
		port publish.Port
		want error
		hint string
	}{
		{"in use", publish.Port{Host: inUse, Container: 80}, syscall.EADDRINUSE, "another port"},
		{"no such address", tcpAt("203.0.113.77", 80), syscall.EADDRNOTAVAIL, "203.0.113.77"},
	} {
		t.Run(test.name, func(t *testing.T) {
			free := tcpAt("127.0.0.1", 80)
			_, err := publish.Listen([]publish.Port{free, test.port}, nil)
			var failed *publish.ListenError
			if !errors.As(err, &failed) || !errors.Is(err, test.want) || failed.Port != test.port {
				t.Fatal(err)
			}
			if !strings.Contains(failed.Hint(), test.hint) {
				t.Errorf("the hint is %q", failed.Hint())
			}
			if strings.Count(err.Error(), test.port.Host.String()) != 1 {
				t.Errorf("the error is %q", err)
			}
		})
	}
}

func TestPrivilegedPort(t *testing.T) {
	// Another user namespace's would not have the right in this network.
	const setting = "/proc/sys/net/ipv4/ip_unprivileged_port_start"
	if b, err := os.ReadFile(setting); err != nil || strings.TrimSpace(string(b)) != "1024" {
		t.Fatalf("%q, %v", b, err)
	}
	failed := &publish.ListenError{Port: publish.Port{Host: netip.MustParseAddrPort("127.0.0.1:80")}, Err: syscall.EACCES}
	if !strings.Contains(failed.Hint(), "1024") {
		t.Error(failed.Hint())
	}
}

func TestLimitResetsClients(t *testing.T) {
	l := newLab(t, stack.Limits{Connections: 2}, tcpAt("127.0.0.1", 80))
	l.serve(80, sayPeer)
	for i := range 4 {
		c, err := net.Dial("tcp", l.Ports()[0].Host.String())
		if err == nil {
			defer c.Close()
			_, err = c.Read(make([]byte, 100))
		}
		if want := i < 2; (err == nil) != want {
			t.Errorf("connection %d: %v", i, err)
		}
	}
}
