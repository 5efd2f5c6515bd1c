package supervise

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/enforcer/plan"
	"github.com/least-privilege/lpm/manifest"
)

// TestCalls holds calls to rules, as pairs: refused without a grant, made with
// it.
func TestCalls(t *testing.T) {
	tests := []struct {
		name  string
		call  string
		args  []uintptr
		grant func(s *plan.Supervision)
		// errno is what it is refused with, denial how that is noted, and
		// line what would grant it.
		errno        unix.Errno
		denial, line string
	}{
		{
			name: "a call", call: "getpriority", args: []uintptr{0, 0},
			errno: unix.EPERM, denial: "syscall getpriority", line: `syscalls: allow: [{name: "getpriority"}]`,
		},
		{
			name: "a call newer than the manifest", call: "cachestat", args: []uintptr{^uintptr(0)},
			grant: func(s *plan.Supervision) { s.Kernel = "6.4" },
			errno: unix.ENOSYS, denial: "syscall cachestat", line: `syscalls: allow: [{name: "cachestat"}]`,
		},
		{
			name: "faccessat2, which the manifest knows", call: "faccessat2", args: []uintptr{0, 0},
			errno: unix.EPERM, denial: "syscall faccessat2", line: `syscalls: allow: [{name: "faccessat2"}]`,
		},
		{
			name: "a kind of socket, with flags that do not decide", call: "socket", args: []uintptr{unix.AF_NETLINK, unix.SOCK_RAW | unix.SOCK_CLOEXEC, 0},
			errno: unix.EPERM, denial: "syscall socket(AF_NETLINK, SOCK_RAW)",
			line: `syscalls: allow: [{name: "socket", when: [{arg: 0, oneOf: ["AF_NETLINK"]}, {arg: 1, mask: "0xf", oneOf: ["SOCK_RAW"]}]}]`,
		},
		{
			name: "UDP on the host's network", call: "socket", args: []uintptr{unix.AF_INET, unix.SOCK_DGRAM, 0},
			grant: func(s *plan.Supervision) { s.Network.Mode = manifest.NetworkHost; s.Syscalls = []string{"socket"} },
			errno: unix.EPERM, denial: "syscall socket(AF_INET, SOCK_DGRAM, 0)", line: `network: {mode: "host", egress: [{ports: ["53"], protocol: "udp"}]}`,
		},
		{
			name: "SCTP on the host's network, which nothing grants", call: "socket", args: []uintptr{unix.AF_INET, unix.SOCK_STREAM, unix.IPPROTO_SCTP},
			grant: func(s *plan.Supervision) { s.Network.Mode = manifest.NetworkHost },
			errno: unix.EPERM, denial: "syscall socket(AF_INET, SOCK_STREAM, 132)",
		},
		{
			name: "a call under another condition", call: "listen", args: []uintptr{999, 7},
			grant: func(s *plan.Supervision) {
				s.Network.Mode, s.Syscalls = manifest.NetworkHost, []string{"listen"}
				s.When = map[string][][]plan.Compare{"listen": {{{Arg: 1, Mask: 0xff, Value: 5}}}}
			},
			errno: unix.EPERM, denial: "syscall listen", line: `syscalls: allow: [{name: "listen"}]`,
		},
		{
			name: "a call under its condition goes on", call: "listen", args: []uintptr{999, 7},
			grant: func(s *plan.Supervision) {
				s.Network.Mode, s.Syscalls = manifest.NetworkHost, []string{"listen"}
				s.When = map[string][][]plan.Compare{"listen": {{{Arg: 1, Mask: 0xff, Value: 5}}, {{Arg: 1, Mask: 0xff, Value: 7}}}}
			},
			errno: unix.EBADF,
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := rules(manifest.NetworkNone)
			if test.grant != nil {
				test.grant(&s)
			}
			th := newThread(t, test.call)
			e := NewEnforcer(s, runtime.GOARCH, Options{})
			end := th.serve(t.Context(), e)
			if _, errno := th.call(test.call, test.args...); errno != test.errno {
				t.Errorf("error %v, want %v", errno, test.errno)
			}
			if _, err := end(); err != nil {
				t.Error(err)
			}
			checkOnly(t, e, test.denial, test.line)
		})
	}
}

// checkOnly wants one denial, or none.
func checkOnly(t *testing.T, e *Enforcer, denial, line string) {
	t.Helper()
	list, _ := e.Denials()
	if denial == "" && len(list) == 0 {
		return
	}
	if denial == "" || len(list) != 1 {
		t.Fatalf("denials %+v, want %q", list, denial)
	}
	d := list[0]
	self, err := filepath.EvalSymlinks("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	if got := string(d.Kind) + " " + d.What; got != denial || d.Grant.String() != line || d.Program != self {
		t.Errorf("%s by %s, granted by %s\nwant %s by %s, %s", got, d.Program, d.Grant, denial, self, line)
	}
}

