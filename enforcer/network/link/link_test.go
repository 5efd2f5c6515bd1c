package link_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/enforcer/network/link"
	"github.com/least-privilege/lpm/manifest"
)

// TestMain makes this program the network process that the tests start.
func TestMain(m *testing.M) {
	if os.Args[0] == "lpm-net" {
		os.Exit(network())
	}
	os.Exit(m.Run())
}

// network is a network process that does what the configuration's first
// destination says, and what it is asked about.
func network() int {
	l, c, err := link.Open()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	n := &imitation{launcher: l, config: c}
	if err := l.Serve(context.Background(), n); err != nil {
		return 1
	}
	// What is left to tell is told after the launcher has nothing more to say.
	_ = l.Tell(link.Event{Kind: link.Refused, Name: "last.example", Count: 7})
	return 0
}

type imitation struct {
	launcher *link.Launcher
	config   link.Config

	mu      sync.Mutex
	granted []manifest.Egress
}

// Attach writes its configuration to the device.
func (n *imitation) Attach(device *os.File) error {
	defer device.Close()
	_, err := fmt.Fprintf(device, "%+v", n.config)
	return err
}

func (n *imitation) Publish(p link.Port) error {
	if p.Host < 1024 {
		return errors.New("ports below 1024 are root's")
	}
	return nil
}

// Listen has the socket listen where it is bound.
func (n *imitation) Listen(p link.Port, socket, backlog int) error {
	if p.Host < 1024 {
		return fmt.Errorf("listening: %w", &rootsError{unix.EACCES})
	}
	return unix.Listen(socket, backlog)
}

type rootsError struct{ err error }

func (e *rootsError) Error() string { return e.err.Error() }
func (*rootsError) Hint() string    { return "take a higher one" }
func (e *rootsError) Unwrap() error { return e.err }

func (n *imitation) Decide(f link.Flow) link.Answer {
	switch f.To.Port() {
	case 1: // ends at once
		os.Exit(3)
	case 2: // asks about a name
		return link.Answer{Allowed: n.launcher.Ask(context.Background(), "asked.example")}
	case 3: // answers later than those that come after
		time.Sleep(50 * time.Millisecond)
	case 4:
		n.mu.Lock()
		defer n.mu.Unlock()
		return link.Answer{Allowed: len(n.granted) > 0, Grant: &manifest.Egress{CIDR: "192.0.2.0/24", Protocol: manifest.ICMP}}
	case 5:
		_ = n.launcher.Tell(link.Event{Kind: link.Flowed, Flow: &f, Count: 1, Addresses: []netip.Addr{netip.MustParseAddr("2001:db8::1")}})
	case 6, 7: // has a file opened
		return n.read(map[uint16]string{6: "/etc/hosts", 7: "/etc/passwd"}[f.To.Port()])
	}
	return link.Answer{Name: f.To.String(), Reason: string(f.Protocol)}
}

// read says what is in a file of the host's, and what it may do with it.
func (n *imitation) read(path string) link.Answer {
	f, err := n.launcher.OpenFile(path)
	if err != nil {
		return link.Answer{Reason: err.Error()}
	}
	defer f.Close()
	b, err := io.ReadAll(f)
	if _, werr := f.Write([]byte("# changed")); werr == nil {
		return link.Answer{Reason: "it can be written"}
	}
	return link.Answer{Allowed: err == nil, Name: string(b)}
}

func (n *imitation) Grant(e manifest.Egress) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.granted = append(n.granted, e)
}

