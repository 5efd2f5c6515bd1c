package supervise

import (
	"context"
	"errors"
	"net"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/enforcer/plan"
	"github.com/least-privilege/lpm/manifest"
)

// person answers as a test has it, and remembers what was asked.
type person struct {
	answer func(n int, q Question) Answer
	mu     sync.Mutex
	asked  []Question
}

func (p *person) Ask(_ context.Context, q Question) Answer {
	p.mu.Lock()
	n := len(p.asked)
	p.asked = append(p.asked, q)
	p.mu.Unlock()
	return p.answer(n, q)
}

func (p *person) whats() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var list []string
	for _, q := range p.asked {
		list = append(list, q.What)
	}
	return list
}

func always(a Answer) func(int, Question) Answer { return func(int, Question) Answer { return a } }

// TestAsk: each answer, and how often it is asked for.
func TestAsk(t *testing.T) {
	const times = 5
	tests := []struct {
		name   string
		call   string
		args   []uintptr
		answer func(int, Question) Answer
		// errnos are the results of the attempts, the last of them again and
		// again.
		errnos []unix.Errno
		asked  int
		denied uint64
		fixed  bool
	}{
		{"yes", "getpriority", nil, always(Yes), []unix.Errno{0}, 1, 0, false},
		{"no, which is remembered after a while", "getpriority", nil, always(No), []unix.Errno{unix.EPERM}, maxNoes, times, false},
		{"no, then yes", "getpriority", nil, func(n int, _ Question) Answer { return Answer(n) }, []unix.Errno{unix.EPERM, 0}, 2, 1, false},
		{"no more", "getpriority", nil, always(NoMore), []unix.Errno{unix.EPERM}, 1, times, false},
		{"yes to what a running container cannot be given", "keyctl", []uintptr{^uintptr(0)}, always(Yes), []unix.Errno{unix.EPERM}, 1, times, true},
		{"a newer call", "cachestat", []uintptr{^uintptr(0)}, always(No), []unix.Errno{unix.ENOSYS}, maxNoes, times, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			th := newThread(t, test.call)
			p := &person{answer: test.answer}
			s := rules(manifest.NetworkNone)
			s.Kernel = "6.4"
			e := NewEnforcer(s, runtime.GOARCH, Options{Asker: p})
			end := th.serve(t.Context(), e)
			for i := range times {
				if _, errno := th.call(test.call, test.args...); errno != test.errnos[min(i, len(test.errnos)-1)] {
					t.Errorf("attempt %d: %v, want %v", i, errno, test.errnos)
				}
			}
			if _, err := end(); err != nil {
				t.Error(err)
			}
			if len(p.asked) != test.asked {
				t.Fatalf("asked %d times, want %d", len(p.asked), test.asked)
			}
			if q := p.asked[0]; (q.Fixed != "") != test.fixed || q.Grant.IsZero() || q.Program == "" {
				t.Errorf("question %+v", q)
			}
			list, _ := e.Denials()
			var denied uint64
			for _, d := range list {
				denied += d.Count
			}
			if denied != test.denied {
				t.Errorf("denied %d times, want %d", denied, test.denied)
			}
		})
	}
}

// TestAskOnceForMany: calls for one thing wait for one answer.
func TestAskOnceForMany(t *testing.T) {
	th := newThread(t, "getpriority")
	release := make(chan struct{})
	p := &person{answer: func(int, Question) Answer { <-release; return Yes }}
	e := NewEnforcer(rules(manifest.NetworkNone), runtime.GOARCH, Options{Asker: p})
	end := th.serve(t.Context(), e)
	cmd := th.helper(slices.Repeat([]string{"getpriority 0 0"}, 20)...)
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, os.Stderr
	var err error
	th.do(func() { err = cmd.Start() })
	if err != nil {
		t.Fatal(err)
	}
	for e.answers.count() < 20 {
		time.Sleep(time.Millisecond)
	}
	close(release)
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	if _, err := end(); err != nil {
		t.Error(err)
	}
	if len(p.asked) != 1 || strings.Contains(out.String(), "EPERM") {
		t.Errorf("asked %d times; %s", len(p.asked), out.String())
	}
}

