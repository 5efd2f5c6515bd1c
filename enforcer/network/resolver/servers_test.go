package resolver

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// piped makes a rig reach its servers by pipes, in whose world time passes only
// when everybody waits: a server that never answers costs no time there. The
// servers are by their addresses, and a handler that returns nil is silent.
func piped(t *testing.T, granted []string, servers map[string]handler) *rig {
	t.Helper()
	b := newRig(t, granted)
	b.config.Now = time.Now
	var wait sync.WaitGroup
	b.config.Dial = func(_ context.Context, network, address string) (net.Conn, error) {
		handle, known := servers[netip.MustParseAddrPort(address).Addr().String()]
		if !known {
			return nil, &net.OpError{Op: "dial", Net: network, Err: syscall.ENETUNREACH}
		}
		ours, theirs := net.Pipe()
		wait.Go(func() {
			defer theirs.Close()
			servePipe(theirs, network == "tcp", handle)
		})
		return ours, nil
	}
	t.Cleanup(wait.Wait)
	return b
}

func servePipe(conn net.Conn, tcp bool, handle handler) {
	b := make([]byte, 65535)
	n, err := conn.Read(b)
	if err != nil {
		return
	}
	var q dnsmessage.Message
	if err := q.Unpack(b[:n][btoi(tcp)*2:]); err != nil {
		return
	}
	for _, m := range handle(q, tcp) {
		if tcp {
			m = append(binary.BigEndian.AppendUint16(nil, uint16(len(m))), m...)
		}
		if _, err := conn.Write(m); err != nil {
			return
		}
	}
	io.Copy(io.Discard, conn)
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

func silent(dnsmessage.Message, bool) [][]byte { return nil }

const threeServers = "nameserver 192.0.2.53\nnameserver 192.0.2.54\nnameserver 2001:db8::53\noptions timeout:3 attempts:2\n"

func TestSecondServer(t *testing.T) {
	answer := zone("api.example.com 0 A 192.0.2.1")
	says := func(code dnsmessage.RCode) handler {
		return func(q dnsmessage.Message, _ bool) [][]byte {
			m := answerTo(q)
			m.RCode = code
			return [][]byte{pack(m)}
		}
	}
	noTCP := func(q dnsmessage.Message, tcp bool) [][]byte {
		if tcp {
			return nil
		}
		return [][]byte{answered(q, "203.0.113.66", func(m *dnsmessage.Message) { m.Truncated = true })}
	}
	for name, first := range map[string]handler{
		"silent": silent, "fails": says(fails), "refuses": says(dnsmessage.RCodeRefused), "truncates, and is silent by TCP": noTCP,
		"sends what is no answer": func(q dnsmessage.Message, _ bool) [][]byte { q.ID++; return [][]byte{answered(q, "203.0.113.66", nil)} },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := piped(t, []string{"api.example.com"}, map[string]handler{"192.0.2.53": first, "2001:db8::53": answer})
				write(t, b.conf, threeServers)
				if got := addresses(b.ask(t, "api.example.com", a4)); got != "192.0.2.1" {
					t.Errorf("the answer has %q", got)
				}
				if b.down != nil {
					t.Errorf("the observer was told %v", b.down)
				}
			})
		})
	}
}

// A server that did not answer is asked after the others for a while.
func TestRestingServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var first, second atomic.Int32
		answer := zone("api.example.com 0 A 192.0.2.1")
		b := piped(t, []string{"api.example.com"}, map[string]handler{
			"192.0.2.53": func(dnsmessage.Message, bool) [][]byte { first.Add(1); return nil },
			"192.0.2.54": func(q dnsmessage.Message, tcp bool) [][]byte { second.Add(1); return answer(q, tcp) },
		})
		write(t, b.conf, threeServers)
		for range 5 {
			b.ask(t, "api.example.com", a4)
		}
		if first.Load() != 1 || second.Load() != 5 {
			t.Errorf("the silent server was asked %d times, the other %d times", first.Load(), second.Load())
		}
		time.Sleep(resting)
		b.ask(t, "api.example.com", a4)
		if first.Load() != 2 {
			t.Errorf("the silent server was asked %d times in all", first.Load())
		}
	})
}

// One that answers again is asked first again.
func TestRestedServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var first, second atomic.Int32
		answer := zone("api.example.com 0 A 192.0.2.1")
		b := piped(t, []string{"api.example.com"}, map[string]handler{
			"192.0.2.53": func(q dnsmessage.Message, tcp bool) [][]byte {
				if first.Add(1) == 1 {
					return nil
				}
				return answer(q, tcp)
			},
			"192.0.2.54": func(q dnsmessage.Message, tcp bool) [][]byte {
				m := answerTo(q)
				if second.Add(1) > 1 {
					m.RCode = fails
					return [][]byte{pack(m)}
				}
				return answer(q, tcp)
			},
		})
		write(t, b.conf, "nameserver 192.0.2.53\nnameserver 192.0.2.54\n")
		for i, want := range [][2]int32{{1, 1}, {2, 2}, {3, 2}} {
			b.ask(t, "api.example.com", a4)
			if got := [2]int32{first.Load(), second.Load()}; got != want {
				t.Errorf("after %d questions the servers were asked %v times, want %v", i+1, got, want)
			}
		}
	})
}

