package stack_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/least-privilege/lpm/enforcer/network/stack"
	"github.com/least-privilege/lpm/enforcer/network/stack/stacktest"
)

// TestLastWordsArrive: what a container has sent is delivered, though its network
// ends at the same moment.
func TestLastWordsArrive(t *testing.T) {
	for _, host := range stacktest.Hosts() {
		t.Run(host.String()+" TCP", func(t *testing.T) {
			l := newLab(t, stack.Options{})
			got := make(chan []byte, 1)
			to := serve(t, host, func(c *net.TCPConn) {
				time.Sleep(50 * time.Millisecond) // and does not take it at once
				b, err := io.ReadAll(struct{ io.Reader }{c})
				if err != nil && !errors.Is(err, syscall.ECONNRESET) {
					t.Error(err)
				}
				got <- b
			})
			c := l.mustDial("tcp", to)
			data := bytes.Repeat([]byte("last words"), 50_000)
			if _, err := c.Write(data); err != nil {
				t.Fatal(err)
			}
			c.Close()
			l.stack.Drain()
			l.stack.Drain()
			if err := l.stack.Close(); err != nil {
				t.Error(err)
			}
			if b := <-got; !bytes.Equal(b, data) {
				t.Errorf("%d bytes of %d came", len(b), len(data))
			}
		})
		t.Run(host.String()+" UDP", func(t *testing.T) {
			l := newLab(t, stack.Options{})
			server, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(host, 0)))
			if err != nil {
				t.Fatal(err)
			}
			defer server.Close()
			c := l.mustDial("udp", server.LocalAddr().(*net.UDPAddr).AddrPort())
			for range 5 {
				if _, err := c.Write([]byte("last word")); err != nil {
					t.Fatal(err)
				}
			}
			c.Close()
			l.stack.Drain()
			l.stack.Drain()
			if err := l.stack.Close(); err != nil {
				t.Error(err)
			}
			server.SetReadDeadline(time.Now().Add(5 * time.Second))
			for i := range 5 {
				if n, err := server.Read(make([]byte, 100)); err != nil || n != 9 {
					t.Fatalf("datagram %d: %d bytes, %v", i, n, err)
				}
			}
		})
	}
}

// TestEndIsBounded: a connection that its container has not ended, and a host
// that takes nothing, hold the end up for a moment only.
func TestEndIsBounded(t *testing.T) {
	l := newLab(t, stack.Options{})
	hold := make(chan struct{})
	defer close(hold)
	to := serve(t, stacktest.Hosts()[0], func(*net.TCPConn) { <-hold })
	c := l.mustDial("tcp", to)
	c.SetWriteDeadline(time.Now().Add(500 * time.Millisecond))
	if _, err := c.Write(make([]byte, 64<<20)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("a host that takes nothing: %v", err)
	}
	begun := time.Now()
	l.stack.Drain()
	if err := l.stack.Close(); err != nil {
		t.Error(err)
	}
	if took := time.Since(begun); took > 10*time.Second {
		t.Errorf("the end took %s", took)
	}
}