func (a *answers) count() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.waiting
}

// TestAskBounded: only so many calls wait for a person; the others are refused.
func TestAskBounded(t *testing.T) {
	const more = 10
	th := newThread(t, "personality")
	release := make(chan struct{})
	p := &person{answer: func(int, Question) Answer { <-release; return No }}
	e := NewEnforcer(rules(manifest.NetworkNone), runtime.GOARCH, Options{Asker: p})
	end := th.serve(t.Context(), e)
	var calls []string
	for i := range maxWaiting + more {
		calls = append(calls, "personality "+strconv.Itoa(1000+i))
	}
	cmd := th.helper(calls...)
	cmd.Stderr = os.Stderr
	var err error
	th.do(func() { err = cmd.Start() })
	if err != nil {
		t.Fatal(err)
	}
	refused := func() int { list, _ := e.Denials(); return len(list) }
	for refused() < more {
		time.Sleep(time.Millisecond)
	}
	close(release)
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	if _, err := end(); err != nil {
		t.Error(err)
	}
	if len(p.asked) != maxWaiting || refused() != maxWaiting+more {
		t.Errorf("asked %d times, %d refused", len(p.asked), refused())
	}
}

// TestAskEnds: the end of the supervision is the end of a question.
func TestAskEnds(t *testing.T) {
	th := newThread(t, "getpriority")
	ctx, cancel := context.WithCancel(t.Context())
	e := NewEnforcer(rules(manifest.NetworkNone), runtime.GOARCH, Options{Asker: waiting{cancel}})
	served := th.serve(ctx, e)
	if _, errno := th.call("getpriority"); errno != unix.EPERM {
		t.Errorf("error %v", errno)
	}
	if _, err := served(); !errors.Is(err, context.Canceled) {
		t.Errorf("Serve returned %v", err)
	}
}

// waiting is a person who does not answer.
type waiting struct{ asked func() }

func (w waiting) Ask(ctx context.Context, _ Question) Answer {
	w.asked()
	<-ctx.Done()
	return NoMore
}

// hostRules grant the calls of sockets on the host's network, and no port.
func hostRules() plan.Supervision {
	return rules(manifest.NetworkHost, "socket", "connect", "bind", "listen")
}

