package supervise

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"runtime"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/enforcer/network/link"
	"github.com/least-privilege/lpm/enforcer/network/networktest"
	"github.com/least-privilege/lpm/manifest"
)

// generous is a network that allows every flow.
type generous struct{}

func (generous) Decide(context.Context, link.Flow) (link.Answer, error) {
	return link.Answer{Allowed: true}, nil
}
func (generous) Grant(manifest.Egress) error        { return nil }
func (generous) Publish(link.Port) error            { return nil }
func (generous) Listen(link.Port, int, int32) error { return errors.ErrUnsupported }

// connector is a thread of a container whose connections are handed over.
type connector struct {
	t *testing.T
	*thread
	tid, fd int
	// handed says that its sockets are replaced, and not connected themselves.
	handed bool
	// calls counts what its supervisor has decided on.
	calls *atomic.Int32
}

// eachWay runs a test with sockets that are handed over, and with such as have to
// be connected in their place. This process is the host and the container.
func eachWay(t *testing.T, test func(t *testing.T, c connector)) {
	networktest.Run(t, func(t *testing.T, _ *networktest.World) {
		for _, handed := range []bool{true, false} {
			c := newConnector(t, handed)
			test(t, c)
			if t.Failed() {
				t.Fatalf("where sockets are handed over: %t", handed)
			}
		}
	})
}

func newConnector(t *testing.T, handed bool) connector {
	supervision := rules(manifest.NetworkPrivate, "connect")
	supervision.Handover = true
	e := NewEnforcer(supervision, runtime.GOARCH, Options{Network: generous{}})
	e.private.cookie = func() (uint64, error) { return 0, nil } // no network's
	c := connector{t: t, thread: newThread(t, "connect"), calls: new(atomic.Int32), handed: handed}
	c.do(func() { c.tid = unix.Gettid() })
	end := c.serve(context.Background(), policyOf(func(call *Call) Verdict {
		c.calls.Add(1)
		return e.Decide(call)
	}))
	t.Cleanup(func() {
		if _, err := end(); err != nil {
			t.Error(err)
		}
	})
	return c.anew()
}

// anew returns the thread with a new socket.
func (c connector) anew() connector {
	c.fd = stream(c.t, unix.AF_INET)
	if !c.handed {
		closeLater(c.t)(unix.Dup(c.fd))
	}
	return c
}

// connect has the thread connect its socket.
func (c connector) connect(to netip.AddrPort) unix.Errno {
	name := socketAddress(unix.AF_INET, to)
	_, errno := c.call("connect", uintptr(c.fd), uintptr(unsafe.Pointer(unsafe.SliceData(name))), uintptr(len(name)))
	return errno
}

// begin does the same, and returns once the supervisor has the call.
func (c connector) begin(to netip.AddrPort) <-chan unix.Errno {
	c.t.Helper()
	ended := make(chan unix.Errno, 1)
	go func() { ended <- c.connect(to) }()
	c.await(func() bool { return c.state() == synSent })
	return ended
}

func (c connector) await(condition func() bool) {
	c.t.Helper()
	for end := time.Now().Add(time.Minute); !condition(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			c.t.Fatal("nothing happens")
		}
	}
}

const synSent, established = 2, 1 // net/tcp_states.h

func (c connector) state() uint8 {
	info, err := unix.GetsockoptTCPInfo(c.fd, unix.IPPROTO_TCP, unix.TCP_INFO)
	if err != nil {
		c.t.Error(err)
		return 0
	}
	return info.State
}

// crowd is a server at an address that counts as elsewhere.
type crowd struct {
	t    *testing.T
	fd   int
	full bool
}

// newCrowd listens. One that is silent has no room for another connection.
func newCrowd(t *testing.T, silent bool) crowd {
	t.Helper()
	s := crowd{t: t, fd: stream(t, unix.AF_INET)}
	if err := errors.Join(unix.Bind(s.fd, &unix.SockaddrInet4{Addr: [4]byte{192, 0, 2, 99}}), unix.Listen(s.fd, 0)); err != nil {
		t.Fatal(err)
	}
	for tries := 0; silent && !s.full; tries++ {
		if tries == 10 {
			t.Fatal("the server has room for ever")
		}
		fd := stream(t, unix.AF_INET)
		if err := unix.SetNonblock(fd, true); err != nil {
			t.Fatal(err)
		}
		_ = setAddress(unix.SYS_CONNECT, fd, socketAddress(unix.AF_INET, s.address()))
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}, 100)
		if err != nil {
			t.Fatal(err)
		}
		s.full = n == 0
	}
	return s
}