// sockaddr returns the bytes of a struct sockaddr_in.
func sockaddr(t testing.TB, text string) []byte {
	t.Helper()
	a, err := netip.ParseAddrPort(text)
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, unix.SizeofSockaddrInet4)
	b[0], b[2], b[3] = unix.AF_INET, byte(a.Port()>>8), byte(a.Port())
	ip := a.Addr().As4()
	copy(b[4:], ip[:])
	return b
}

func pointer(b []byte) uintptr { return uintptr(unsafe.Pointer(unsafe.SliceData(b))) }

// TestAddresses: connect and bind are refused by their address.
func TestAddresses(t *testing.T) {
	https := manifest.Network{Mode: manifest.NetworkHost,
		Egress: []manifest.Egress{{Ports: []manifest.PortRange{manifest.Port(443)}, Protocol: manifest.TCP}},
		Listen: []manifest.Listen{{Port: 8080, Protocol: manifest.TCP}}}
	tests := []struct {
		name, call, to string
		network        manifest.Network
		calls          []string
		errno          unix.Errno
		denial, line   string
	}{
		{"another machine, without a network", "connect", "192.0.2.1:443", manifest.Network{Mode: manifest.NetworkNone}, []string{"connect"},
			unix.ENETUNREACH, "connect 192.0.2.1:443/tcp", `network: {mode: "host", egress: [{ports: ["443"], protocol: "tcp"}]}`},
		{"another machine, with neither", "connect", "192.0.2.1:443", manifest.Network{Mode: manifest.NetworkNone}, nil,
			unix.EPERM, "connect 192.0.2.1:443/tcp", `syscalls: allow: [{name: "connect"}], network: {mode: "host", egress: [{ports: ["443"], protocol: "tcp"}]}`},
		{"oneself, without the call", "connect", "127.0.0.1:443", manifest.Network{Mode: manifest.NetworkNone}, nil,
			unix.EPERM, "syscall connect", `syscalls: allow: [{name: "connect"}]`},
		{"another port", "connect", "192.0.2.1:80", https, []string{"connect"},
			unix.EACCES, "connect 192.0.2.1:80/tcp", `network: {mode: "host", egress: [{ports: ["80"], protocol: "tcp"}]}`},
		{"the port, without the call", "connect", "192.0.2.1:443", https, nil,
			unix.EPERM, "connect 192.0.2.1:443/tcp", `syscalls: allow: [{name: "connect"}]`},
		{"the port, which the kernel then looks at", "connect", "192.0.2.1:443", https, []string{"connect"}, unix.EBADF, "", ""},
		{"another port to bind", "bind", "0.0.0.0:9090", https, []string{"bind"},
			unix.EACCES, "listen 0.0.0.0:9090/tcp", `network: {mode: "host", listen: [{port: 9090, protocol: "tcp"}]}`},
		{"the port to bind, which the kernel then looks at", "bind", "0.0.0.0:8080", https, []string{"bind"}, unix.EBADF, "", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			th := newThread(t, test.call)
			s := rules(test.network.Mode, test.calls...)
			s.Network = test.network
			e := NewEnforcer(s, runtime.GOARCH, Options{})
			end := th.serve(t.Context(), e)
			name := sockaddr(t, test.to)
			if _, errno := th.call(test.call, 999, pointer(name), uintptr(len(name))); errno != test.errno {
				t.Errorf("error %v, want %v", errno, test.errno)
			}
			runtime.KeepAlive(name)
			if _, err := end(); err != nil {
				t.Error(err)
			}
			checkOnly(t, e, test.denial, test.line)
		})
	}
}

// TestListenOnACopy: the supervisor listens for the container, and only on the
// ports that are granted.
func TestListenOnACopy(t *testing.T) {
	th := newThread(t, "listen")
	s := rules(manifest.NetworkHost, "listen")
	fd := boundSocket(t)
	port := boundPort(t, fd)
	s.Network.Listen = []manifest.Listen{{Port: port, Protocol: manifest.TCP}}
	e := NewEnforcer(s, runtime.GOARCH, Options{})
	end := th.serve(t.Context(), e)
	if _, errno := th.call("listen", uintptr(fd), 5); errno != 0 {
		t.Errorf("the port that is granted: %v", errno)
	}
	if listening, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN); err != nil || listening != 1 {
		t.Errorf("the socket is not listening: %d, %v", listening, err)
	}
	if _, errno := th.call("listen", uintptr(boundSocket(t)), 5); errno != unix.EACCES {
		t.Errorf("another port: %v", errno)
	}
	if _, err := end(); err != nil {
		t.Error(err)
	}
}

