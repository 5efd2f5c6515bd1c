package supervise

import (
	"errors"
	"net/netip"
	"runtime"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/enforcer/network/link"
	"github.com/least-privilege/lpm/enforcer/plan"
	"github.com/least-privilege/lpm/manifest"
)

func TestParseFlags(t *testing.T) {
	for _, test := range []struct {
		text    string
		file    int
		cloexec bool
		ok      bool
	}{
		{"pos:\t0\nflags:\t02\nmnt_id:\t10\n", unix.O_RDWR, false, true},
		{"pos:\t0\nflags:\t02004002\nmnt_id:\t10\n", unix.O_RDWR | unix.O_NONBLOCK, true, true},
		{"flags:\t02000002", unix.O_RDWR, true, true},
		{"flags:\t9\n", 0, false, false},
		{"pos:\t0\n", 0, false, false},
		{"", 0, false, false},
	} {
		file, cloexec, ok := parseFlags([]byte(test.text))
		if file != test.file || cloexec != test.cloexec || ok != test.ok {
			t.Errorf("%q: %o, %t, %t", test.text, file, cloexec, ok)
		}
	}
}

// TestSocketAddress: the kernel reads back what was written.
func TestSocketAddress(t *testing.T) {
	for family, texts := range map[int][]string{
		unix.AF_INET: {"192.0.2.1:443"}, unix.AF_INET6: {"[2001:db8::1]:1", "[::ffff:127.0.0.1]:65535"},
	} {
		for _, text := range texts {
			want := netip.MustParseAddrPort(text)
			if got, err := ParseAddress(socketAddress(family, want)); err != nil || got != want {
				t.Errorf("%s: %s, %v", want, got, err)
			}
		}
	}
	got, err := ParseAddress(socketAddress(unix.AF_INET6, netip.MustParseAddrPort("127.0.0.1:80")))
	if want := netip.MustParseAddrPort("[::ffff:127.0.0.1]:80"); err != nil || got != want {
		t.Errorf("an IPv4 address in IPv6: %s, %v", got, err)
	}
}

// TestOptions: what a program has set on its socket another has then, and what
// cannot be told of is found.
func TestOptions(t *testing.T) {
	e := NewEnforcer(plan.Supervision{}, "amd64", Options{})
	e.private.unusual.Store(true)
	for _, family := range []int{unix.AF_INET, unix.AF_INET6} {
		fd := stream(t, family)
		if changed, ok := e.changedOptions(family, fd); !ok || len(changed) != 0 {
			t.Fatalf("a new socket has %+v, %t", changed, ok)
		}
		set := [][3]int{
			{unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1}, {unix.SOL_SOCKET, unix.SO_REUSEADDR, 1}, {unix.SOL_SOCKET, unix.SO_PRIORITY, 3},
			{unix.IPPROTO_TCP, unix.TCP_NODELAY, 1}, {unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, 17}, {unix.IPPROTO_TCP, unix.TCP_KEEPCNT, 4},
			{unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, 4321}, {unix.IPPROTO_TCP, unix.TCP_SYNCNT, 2}, {unix.IPPROTO_IP, unix.IP_TTL, 33},
			{unix.SOL_SOCKET, unix.SO_SNDBUF, 50_000}, {unix.SOL_SOCKET, unix.SO_RCVBUF, 60_000},
		}
		if family == unix.AF_INET6 {
			set = append(set, [3]int{unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 1}, [3]int{unix.IPPROTO_IPV6, unix.IPV6_UNICAST_HOPS, 9})
		}
		for _, o := range set {
			if err := unix.SetsockoptInt(fd, o[0], o[1], o[2]); err != nil {
				t.Fatalf("setting %v: %v", o, err)
			}
		}
		linger := unix.Linger{Onoff: 1, Linger: 5}
		if err := unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &linger); err != nil {
			t.Fatal(err)
		}
		changed, ok := e.changedOptions(family, fd)
		if !ok {
			t.Fatal("the options cannot be told")
		}
		other, err := inherited{family: family, options: changed}.socket()
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(other)
		often, seldom := socketOptions()
		for _, o := range append(often, seldom...) {
			want, wantErr := getOption(fd, o.Level, o.Name, maxOption)
			got, gotErr := getOption(other, o.Level, o.Name, maxOption)
			if string(got) != string(want) || (gotErr == nil) != (wantErr == nil) {
				t.Errorf("option %v is %x, %v, want %x, %v", o, got, gotErr, want, wantErr)
			}
		}
		for _, o := range []int{unix.SO_SNDBUF, unix.SO_RCVBUF} {
			want, _ := unix.GetsockoptInt(fd, unix.SOL_SOCKET, o)
			if got, _ := unix.GetsockoptInt(other, unix.SOL_SOCKET, o); got != want {
				t.Errorf("buffer %d is %d, want %d", o, got, want)
			}
		}
		pass := []unix.SockFilter{{Code: unix.BPF_RET | unix.BPF_K, K: 0xffffffff}}
		err = unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: 1, Filter: &pass[0]})
		if errors.Is(err, unix.EPERM) {
			continue // no memory left for compiled filters of ordinary users (bpf_jit_limit)
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := e.changedOptions(family, fd); ok {
			t.Error("a socket with a filter of its own can be replaced")
		}
	}
}

