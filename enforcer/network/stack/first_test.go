package stack_test

import (
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/enforcer/network/stack"
	"github.com/least-privilege/lpm/enforcer/network/stack/stacktest"
	"github.com/least-privilege/lpm/enforcer/network/subnet"
)

// TestFirstPacket: what is sent to the container's IPv6 address is received from
// the very first packet on, although the kernel has not come to make its own route
// for that.
func TestFirstPacket(t *testing.T) {
	for range 20 {
		var lost error
		c := stacktest.NewFor(t, false, func() error {
			lost = toItself()
			return nil
		})
		if lost != nil {
			t.Errorf("the first packet is lost: %v", lost)
		}
		s, err := stack.New(stack.Options{Device: c.Device, Handler: &open{}})
		if err != nil {
			t.Fatal(err)
		}
		l := &lab{Container: c, t: t, stack: s}
		query := l.mustDial("udp", netip.AddrPortFrom(subnet.Gateway6(), 53))
		if _, err := query.Write([]byte("a question")); err != nil {
			t.Error(err)
		}
		_ = query.SetReadDeadline(time.Now().Add(5 * time.Second))
		if n, err := query.Read(make([]byte, 100)); err != nil || n == 0 {
			t.Errorf("the first question has no answer: %v", err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

// toItself sends a datagram to the container's address. On the loopback it is
// there when it was sent.
func toItself() error {
	fd, err := unix.Socket(unix.AF_INET6, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	own := &unix.SockaddrInet6{Addr: subnet.Container6().As16(), Port: 7}
	if err := unix.Bind(fd, own); err != nil {
		return err
	}
	if err := unix.Sendto(fd, []byte("x"), 0, own); err != nil {
		return err
	}
	_, _, err = unix.Recvfrom(fd, make([]byte, 1), unix.MSG_DONTWAIT)
	return err
}