// TestCopiesAreBounded: a container that keeps the supervisor's copies of its
// sockets from being closed gets no more of them, and nothing by that.
func TestCopiesAreBounded(t *testing.T) {
	fd := boundSocket(t)
	var held copies
	c := &Call{TID: unix.Gettid(), copies: &held}
	held.held.Store(maxCopies)
	if _, err := c.TakeFD(int32(fd)); !errors.Is(err, unix.EMFILE) {
		t.Errorf("one more: %v", err)
	}
	s := rules(manifest.NetworkHost, "connect")
	s.Network.Egress = []manifest.Egress{{Ports: []manifest.PortRange{manifest.Port(53)}, Protocol: manifest.UDP}}
	c.Args[0] = uint64(fd)
	if p, ok := NewEnforcer(s, runtime.GOARCH, Options{}).protocol(c); ok {
		t.Errorf("a socket that cannot be looked at is %s", p)
	}
	held.held.Add(-1)
	if !held.take() {
		t.Error("no copy where one has been closed")
	}
}

// boundSocket returns a socket bound to a port that the kernel chose.
func boundSocket(t *testing.T) int {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	return fd
}

func boundPort(t *testing.T, fd int) uint16 {
	t.Helper()
	at, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	return uint16(at.(*unix.SockaddrInet4).Port)
}

// decide is a policy made of a function.
type decide func(*Call) Verdict

func (d decide) Decide(c *Call) Verdict { return d(c) }

// TestLater: a call that is decided on later keeps no other from its answer.
func TestLater(t *testing.T) {
	th := newThread(t, "getpriority")
	release := make(chan struct{})
	end := th.serve(t.Context(), decide(func(c *Call) Verdict {
		if c.Args[0] == 0 {
			return Verdict{Errno: unix.EPERM}
		}
		return Verdict{Later: func(context.Context) Verdict {
			<-release
			return Verdict{Errno: unix.EMLINK}
		}}
	}))
	cmd := th.helper("getpriority 1 0", "getpriority 0 0", "getpriority 2 0")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	th.do(func() { err = cmd.Start() })
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	if line, err := lines.ReadString('\n'); line != "1 EPERM\n" {
		t.Errorf("first answer %q, %v", line, err)
	}
	close(release)
	rest, err := io.ReadAll(lines)
	if err != nil || strings.Count(string(rest), "EMLINK") != 2 {
		t.Errorf("later %q, %v", rest, err)
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	if stats, err := end(); err != nil || stats.Calls != 3 {
		t.Errorf("%+v, %v", stats, err)
	}
}

// TestLaterEnds: calls that wait when the supervision ends are let go of.
func TestLaterEnds(t *testing.T) {
	th := newThread(t, "getpriority")
	ctx, cancel := context.WithCancel(t.Context())
	served := th.serve(ctx, decide(func(*Call) Verdict {
		return Verdict{Later: func(ctx context.Context) Verdict {
			cancel()
			<-ctx.Done()
			return Verdict{Errno: unix.EINTR}
		}}
	}))
	if _, errno := th.call("getpriority"); errno != unix.EINTR {
		t.Errorf("error %v", errno)
	}
	if _, err := served(); !errors.Is(err, context.Canceled) {
		t.Errorf("Serve returned %v", err)
	}
}

// TestFailure: a supervisor that cannot go on says so, and the calls fail.
func TestFailure(t *testing.T) {
	for _, later := range []bool{false, true} {
		th := newThread(t, "getpriority")
		broken := func() Verdict {
			null, err := unix.Open(os.DevNull, unix.O_RDWR|unix.O_CLOEXEC, 0)
			if err == nil {
				err = unix.Dup3(null, int(th.listener.Fd()), unix.O_CLOEXEC)
			}
			if err != nil {
				t.Error(err)
			}
			unix.Close(null)
			return Verdict{}
		}
		served := th.serve(t.Context(), decide(func(*Call) Verdict {
			if later {
				return Verdict{Later: func(context.Context) Verdict { return broken() }}
			}
			return broken()
		}))
		if _, errno := th.call("getpriority"); errno != unix.ENOSYS {
			t.Errorf("later %v: a call without a supervisor: %v", later, errno)
		}
		if _, err := served(); !errors.Is(err, unix.ENOTTY) {
			t.Errorf("later %v: Serve returned %v", later, err)
		}
	}
}