// TestUnusualOptions: an option is compared in every socket, or in all of them
// once it has been set in any.
func TestUnusualOptions(t *testing.T) {
	usual := plan.UsualOptions()
	often, seldom := socketOptions()
	for _, o := range often {
		if !slices.Contains(usual, o) {
			t.Errorf("the filter tells of %v, which is compared anyway", o)
		}
	}
	unusual := append(append(seldom, networkOptions()...),
		plan.SocketOption{Level: unix.SOL_SOCKET, Name: unix.SO_ATTACH_FILTER}, plan.SocketOption{Level: unix.SOL_SOCKET, Name: unix.SO_ATTACH_BPF})
	for _, o := range append(unusual, usual...) {
		var p private
		// The kernel reads 32 bits of each.
		p.notice("setsockopt", &Call{Args: [6]uint64{3, 1<<32 | uint64(o.Level), 1<<40 | uint64(o.Name)}})
		if got, want := p.unusual.Load(), slices.Contains(unusual, o); got != want {
			t.Errorf("%v is unusual: %t, want %t", o, got, want)
		}
		if slices.Contains(usual, o) && slices.Contains(unusual, o) {
			t.Errorf("%v is set without notice", o)
		}
	}
	e := NewEnforcer(plan.Supervision{}, "amd64", Options{})
	fd := stream(t, unix.AF_INET)
	for _, o := range [][3]int{{unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1}, {unix.SOL_SOCKET, unix.SO_PRIORITY, 3}} {
		if err := unix.SetsockoptInt(fd, o[0], o[1], o[2]); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []int{1, 2} {
		if changed, ok := e.changedOptions(unix.AF_INET, fd); !ok || len(changed) != want {
			t.Errorf("%d options are changed, %t, want %d", len(changed), ok, want)
		}
		e.private.unusual.Store(true)
	}
}

func stream(t *testing.T, family int) int {
	t.Helper()
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, unix.IPPROTO_TCP)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	return fd
}

// TestPublishedAt: a socket takes the ports that lead to where it is bound.
func TestPublishedAt(t *testing.T) {
	e := NewEnforcer(plan.Supervision{Handover: true}, "amd64", Options{Publish: []link.Port{
		{Address: "127.0.0.1", Host: 8080, Container: 80, Protocol: manifest.TCP},
		{Address: "::1", Host: 8080, Container: 80, Protocol: manifest.TCP},
		{Address: "127.0.0.1", Host: 53, Container: 53, Protocol: manifest.UDP},
	}})
	four, six, only := stream(t, unix.AF_INET), stream(t, unix.AF_INET6), stream(t, unix.AF_INET6)
	if err := unix.SetsockoptInt(only, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 1); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		fd   int
		at   string
		want int
	}{
		{four, "0.0.0.0:80", 1}, {four, "192.0.0.2:80", 1}, {four, "127.0.0.1:80", 0}, {four, "0.0.0.0:81", 0}, {four, "0.0.0.0:53", 0},
		{six, "[::]:80", 2}, {six, "[::1]:80", 0}, {only, "[::]:80", 1},
	} {
		if got := e.publishedAt(test.fd, netip.MustParseAddrPort(test.at)); len(got) != test.want {
			t.Errorf("%s: %+v, want %d", test.at, got, test.want)
		}
	}
}

// TestLately: what was allowed is so for a moment, and what is remembered is
// bounded.
func TestLately(t *testing.T) {
	var p private
	at := time.Unix(1000, 0)
	flow := func(port int) link.Flow {
		return link.Flow{Protocol: manifest.TCP, To: netip.AddrPortFrom(netip.MustParseAddr("192.0.2.1"), uint16(port))}
	}
	p.note(flow(1), at)
	if !p.allowed(flow(1), at.Add(moment-1)) || p.allowed(flow(1), at.Add(moment)) || p.allowed(flow(2), at) {
		t.Error("not for a moment, or for another flow")
	}
	for i := range 10 * maxLately {
		p.note(flow(i), at)
	}
	if len(p.lately) > maxLately {
		t.Errorf("%d are remembered", len(p.lately))
	}
}

