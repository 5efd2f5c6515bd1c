package gateway

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/enforcer/network/publish"
)

// keptAt keeps a free port of an address.
func keptAt(t *testing.T, address string) *keptPort {
	t.Helper()
	l, err := net.Listen("tcp", net.JoinHostPort(address, "0"))
	if err != nil {
		t.Fatal(err)
	}
	at := netip.MustParseAddrPort(l.Addr().String())
	l.Close()
	return keepAgain(t, at)
}

func keepAgain(t *testing.T, at netip.AddrPort) *keptPort {
	t.Helper()
	k, err := keep(publish.Port{Host: at})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { k.close() })
	return k
}

// listener is a socket of a container's that listens at a kept port.
func listener(t *testing.T, k *keptPort) net.Listener {
	t.Helper()
	family := unix.AF_INET6
	if k.at.Addr().Is4() {
		family = unix.AF_INET
	}
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := k.listen(fd, 8); err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(fd), "listener")
	defer f.Close()
	l, err := net.FileListener(f)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// others are what programs of the host try to get a port with: without an
// option, as most servers, and as those that share one.
func others() map[string]func(int) error {
	one := func(options ...int) func(int) error {
		return func(fd int) error {
			for _, o := range options {
				if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, o, 1); err != nil {
					return err
				}
			}
			return nil
		}
	}
	return map[string]func(int) error{
		"plainly": one(), "reuse": one(unix.SO_REUSEADDR), "share": one(unix.SO_REUSEPORT), "both": one(unix.SO_REUSEADDR, unix.SO_REUSEPORT),
	}
}

// taken checks that no program of the host gets a port.
func taken(t *testing.T, when string, at netip.AddrPort) {
	t.Helper()
	for name, set := range others() {
		config := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) (err error) {
			cerr := c.Control(func(fd uintptr) { err = errors.Join(reuse(int(fd), false), set(int(fd))) })
			return errors.Join(cerr, err)
		}}
		l, err := config.Listen(context.Background(), "tcp", at.String())
		if err == nil {
			l.Close()
		}
		if !errors.Is(err, unix.EADDRINUSE) {
			t.Errorf("%s: got the port (%s): %v", when, name, err)
		}
	}
}

// TestKeep: a kept port is nobody else's, before the container listens, while it
// does, and afterwards; and who connects when it does not is refused.
func TestKeep(t *testing.T) {
	for _, address := range []string{"127.0.0.1", "::1", "0.0.0.0", "::"} {
		t.Run(address, func(t *testing.T) {
			k := keptAt(t, address)
			for range 3 {
				if c, err := net.Dial("tcp", k.at.String()); !errors.Is(err, unix.ECONNREFUSED) {
					t.Fatalf("connected to a port that is only kept: %v, %v", c, err)
				}
				taken(t, "while nobody listens", k.at)
				l := listener(t, k)
				taken(t, "while the container listens", k.at)
				meet(t, l, k.at)
				l.Close()
				taken(t, "with connections that have ended", k.at)
			}
			// Another launch gets it in spite of these, once this one has ended.
			if _, err := keep(publish.Port{Host: k.at}); !errors.Is(err, unix.EADDRINUSE) {
				t.Fatalf("a second container keeps the port: %v", err)
			}
			k.close()
			again := keepAgain(t, k.at)
			taken(t, "the second time", again.at)
			l := listener(t, again)
			meet(t, l, again.at)
			l.Close()
			taken(t, "after the second time", again.at)
		})
	}
}

// meet connects to a listener, which ends the connection first: its end of it
// is left in TIME_WAIT.
func meet(t *testing.T, l net.Listener, at netip.AddrPort) {
	t.Helper()
	c, err := net.Dial("tcp", at.String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	accepted, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	accepted.Close()
	if n, err := c.Read(make([]byte, 1)); n != 0 || err == nil {
		t.Fatalf("the connection has not ended: %d, %v", n, err)
	}
}

// TestKeepTaken: a port that is in use is an error, that says so.
func TestKeepTaken(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var failed *publish.ListenError
	k, err := keep(publish.Port{Host: netip.MustParseAddrPort(l.Addr().String())})
	if !errors.As(err, &failed) || !errors.Is(err, unix.EADDRINUSE) || failed.Hint() == "" {
		t.Errorf("kept a port that is in use: %v, %v", k, err)
	}
	for _, address := range []string{"192.0.2.199:8080", "[fe80::1%nowhere]:8080"} {
		if k, err := keep(publish.Port{Host: netip.MustParseAddrPort(address)}); !errors.As(err, &failed) || !errors.Is(err, unix.EADDRNOTAVAIL) {
			t.Errorf("kept a port of an address that is not there: %v, %v", k, err)
		}
	}
}

// TestKeepPublished: a port that has been published for good lets no socket of
// the container's listen there, and is not published again.
func TestKeepPublished(t *testing.T) {
	k := keptAt(t, "127.0.0.1")
	l := listener(t, k)
	published := 0
	publishing := func() error {
		l, err := net.Listen("tcp", k.at.String())
		if err == nil {
			t.Cleanup(func() { l.Close() })
			published++
		}
		return err
	}
	if err := k.publish(publishing); !errors.Is(err, unix.EADDRINUSE) {
		t.Errorf("published while the container listens: %v", err)
	}
	l.Close()
	for range 2 {
		if err := k.publish(publishing); err != nil || published != 1 {
			t.Errorf("published %d times: %v", published, err)
		}
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := k.listen(fd, 1); !errors.Is(err, unix.EADDRINUSE) {
		t.Errorf("listening at a published port: %v", err)
	}
}
