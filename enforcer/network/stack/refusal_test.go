package stack_test

import (
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

	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/enforcer/network/stack"
	"github.com/least-privilege/lpm/enforcer/network/stack/stacktest"
)

// patience is how long a test waits for what must come. Nothing is asserted about time.
const patience = 30 * time.Second

func TestRefusalsAreSeenAtOnce(t *testing.T) {
	for _, test := range []struct {
		name     string
		err      error
		tcp, udp error
	}{
		{"refused", fmt.Errorf("by policy: %w", stack.ErrRefused), syscall.ECONNREFUSED, syscall.ECONNREFUSED},
		{"connection refused", syscall.ECONNREFUSED, syscall.ECONNREFUSED, syscall.ECONNREFUSED},
		{"no route", syscall.EHOSTUNREACH, syscall.EHOSTUNREACH, syscall.EHOSTUNREACH},
		{"no network", syscall.ENETUNREACH, syscall.ENETUNREACH, syscall.ENETUNREACH},
		{"prohibited", syscall.EACCES, nil, nil},
		{"timed out", os.ErrDeadlineExceeded, syscall.EHOSTUNREACH, syscall.EHOSTUNREACH},
	} {
		for _, host := range []string{"198.51.100.7:7", "[2001:db8:1::7]:7"} {
			t.Run(test.name+" "+host, func(t *testing.T) {
				l := newLab(t, stack.Options{Handler: &open{refuse: func(netip.AddrPort) error { return test.err }}})
				_, err := l.dial("tcp", netip.MustParseAddrPort(host))
				if err == nil || test.tcp != nil && !errors.Is(err, test.tcp) {
					t.Errorf("TCP: %v", err)
				}
				c := l.mustDial("udp", netip.MustParseAddrPort(host))
				if netip.MustParseAddrPort(host).Addr().Is6() {
					receiveErrors(t, c)
				}
				c.SetReadDeadline(time.Now().Add(patience))
				c.Write([]byte("x"))
				_, err = c.Read(make([]byte, 1))
				if err == nil || errors.Is(err, os.ErrDeadlineExceeded) || test.udp != nil && !errors.Is(err, test.udp) {
					t.Errorf("UDP: %v", err)
				}
			})
		}
	}
}

// receiveErrors makes a datagram socket say what it otherwise takes for passing: that
// a host is unreachable (ip(7)). For IPv4 the stack says it so that it is told unasked.
func receiveErrors(t *testing.T, c net.Conn) {
	t.Helper()
	raw, err := c.(syscall.Conn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	raw.Control(func(fd uintptr) {
		if c.RemoteAddr().(*net.UDPAddr).IP.To4() != nil {
			err = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_RECVERR, 1)
		} else {
			err = unix.SetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_RECVERR, 1)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestHostsThatDoNotListen(t *testing.T) {
	l := newLab(t, stack.Options{})
	for _, host := range stacktest.Hosts() {
		to := netip.AddrPortFrom(host, 9)
		if _, err := l.dial("tcp", to); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("TCP: %v", err)
		}
		c := l.mustDial("udp", to)
		c.SetReadDeadline(time.Now().Add(patience))
		c.Write([]byte("x"))
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("UDP: %v", err)
		}
	}
	// This namespace has no route there.
	if _, err := l.dial("tcp", netip.MustParseAddrPort("203.0.113.1:9")); !errors.Is(err, syscall.ENETUNREACH) {
		t.Errorf("TCP without a route: %v", err)
	}
}

func TestGatewayHasNothingElse(t *testing.T) {
	h := &open{}
	l := newLab(t, stack.Options{Handler: h})
	for _, to := range []string{"192.0.0.1:54", "192.0.0.5:80", "[fdc5:1f5a:9b3e::1]:80", "[fdc5:1f5a:9b3e::9]:53"} {
		if _, err := l.dial("tcp", netip.MustParseAddrPort(to)); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("TCP to %s: %v", to, err)
		}
		c := l.mustDial("udp", netip.MustParseAddrPort(to))
		c.SetReadDeadline(time.Now().Add(patience))
		c.Write([]byte("x"))
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("UDP to %s: %v", to, err)
		}
	}
	if len(h.asked) > 0 {
		t.Errorf("the handler was asked: %q", h.asked)
	}
}

func TestHalfClose(t *testing.T) {
	for _, host := range stacktest.Hosts() {
		l := newLab(t, stack.Options{})
		c := l.mustDial("tcp", serve(t, host, func(c *net.TCPConn) {
			b, _ := io.ReadAll(c)
			c.Write([]byte(strings.ToUpper(string(b))))
		})).(*net.TCPConn)
		c.Write([]byte("up"))
		c.CloseWrite()
		if b, err := io.ReadAll(c); err != nil || string(b) != "UP" {
			t.Errorf("after the container's end: %q, %v", b, err)
		}

		got := make(chan string, 1)
		c = l.mustDial("tcp", serve(t, host, func(c *net.TCPConn) {
			c.CloseWrite()
			b, _ := io.ReadAll(c)
			got <- string(b)
		})).(*net.TCPConn)
		if b, err := io.ReadAll(c); err != nil || len(b) > 0 {
			t.Errorf("the host's end: %q, %v", b, err)
		}
		c.Write([]byte("still"))
		c.Close()
		if b := <-got; b != "still" {
			t.Errorf("after the host's end: %q", b)
		}
	}
}