// TestFlowText: a destination is named by its name where it has one, and always
// by address, port and protocol.
func TestFlowText(t *testing.T) {
	for _, test := range []struct {
		to       string
		protocol manifest.Protocol
		name     string
		want     string
	}{
		{"192.0.2.1:443", manifest.TCP, "", "192.0.2.1:443/tcp"},
		{"192.0.2.1:443", manifest.TCP, "a.example", "a.example (192.0.2.1:443/tcp)"},
		{"[2001:db8::1]:53", manifest.UDP, "", "[2001:db8::1]:53/udp"},
		{"[2001:db8::1]:53", manifest.UDP, "b.example", "b.example ([2001:db8::1]:53/udp)"},
		{"[::ffff:192.0.2.1]:80", manifest.TCP, "", "192.0.2.1:80/tcp"},
		{"192.0.2.1:0", manifest.ICMP, "", "192.0.2.1/icmp"},
	} {
		if got := flowText(netip.MustParseAddrPort(test.to), test.protocol, test.name); got != test.want {
			t.Errorf("%q, want %q", got, test.want)
		}
	}
}

// TestOwnLoopback: a container listens on its own loopback at any port that the
// kernel chose, and nowhere else but where it listens already.
func TestOwnLoopback(t *testing.T) {
	elsewhere := func() (uint64, error) { return 0, nil }
	for _, test := range []struct {
		name string
		mode manifest.NetworkMode
		host func() (uint64, error)
		at   [4]byte
		// again says that it listens already.
		again bool
		want  unix.Errno
	}{
		{"its own", manifest.NetworkPrivate, elsewhere, [4]byte{127, 0, 0, 1}, false, 0},
		{"every address", manifest.NetworkPrivate, elsewhere, [4]byte{}, false, unix.EACCES},
		{"the host's", manifest.NetworkPrivate, ownCookie, [4]byte{127, 0, 0, 1}, false, unix.EACCES},
		{"the host's, handed over", manifest.NetworkPrivate, ownCookie, [4]byte{127, 0, 0, 1}, true, 0},
		{"on the host's network", manifest.NetworkHost, elsewhere, [4]byte{127, 0, 0, 1}, false, unix.EACCES},
	} {
		t.Run(test.name, func(t *testing.T) {
			e := NewEnforcer(rules(test.mode, "listen"), runtime.GOARCH, Options{})
			e.private.cookie = test.host
			th := newThread(t, "listen")
			end := th.serve(t.Context(), e)
			fd := stream(t, unix.AF_INET)
			if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: test.at}); err != nil {
				t.Fatal(err)
			}
			if test.again {
				if err := unix.Listen(fd, 1); err != nil {
					t.Fatal(err)
				}
			}
			if _, errno := th.call("listen", uintptr(fd), 1); errno != test.want {
				t.Errorf("listening: %v, want %v", errno, test.want)
			}
			if _, err := end(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestTell: what the network refused is a denial, counted.
func TestTell(t *testing.T) {
	e := NewEnforcer(plan.Supervision{}, "amd64", Options{})
	to := link.Flow{Protocol: manifest.UDP, To: netip.MustParseAddrPort("192.0.2.1:53")}
	grant := &manifest.Egress{CIDR: "192.0.2.1/32", Protocol: manifest.ICMP}
	e.Tell(link.Event{Kind: link.Refused, Flow: &to, Name: "a.example", Count: 3, Reason: "no", Grant: grant})
	e.Tell(link.Event{Kind: link.Refused, Flow: &to, Name: "a.example", Count: 4})
	e.Tell(link.Event{Kind: link.Refused, Name: "b.example", Count: 1})
	e.Tell(link.Event{Kind: link.Trouble, Reason: "not a denial", Count: 1})
	list, others := e.Denials()
	if len(list) != 2 || others != 0 {
		t.Fatalf("%+v, %d", list, others)
	}
	if d := list[0]; d.Kind != KindConnect || d.What != "a.example (192.0.2.1:53/udp)" || d.Count != 7 || d.Reason != "no" || d.Errno != "ECONNREFUSED" ||
		d.Grant.String() != `network: {mode: "private", egress: [{cidr: "192.0.2.1/32", protocol: "icmp"}]}` {
		t.Errorf("first %+v, %s", d, d.Grant)
	}
	if d := list[1]; d.Kind != KindResolve || d.What != "b.example" || d.Count != 1 || d.Errno != "NXDOMAIN" || !d.Grant.IsZero() {
		t.Errorf("second %+v", d)
	}
}
