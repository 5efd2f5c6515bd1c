package link

import (
	"bytes"
	"context"
	"errors"
	"net/netip"
	"os"
	"reflect"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/enforcer/wire"
	"github.com/least-privilege/lpm/manifest"
)

// bodies are what messages of each kind say, the zero value for each.
func bodies() map[kind]func() any {
	return map[kind]func() any{
		kindDevice: func() any { return new(ready) }, kindAsk: func() any { return new(question) },
		kindGrant: func() any { return new(manifest.Egress) }, kindPublish: func() any { return new(publish) },
		kindListen: func() any { return new(listen) }, kindReady: func() any { return new(ready) },
		kindAnswer: func() any { return new(reply) }, kindEvent: func() any { return new(event) },
		kindName: func() any { return new(name) }, kindNamed: func() any { return new(named) },
	}
}

// samples are messages with something in each field.
func samples() map[kind]any {
	grant := &manifest.Egress{Host: "*.example.com", Ports: []manifest.PortRange{{From: 80, To: 443}}, Protocol: manifest.TCP}
	port := Port{Address: "::1", Host: 8080, Container: 80, Protocol: manifest.UDP}
	return map[kind]any{
		kindDevice: &ready{ID: 1}, kindAsk: &question{1 << 63, manifest.TCP, "192.0.2.1:443"}, kindGrant: grant,
		kindPublish: &publish{2, port}, kindListen: &listen{3, port, -1}, kindReady: &ready{4, "what", "how", int32(unix.EACCES)},
		kindAnswer: &reply{5, Answer{true, "a.example", "because", grant}}, kindName: &name{6, "a.example"}, kindNamed: &named{7, true},
		kindEvent: &event{Refused, "a.example", manifest.TCP, "[2001:db8::1]:1", []string{"192.0.2.1"}, 9, "why", grant},
	}
}

// written is a message with what a pointer points to.
func written(k kind, v any) []byte { return encode(k, reflect.ValueOf(v).Elem().Interface()) }

// TestMessages: what is written is read, and nothing else is: no part of it, and
// nothing behind it.
func TestMessages(t *testing.T) {
	for k, sample := range samples() {
		message := written(k, sample)
		if kind(message[0]) != k {
			t.Errorf("kind %d begins with %d", k, message[0])
		}
		body := message[1:]
		got := bodies()[k]()
		if err := decode(body, got); err != nil || !reflect.DeepEqual(got, sample) {
			t.Errorf("kind %d: %+v, %v, want %+v", k, got, err, sample)
		}
		for n := range body {
			if err := decode(body[:n], bodies()[k]()); !errors.Is(err, wire.ErrMalformed) {
				t.Errorf("kind %d, cut to %d of %d bytes: %v", k, n, len(body), err)
			}
		}
		if err := decode(append(bytes.Clone(body), 0), bodies()[k]()); !errors.Is(err, wire.ErrMalformed) {
			t.Errorf("kind %d, with a byte behind it: %v", k, err)
		}
	}
	for k, make := range bodies() {
		if samples()[k] == nil {
			t.Errorf("kind %d has no sample of %T", k, make())
		}
	}
}