// TestAskConnect: what a person grants is connected to by the supervisor, with
// the address that was asked for and no other.
func TestAskConnect(t *testing.T) {
	granted, other := listening(t), listening(t)
	for _, nonblocking := range []bool{false, true} {
		th := newThread(t, "connect")
		p := &person{answer: func(_ int, q Question) Answer {
			if q.What == granted.Addr().String()+"/tcp" {
				return Yes
			}
			return No
		}}
		e := NewEnforcer(hostRules(), runtime.GOARCH, Options{Asker: p})
		end := th.serve(t.Context(), e)
		connect := func(to net.Addr) unix.Errno {
			flags := unix.SOCK_STREAM | unix.SOCK_CLOEXEC
			if nonblocking {
				flags |= unix.SOCK_NONBLOCK
			}
			fd, err := unix.Socket(unix.AF_INET, flags, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer unix.Close(fd)
			name := sockaddr(t, to.String())
			_, errno := th.call("connect", uintptr(fd), pointer(name), uintptr(len(name)))
			runtime.KeepAlive(name)
			return errno
		}
		for range 2 {
			if errno := connect(granted.Addr()); errno != 0 && !(nonblocking && errno == unix.EINPROGRESS) {
				t.Errorf("granted: %v", errno)
			}
			accepts(t, granted, true)
		}
		if errno := connect(other.Addr()); errno != unix.EACCES {
			t.Errorf("not granted: %v", errno)
		}
		accepts(t, other, false)
		if _, err := end(); err != nil {
			t.Error(err)
		}
		if len(p.asked) != 2 {
			t.Errorf("asked for %q", p.whats())
		}
	}
}

// TestAskConnectElsewhere: an address that changes while a person is asked is
// asked for anew; a descriptor that changes is not connected.
func TestAskConnectElsewhere(t *testing.T) {
	granted, other := listening(t), listening(t)
	th := newThread(t, "connect")
	name := sockaddr(t, granted.Addr().String())
	p := &person{answer: func(n int, _ Question) Answer {
		if n > 0 {
			return No
		}
		copy(name, sockaddr(t, other.Addr().String()))
		return Yes
	}}
	e := NewEnforcer(hostRules(), runtime.GOARCH, Options{Asker: p})
	end := th.serve(t.Context(), e)
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if _, errno := th.call("connect", uintptr(fd), pointer(name), uintptr(len(name))); errno != unix.EACCES {
		t.Errorf("error %v", errno)
	}
	if want := []string{granted.Addr().String() + "/tcp", other.Addr().String() + "/tcp"}; !slices.Equal(p.whats(), want) {
		t.Errorf("asked for %q, want %q", p.whats(), want)
	}
	accepts(t, granted, false)
	accepts(t, other, false)

	datagram, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(datagram)
	copy(name, sockaddr(t, granted.Addr().String()))
	if _, errno := th.call("connect", uintptr(datagram), pointer(name), uintptr(len(name))); errno != unix.EACCES {
		t.Errorf("a socket of another kind: %v", errno)
	}
	if _, err := end(); err != nil {
		t.Error(err)
	}
	runtime.KeepAlive(name)
}

// TestAskListen: bind and listen together are asked for once.
func TestAskListen(t *testing.T) {
	th := newThread(t, "bind", "listen")
	p := &person{answer: always(Yes)}
	e := NewEnforcer(hostRules(), runtime.GOARCH, Options{Asker: p})
	end := th.serve(t.Context(), e)
	free := boundSocket(t)
	port := boundPort(t, free)
	unix.Close(free)
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	name := sockaddr(t, "127.0.0.1:"+strconv.Itoa(int(port)))
	if _, errno := th.call("bind", uintptr(fd), pointer(name), uintptr(len(name))); errno != 0 {
		t.Errorf("bind: %v", errno)
	}
	if _, errno := th.call("listen", uintptr(fd), 5); errno != 0 {
		t.Errorf("listen: %v", errno)
	}
	if _, err := end(); err != nil {
		t.Error(err)
	}
	if len(p.asked) != 1 || boundPort(t, fd) != port {
		t.Errorf("asked for %q, bound to %d, want %d", p.whats(), boundPort(t, fd), port)
	}
	runtime.KeepAlive(name)
}

// TestAskPrivilegedPort: what a person grants is a port, and not root's right
// to it.
func TestAskPrivilegedPort(t *testing.T) {
	first, err := os.ReadFile("/proc/sys/net/ipv4/ip_unprivileged_port_start")
	if err != nil {
		t.Fatal(err)
	}
	if n, err := strconv.Atoi(strings.TrimSpace(string(first))); err != nil || n <= 7 {
		t.Skip("this machine has no privileged ports")
	}
	th := newThread(t, "bind")
	e := NewEnforcer(hostRules(), runtime.GOARCH, Options{Asker: &person{answer: always(Yes)}})
	end := th.serve(t.Context(), e)
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	name := sockaddr(t, "127.0.0.1:7")
	if _, errno := th.call("bind", uintptr(fd), pointer(name), uintptr(len(name))); errno != unix.EACCES {
		t.Errorf("error %v", errno)
	}
	if _, err := end(); err != nil {
		t.Error(err)
	}
	runtime.KeepAlive(name)
}

// listening listens on a loopback port.
func listening(t *testing.T) *net.TCPListener {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l.(*net.TCPListener)
}

// accepts wants a connection to have come, or none.
func accepts(t *testing.T, l *net.TCPListener, want bool) {
	t.Helper()
	wait := 10 * time.Second
	if !want {
		wait = 20 * time.Millisecond // a connection is there when connect returns
	}
	if err := l.SetDeadline(time.Now().Add(wait)); err != nil {
		t.Fatal(err)
	}
	c, err := l.Accept()
	if err == nil {
		c.Close()
	}
	if (err == nil) != want {
		t.Errorf("a connection has come: %v, want %v", err == nil, want)
	}
}