// makeRoom accepts connections until the thread has one.
func (s crowd) makeRoom(c connector) {
	for c.state() != established {
		if fd, _, err := unix.Accept(s.fd); err == nil {
			unix.Close(fd)
		}
	}
}

func (s crowd) address() netip.AddrPort {
	at, err := unix.Getsockname(s.fd)
	if err != nil {
		s.t.Fatal(err)
	}
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, 99}), uint16(portOf(at)))
}

// TestConnect: a connection that is made, or refused, leaves the socket as the
// kernel does.
func TestConnect(t *testing.T) {
	eachWay(t, func(t *testing.T, c connector) {
		s := newCrowd(t, false)
		for _, want := range []unix.Errno{0, unix.EISCONN} {
			if errno := c.connect(s.address()); errno != want {
				t.Errorf("connecting: %v, want %v", errno, want)
			}
		}
		if c.state() != established {
			t.Errorf("the socket is in state %d", c.state())
		}
		nobody := s.address()
		unix.Close(s.fd)
		other := c.anew()
		for range 2 {
			if errno := other.connect(nobody); errno != unix.ECONNREFUSED {
				t.Errorf("connecting to nobody: %v", errno)
			}
		}
	})
}

// TestConnectLate: who connects waits for a server that has no room yet.
func TestConnectLate(t *testing.T) {
	eachWay(t, func(t *testing.T, c connector) {
		s := newCrowd(t, true)
		ended := c.begin(s.address())
		go s.makeRoom(c)
		if errno := <-ended; errno != 0 {
			t.Errorf("connecting: %v", errno)
		}
		if errno := c.connect(s.address()); errno != unix.EISCONN {
			t.Errorf("connecting again: %v", errno)
		}
	})
}

// TestConnectTimeout: SO_SNDTIMEO bounds the wait, after which the connection
// goes on.
func TestConnectTimeout(t *testing.T) {
	eachWay(t, func(t *testing.T, c connector) {
		timeout := unix.NsecToTimeval(int64(50 * time.Millisecond))
		if err := unix.SetsockoptTimeval(c.fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &timeout); err != nil {
			t.Fatal(err)
		}
		s := newCrowd(t, true)
		for _, want := range []unix.Errno{unix.EINPROGRESS, unix.EALREADY} {
			if errno := c.connect(s.address()); errno != want || c.state() != synSent {
				t.Errorf("connecting: %v in state %d, want %v", errno, c.state(), want)
			}
		}
	})
}

// TestConnectShutDown: another thread ends the wait.
func TestConnectShutDown(t *testing.T) {
	eachWay(t, func(t *testing.T, c connector) {
		s := newCrowd(t, true)
		ended := c.begin(s.address())
		if err := unix.Shutdown(c.fd, unix.SHUT_RDWR); err != nil {
			t.Fatal(err)
		}
		if errno := <-ended; errno != unix.ECONNRESET {
			t.Errorf("connecting: %v", errno)
		}
		// The socket can be used anew, as with the kernel.
		if errno := c.connect(newCrowd(t, false).address()); errno != 0 {
			t.Errorf("connecting afterwards: %v", errno)
		}
	})
}

// TestConnectSignal: a signal ends the wait. The runtime of Go asks for calls to
// go on afterwards, which the kernel does not grant where there is a timeout.
func TestConnectSignal(t *testing.T) {
	eachWay(t, func(t *testing.T, c connector) {
		s := newCrowd(t, true)
		ended := c.begin(s.address())
		c.await(func() bool {
			if err := unix.Tgkill(os.Getpid(), c.tid, unix.SIGURG); err != nil {
				t.Fatal(err)
			}
			return c.calls.Load() > 1
		})
		select {
		case errno := <-ended:
			t.Errorf("connecting ended: %v", errno)
		default:
		}
		go s.makeRoom(c)
		if errno := <-ended; errno != 0 {
			t.Errorf("connecting after all: %v", errno)
		}
		s = newCrowd(t, true)
		other := c.anew()
		timeout := unix.NsecToTimeval(int64(time.Hour))
		if err := unix.SetsockoptTimeval(other.fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &timeout); err != nil {
			t.Fatal(err)
		}
		ended = other.begin(s.address())
		if err := unix.Tgkill(os.Getpid(), c.tid, unix.SIGURG); err != nil {
			t.Fatal(err)
		}
		if errno := <-ended; errno != unix.EINTR {
			t.Errorf("connecting with a timeout: %v", errno)
		}
	})
}