// TestMalformed: an end that is sent what is no message stops to listen, and
// ends.
func TestMalformed(t *testing.T) {
	cut := func(k kind) []byte { return written(k, samples()[k])[:4] }
	for text, message := range map[string][]byte{
		"a question that is cut": cut(kindAsk), "a grant that is cut": cut(kindGrant), "a port that is cut": cut(kindPublish),
		"an answer that is cut": cut(kindNamed), "a question about no address": encode(kindAsk, question{1, manifest.TCP, "nowhere"}),
		"no device": encode(kindDevice, ready{ID: 1}), "no socket": written(kindListen, samples()[kindListen]),
		"a count of more than there is": append([]byte{byte(kindGrant)}, bytes.Repeat([]byte{0xff}, 9)...),
	} {
		launcher, other := serving(t)
		if err := other.send(message); err != nil {
			t.Fatal(err)
		}
		if err := <-launcher; err == nil {
			t.Errorf("%s: no error", text)
		}
	}
	for text, message := range map[string][]byte{
		"an answer that is cut": cut(kindAnswer), "a reply that is cut": cut(kindReady), "an event that is cut": cut(kindEvent), "a name that is cut": cut(kindName),
		"an event at no address": encode(kindEvent, event{Kind: Flowed, To: "nowhere"}), "an event with no addresses": encode(kindEvent, event{Addresses: []string{"x"}}),
	} {
		p, other := receiving(t)
		if err := other.send(message); err != nil {
			t.Fatal(err)
		}
		<-p.ended
		if _, err := p.Decide(t.Context(), Flow{}); !errors.Is(err, ErrEnded) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// TestOversized: a message that is too long is not sent, and one that somebody
// else has sent is cut, and no message.
func TestOversized(t *testing.T) {
	launcher, other := serving(t)
	long := encode(kindGrant, manifest.Egress{Host: strings.Repeat("x", maxMessage)})
	if err := other.send(long); err == nil {
		t.Error("a message that is too long was sent")
	}
	// Nothing has come of it.
	if err := other.send(encode(kindName, name{})); err != nil {
		t.Fatal(err)
	}
	conn, err := other.file.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var sent error
	if err := conn.Control(func(fd uintptr) { sent = unix.Sendmsg(int(fd), long, nil, nil, 0) }); err != nil || sent != nil {
		t.Fatal(err, sent)
	}
	if err := <-launcher; !errors.Is(err, wire.ErrMalformed) {
		t.Errorf("a message that is too long was taken: %v", err)
	}
}

// ends are two of a connection.
func ends(t *testing.T) (socket, socket) {
	t.Helper()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	a, b := socket{os.NewFile(uintptr(pair[0]), "one end")}, socket{os.NewFile(uintptr(pair[1]), "other end")}
	t.Cleanup(func() { a.file.Close(); b.file.Close() })
	return a, b
}

// serving is a network process's end, whose error comes when it has ended, and
// what it hears from.
func serving(t *testing.T) (<-chan error, socket) {
	t.Helper()
	mine, theirs := ends(t)
	ended := make(chan error, 1)
	var running sync.WaitGroup
	running.Go(func() {
		ended <- newLauncher(mine).Serve(context.Background(), nobody{})
	})
	t.Cleanup(func() { theirs.file.Close(); running.Wait() })
	return ended, theirs
}

// receiving is a launcher's end, and what it hears from.
func receiving(t *testing.T) (*Process, socket) {
	t.Helper()
	mine, theirs := ends(t)
	p := &Process{socket: mine, ended: make(chan struct{}), waiting: map[uint64]chan reply{}, made: map[uint64]chan error{}, opening: make(chan struct{}, maxOpening), life: t.Context()}
	var running sync.WaitGroup
	running.Go(p.receive)
	t.Cleanup(func() { theirs.file.Close(); running.Wait() })
	return p, theirs
}

// nobody does nothing.
type nobody struct{}

func (nobody) Attach(f *os.File) error     { return f.Close() }
func (nobody) Publish(Port) error          { return nil }
func (nobody) Listen(Port, int, int) error { return nil }
func (nobody) Decide(Flow) Answer          { return Answer{} }
func (nobody) Grant(manifest.Egress)       {}

// FuzzMessage: what can be read is what would be written, and all addresses in
// it are such.
func FuzzMessage(f *testing.F) {
	for k, sample := range samples() {
		f.Add(written(k, sample))
	}
	f.Fuzz(func(t *testing.T, message []byte) {
		if len(message) == 0 || bodies()[kind(message[0])] == nil {
			return
		}
		k := kind(message[0])
		v := bodies()[k]()
		if decode(message[1:], v) != nil {
			return
		}
		again := bodies()[k]()
		if err := decode(written(k, v)[1:], again); err != nil || !reflect.DeepEqual(v, again) {
			t.Errorf("%+v is written and read as %+v, %v", v, again, err)
		}
		e, ok := v.(*event)
		if !ok {
			return
		}
		told, err := e.event()
		if err != nil {
			return
		}
		for _, a := range told.Addresses {
			if a == (netip.Addr{}) {
				t.Errorf("%+v has no address", told)
			}
		}
		if told.Flow != nil && !told.Flow.To.IsValid() {
			t.Errorf("%+v goes nowhere", told)
		}
	})
}