func start(t *testing.T, c link.Config, told link.Told) *link.Process {
	t.Helper()
	p, err := link.Start("/proc/self/exe", c, told)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func flow(port uint16) link.Flow {
	return link.Flow{Protocol: manifest.TCP, To: netip.AddrPortFrom(netip.MustParseAddr("192.0.2.1"), port)}
}

func decide(t *testing.T, p *link.Process, port uint16) link.Answer {
	t.Helper()
	a, err := p.Decide(t.Context(), flow(port))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// TestDecide: every question gets its own answer, whatever the order.
func TestDecide(t *testing.T) {
	p := start(t, link.Config{}, link.Told{})
	var wait sync.WaitGroup
	for i := range 200 {
		port := uint16(100 + i)
		if i%20 == 0 {
			port = 3
		}
		wait.Go(func() {
			a, err := p.Decide(t.Context(), flow(port))
			if want := flow(port).To.String(); err != nil || a.Name != want || a.Reason != "tcp" || a.Allowed {
				t.Errorf("%+v, %v, want %s", a, err, want)
			}
		})
	}
	wait.Wait()
	if a := decide(t, p, 4); a.Allowed || a.Grant == nil || a.Grant.CIDR != "192.0.2.0/24" {
		t.Errorf("before the grant %+v", a)
	}
	if err := p.Grant(manifest.Egress{Host: "a.example", Protocol: manifest.TCP, Ports: []manifest.PortRange{manifest.Port(1)}}); err != nil {
		t.Fatal(err)
	}
	for !decide(t, p, 4).Allowed {
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	if _, err := p.Decide(t.Context(), flow(9)); !errors.Is(err, link.ErrEnded) {
		t.Errorf("after the end: %v", err)
	}
}

// TestAttach: the device that arrives is the one that was sent, and so is the
// configuration, of whatever size.
func TestAttach(t *testing.T) {
	c := link.Config{Later: true, Publish: []link.Port{{Address: "127.0.0.1", Host: 8080, Container: 80, Protocol: manifest.TCP}}}
	for i := range 4096 {
		c.Network.Egress = append(c.Network.Egress, manifest.Egress{Host: fmt.Sprintf("host%d.example", i), Protocol: manifest.ICMP})
	}
	p := start(t, c, link.Told{})
	defer p.Close()
	device, err := os.CreateTemp(t.TempDir(), "device")
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Attach(device); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(device.Name())
	if want := fmt.Sprintf("%+v", c); err != nil || string(got) != want {
		t.Errorf("got %.200s (%d bytes), want %.200s (%d)", got, len(got), want, len(want))
	}
	if err := p.Publish(link.Port{Host: 80}); err == nil || !strings.Contains(err.Error(), "below 1024") {
		t.Errorf("publishing: %v", err)
	}
	if err := p.Publish(link.Port{Host: 8080}); err != nil {
		t.Error(err)
	}
}

// TestListen: the socket that arrives is the one that was sent, and of an error
// that comes back what it is about, and what to do about it.
func TestListen(t *testing.T) {
	p := start(t, link.Config{}, link.Told{})
	defer p.Close()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	err = p.Listen(link.Port{Host: 80}, fd, 1)
	var adviser interface{ Hint() string }
	if !errors.Is(err, unix.EACCES) || !errors.As(err, &adviser) || adviser.Hint() != "take a higher one" || err.Error() != "listening: permission denied" {
		t.Errorf("listening at 80: %v", err)
	}
	if err := p.Listen(link.Port{Host: 8080}, fd, 1); err != nil {
		t.Fatal(err)
	}
	if listens, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN); err != nil || listens != 1 {
		t.Errorf("the socket listens: %d, %v", listens, err)
	}
	if err := p.Listen(link.Port{Host: 8080}, -1, 1); err == nil {
		t.Error("listened with no socket")
	}
	if err := p.Publish(link.Port{Host: 8080}); err != nil {
		t.Errorf("after that: %v", err)
	}
}

// TestAsk: the network asks its launcher, while it is asked itself.
func TestAsk(t *testing.T) {
	for _, yes := range []bool{true, false} {
		asked := make(chan string, 1)
		p := start(t, link.Config{Ask: true}, link.Told{Ask: func(_ context.Context, name string) bool {
			asked <- name
			return yes
		}})
		if a := decide(t, p, 2); a.Allowed != yes {
			t.Errorf("said %t, got %t", yes, a.Allowed)
		}
		if name := <-asked; name != "asked.example" {
			t.Errorf("asked about %q", name)
		}
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestFiles: the launcher opens the files that the resolver goes by, to be read,
// and ends a network that asks for another.
func TestFiles(t *testing.T) {
	p := start(t, link.Config{}, link.Told{})
	want, err := os.ReadFile("/etc/hosts")
	if err != nil {
		t.Fatal(err)
	}
	var wait sync.WaitGroup
	for range 2 {
		wait.Go(func() {
			for range 50 {
				a, err := p.Decide(t.Context(), flow(6))
				if err != nil || !a.Allowed || a.Name != string(want) {
					t.Errorf("%+v, %v, want %q", a, err, want)
				}
			}
		})
	}
	wait.Wait()
	if a, err := p.Decide(t.Context(), flow(7)); !errors.Is(err, link.ErrEnded) {
		t.Errorf("asked for a file that is not for it: %+v, %v", a, err)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
}

// TestEvents: all events are told of before Close returns, the last included.
func TestEvents(t *testing.T) {
	var events []link.Event
	p := start(t, link.Config{}, link.Told{Event: func(e link.Event) { events = append(events, e) }})
	decide(t, p, 5)
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	if len(events) != 2 {
		t.Fatalf("events %+v", events)
	}
	if e := events[0]; e.Kind != link.Flowed || *e.Flow != flow(5) || !slices.Equal(e.Addresses, []netip.Addr{netip.MustParseAddr("2001:db8::1")}) {
		t.Errorf("first %+v", e)
	}
	if e := events[1]; e.Name != "last.example" || e.Count != 7 || e.Flow != nil {
		t.Errorf("last %+v", e)
	}
}

// TestEnds: a network process that is gone is an error for all who wait.
func TestEnds(t *testing.T) {
	p := start(t, link.Config{}, link.Told{})
	if _, err := p.Decide(t.Context(), flow(1)); !errors.Is(err, link.ErrEnded) {
		t.Errorf("deciding: %v", err)
	}
	<-p.Ended()
	if err := p.Attach(os.Stdin); err == nil {
		t.Error("a network that is gone has taken a device")
	}
	if err := p.Grant(manifest.Egress{}); !errors.Is(err, link.ErrEnded) {
		t.Errorf("granting: %v", err)
	}
	if err := p.Close(); err != nil {
		t.Errorf("closing: %v", err)
	}
	if _, err := link.Start("/nonexistent", link.Config{}, link.Told{}); err == nil {
		t.Error("a program that is not there was started")
	}
}