// Where no server answers, the observer is told once, and again after one did.
func TestAllDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var working atomic.Bool
		answer := zone("api.example.com 0 A 192.0.2.1")
		b := piped(t, []string{"api.example.com", "www.example.com"}, map[string]handler{
			"192.0.2.53": silent,
			"192.0.2.54": func(q dnsmessage.Message, tcp bool) [][]byte {
				if working.Load() {
					return answer(q, tcp)
				}
				return nil
			},
		})
		write(t, b.conf, threeServers)
		for _, step := range []struct {
			name    string
			working bool
			code    dnsmessage.RCode
			down    int
		}{
			{"api.example.com", false, fails, 1}, {"api.example.com", false, fails, 1}, {"www.example.com", false, fails, 1},
			{"api.example.com", true, ok, 1}, {"api.example.com", false, fails, 2}, {"other.example.com", false, gone, 2},
		} {
			working.Store(step.working)
			m := b.ask(t, step.name, a4)
			if m.RCode != step.code || len(b.down) != step.down {
				t.Errorf("%s: %s, and the observer was told %d times, want %s and %d", step.name, m.RCode, len(b.down), step.code, step.down)
			}
			if l := b.told(t); step.code == fails && !errors.Is(l.Err, ErrUnreachable) {
				t.Errorf("%s: the observer was told of %v", step.name, l.Err)
			}
		}
		text := b.down[0].Error()
		for _, want := range []string{b.conf + " names 192.0.2.53 (", "i/o timeout", "2001:db8::53 (network is unreachable)"} {
			if !strings.Contains(text, want) {
				t.Errorf("%q does not say %q", text, want)
			}
		}
	})
}

// A question ends with its asker's patience, and says nothing about servers.
func TestCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := piped(t, []string{"api.example.com"}, map[string]handler{"192.0.2.53": silent})
		write(t, b.conf, "nameserver 192.0.2.53\n")
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan []byte)
		go func() { done <- b.Answer(ctx, pack(queryFor("api.example.com")), false) }()
		synctest.Wait()
		cancel()
		var m dnsmessage.Message
		if err := m.Unpack(<-done); err != nil || m.RCode != fails || b.down != nil {
			t.Errorf("%s, %v; the observer was told %v", m.RCode, err, b.down)
		}
		if len(b.flights) != 0 || len(b.asking) != 0 || len(b.answering) != 0 {
			t.Errorf("%d questions are still under way", len(b.flights))
		}
	})
}

// Those who ask the same wait for one answer, and each for as long as he likes.
func TestJoined(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan bool)
		var asked atomic.Int32
		answer := zone("api.example.com 0 A 192.0.2.1")
		b := piped(t, []string{"api.example.com"}, map[string]handler{"192.0.2.53": func(q dnsmessage.Message, tcp bool) [][]byte {
			asked.Add(1)
			<-release
			return answer(q, tcp)
		}})
		write(t, b.conf, "nameserver 192.0.2.53\n")
		ask := func(ctx context.Context, into chan<- dnsmessage.Message) {
			var m dnsmessage.Message
			if err := m.Unpack(b.Answer(ctx, pack(queryFor("api.example.com")), false)); err != nil {
				t.Error(err)
			}
			into <- m
		}
		const others = 20
		impatient, cancel := context.WithCancel(t.Context())
		left, got := make(chan dnsmessage.Message, 1), make(chan dnsmessage.Message, others)
		go ask(impatient, left) // asks the server
		synctest.Wait()
		for range others {
			go ask(t.Context(), got)
		}
		synctest.Wait()
		if asked.Load() != 1 {
			t.Errorf("the server was asked %d times, want once", asked.Load())
		}
		cancel() // one of the others takes over
		if m := <-left; m.RCode != fails {
			t.Errorf("who gave up was told %s", m.RCode)
		}
		synctest.Wait()
		close(release)
		for range others {
			if m := <-got; addresses(m) != "192.0.2.1" {
				t.Errorf("who waited was told %s with %q", m.RCode, addresses(m))
			}
		}
		if asked.Load() != 2 {
			t.Errorf("the server was asked %d times, want twice", asked.Load())
		}
	})
}

// What a container can have under way at once is bounded.
func TestFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var at, most atomic.Int32
		b := piped(t, []string{"*.example.com"}, map[string]handler{"192.0.2.53": func(dnsmessage.Message, bool) [][]byte {
			most.Store(max(most.Load(), at.Add(1)))
			defer at.Add(-1)
			time.Sleep(time.Second)
			return nil
		}})
		b.limit.last = time.Now().Add(time.Hour) // no bound of the rate
		b.limit.used = -1e9
		write(t, b.conf, "nameserver 192.0.2.53\noptions attempts:1\n")
		var wait sync.WaitGroup
		var replies, none atomic.Int32
		for i := range 2 * maxAnswers {
			wait.Go(func() {
				name := strings.Repeat("a", i%50+1) + "." + strings.Repeat("b", i/50+1) + ".example.com"
				if b.Answer(t.Context(), pack(queryFor(name)), false) == nil {
					none.Add(1)
				} else {
					replies.Add(1)
				}
			})
		}
		wait.Wait()
		if replies.Load() != maxAnswers || none.Load() != maxAnswers {
			t.Errorf("%d questions were answered and %d were not, want %d each", replies.Load(), none.Load(), maxAnswers)
		}
		if most.Load() > maxAsked || most.Load() < 2 {
			t.Errorf("the server was asked %d questions at once, want %d at most", most.Load(), maxAsked)
		}
	})
}