func TestResets(t *testing.T) {
	for _, host := range stacktest.Hosts() {
		l := newLab(t, stack.Options{})
		c := l.mustDial("tcp", serve(t, host, func(c *net.TCPConn) {
			c.Read(make([]byte, 1))
			c.SetLinger(0)
		})).(*net.TCPConn)
		c.Write([]byte("x"))
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("the host's reset is %v", err)
		}

		for _, half := range []bool{false, true} {
			got := make(chan error, 1)
			c = l.mustDial("tcp", serve(t, host, func(c *net.TCPConn) {
				c.Write([]byte("x"))
				if half {
					// The only thing that waits for the container is over then.
					io.ReadAll(c)
					got <- writeUntilFailure(c)
					return
				}
				_, err := c.Read(make([]byte, 1))
				got <- err
			})).(*net.TCPConn)
			c.Read(make([]byte, 1))
			if half {
				c.CloseWrite()
			}
			c.SetLinger(0)
			c.Close()
			if err := <-got; !errors.Is(err, syscall.ECONNRESET) && !(half && errors.Is(err, syscall.EPIPE)) {
				t.Errorf("the container's reset (half-closed: %v) is %v", half, err)
			}
		}
	}
}

func writeUntilFailure(c net.Conn) error {
	c.SetDeadline(time.Now().Add(patience))
	for {
		if _, err := c.Write(make([]byte, 1000)); err != nil {
			return err
		}
	}
}

func TestEchoesThatTheHostForbids(t *testing.T) {
	forbidPings(t)
	reported := make(chan error, 10)
	l := newLab(t, stack.Options{Report: func(err error) { reported <- err }})
	for range 2 {
		if err := l.ping(stacktest.Hosts()[0], 56); err == nil {
			t.Error("there was an answer")
		}
	}
	var forbidden *stack.EchoError
	if err := <-reported; !errors.As(err, &forbidden) || !strings.Contains(err.Error(), "ping_group_range") {
		t.Errorf("the report is %v", err)
	}
	if len(reported) > 0 {
		t.Errorf("it was reported more than once: %v", <-reported)
	}
}

func TestEchoRequests(t *testing.T) {
	if err := setPings(os.Getegid()); err != nil {
		t.Fatal(err)
	}
	h := &open{refuse: func(to netip.AddrPort) error {
		if to.Addr().Is4() && to.Addr().As4()[3] == 99 {
			return stack.ErrRefused
		}
		return nil
	}}
	l := newLab(t, stack.Options{Handler: h})
	for _, to := range append(stacktest.Hosts(), netip.MustParseAddr("192.0.0.1"), netip.MustParseAddr("fdc5:1f5a:9b3e::1")) {
		for _, size := range []int{0, 56, 60000} {
			if err := l.ping(to, size); err != nil {
				t.Errorf("%d bytes to %s: %v", size, to, err)
			}
		}
	}
	if err := l.ping(netip.MustParseAddr("198.51.100.99"), 56); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("a refused echo: %v", err)
	}
}

// setPings lets processes of one group make ping sockets in the thread's network
// namespace.
func setPings(group int) error {
	return os.WriteFile(pingGroups, fmt.Appendf(nil, "%d %d", group, group), 0)
}

const pingGroups = "/proc/sys/net/ipv4/ping_group_range"

// forbidPings lets no process make ping sockets, which is how a namespace starts.
// In a user namespace that has no such group, it cannot be set anew.
func forbidPings(t *testing.T) {
	t.Helper()
	if err := os.WriteFile(pingGroups, []byte("1 0"), 0); err == nil {
		return
	}
	b, err := os.ReadFile(pingGroups)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Join(strings.Fields(string(b)), " ") == fmt.Sprintf("%d %d", os.Getegid(), os.Getegid()) {
		t.Skip("an earlier test in this namespace has allowed them")
	}
}

func TestManyConnections(t *testing.T) {
	var limit syscall.Rlimit
	const connections = 2000
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil || limit.Max < 4*connections {
		t.Skipf("only %d descriptors: %v", limit.Max, err)
	}
	l := newLab(t, stack.Options{})
	to := serve(t, stacktest.Hosts()[0], echoServer)
	var conns []net.Conn
	l.Do(func() {
		for range connections {
			c, err := net.Dial("tcp", to.String())
			if err != nil {
				t.Error(err)
				return
			}
			conns = append(conns, c)
		}
	})
	if n := l.stack.Stats().Connections; n < len(conns) {
		t.Logf("%d of %d are open in the stack by now", n, len(conns))
	}
	var wg sync.WaitGroup
	for i, c := range conns {
		wg.Go(func() {
			defer c.Close()
			c.SetDeadline(time.Now().Add(2 * patience))
			want := fmt.Sprintf("connection %6d", i)
			b := make([]byte, len(want))
			for range 3 {
				c.Write([]byte(want))
				if _, err := io.ReadFull(c, b); err != nil || string(b) != want {
					t.Errorf("%q came back from %q: %v", b, want, err)
					return
				}
			}
		})
	}
	wg.Wait()
}
