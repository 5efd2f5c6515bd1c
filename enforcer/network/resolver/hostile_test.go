package resolver

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

// answered is what a server says for the question, with changes.
func answered(q dnsmessage.Message, addr string, change func(*dnsmessage.Message)) []byte {
	m := answerTo(q)
	r := record("x 60 A " + addr)
	r.Header.Name = q.Questions[0].Name
	m.Answers = append(m.Answers, r)
	if change != nil {
		change(&m)
	}
	return pack(m)
}

// A server, or who pretends to be it, may send what it likes.
func TestLies(t *testing.T) {
	right := func(q dnsmessage.Message) []byte { return answered(q, "192.0.2.1", nil) }
	// before sends a message before the right one.
	before := func(change func(*dnsmessage.Message)) handler {
		return func(q dnsmessage.Message, tcp bool) [][]byte {
			if tcp {
				return [][]byte{right(q)}
			}
			return [][]byte{answered(q, "203.0.113.66", change), right(q)}
		}
	}
	// only sends one message, by UDP and TCP.
	only := func(change func(*dnsmessage.Message)) handler {
		return func(q dnsmessage.Message, _ bool) [][]byte { return [][]byte{answered(q, "203.0.113.66", change)} }
	}
	respell := func(to func(string) string) func(*dnsmessage.Message) {
		return func(m *dnsmessage.Message) {
			n := dnsmessage.MustNewName(to(m.Questions[0].Name.String()))
			m.Questions = []dnsmessage.Question{{Name: n, Type: m.Questions[0].Type, Class: m.Questions[0].Class}}
			m.Answers[0].Header.Name = n
		}
	}
	for _, c := range []struct {
		name   string
		handle handler
		code   dnsmessage.RCode
		want   string
		tcp    bool // that the server was asked by TCP at last
	}{
		{"the truth", only(nil), ok, "203.0.113.66", false},
		{"another identifier first", before(func(m *dnsmessage.Message) { m.ID++ }), ok, "192.0.2.1", false},
		{"a query first", before(func(m *dnsmessage.Message) { m.Response = false }), ok, "192.0.2.1", false},
		{"another operation first", before(func(m *dnsmessage.Message) { m.OpCode = 4 }), ok, "192.0.2.1", false},
		{"another name first", before(respell(func(string) string { return "evil.example.com." })), ok, "192.0.2.1", false},
		{"another type first", before(func(m *dnsmessage.Message) {
			m.Questions = []dnsmessage.Question{{Name: m.Questions[0].Name, Type: a6, Class: dnsmessage.ClassINET}}
		}), ok, "192.0.2.1", false},
		{"another class first", before(func(m *dnsmessage.Message) {
			m.Questions = []dnsmessage.Question{{Name: m.Questions[0].Name, Type: a4, Class: dnsmessage.ClassCHAOS}}
		}), ok, "192.0.2.1", false},
		{"truncated in the middle of a record", func(q dnsmessage.Message, tcp bool) [][]byte {
			if tcp {
				return [][]byte{right(q)}
			}
			b := answered(q, "203.0.113.66", func(m *dnsmessage.Message) { m.Truncated = true })
			return [][]byte{b[:len(b)-3]}
		}, ok, "192.0.2.1", true},
		{"no question first", before(func(m *dnsmessage.Message) { m.Questions = nil }), ok, "192.0.2.1", false},
		{"two questions first", before(func(m *dnsmessage.Message) { m.Questions = append(m.Questions[:1:1], m.Questions[0]) }), ok, "192.0.2.1", false},
		{"another spelling, which a guess would have", before(respell(strings.ToLower)), ok, "192.0.2.1", true},
		{"noise first", func(q dnsmessage.Message, _ bool) [][]byte {
			return [][]byte{{1, 2, 3}, {}, make([]byte, 12), right(q)}
		}, ok, "192.0.2.1", false},
		{"a flood first", func(q dnsmessage.Message, tcp bool) [][]byte {
			if tcp {
				return [][]byte{right(q)}
			}
			return make([][]byte, maxStrays)
		}, ok, "192.0.2.1", true},
		{"a server that knows no capitals", only(respell(strings.ToLower)), ok, "203.0.113.66", true},
		{"records of another name", only(func(m *dnsmessage.Message) {
			m.Answers[0].Header.Name = dnsmessage.MustNewName("evil.example.com.")
		}), ok, "", false},
		{"records of another class", only(func(m *dnsmessage.Message) { m.Answers[0].Header.Class = dnsmessage.ClassCHAOS }), ok, "", false},
		{"records of another type", only(func(m *dnsmessage.Message) {
			m.Answers[0].Header.Type, m.Answers[0].Body = a6, &dnsmessage.AAAAResource{AAAA: [16]byte{0x20, 1, 15: 1}}
		}), ok, "", false},
		{"records beside the answer", only(func(m *dnsmessage.Message) { m.Additionals, m.Authorities, m.Answers = m.Answers, m.Answers, nil }), ok, "", false},
		{"no such name, and its address", only(func(m *dnsmessage.Message) { m.RCode = gone }), gone, "", false},
		{"a circle", zone("api.example.com 60 CNAME b.example.com", "b.example.com 60 CNAME api.example.com"), fails, "", false},
		{"itself", zone("api.example.com 60 CNAME api.example.com"), fails, "", false},
		{"what is no host's name", zone("api.example.com 60 CNAME a/b.example.com", "a/b.example.com 60 A 192.0.2.1"), fails, "", false},
		{"an address for a name", zone("api.example.com 60 CNAME 192.0.2.1"), fails, "", false},
		{"refused", only(func(m *dnsmessage.Message) { m.RCode, m.Answers = dnsmessage.RCodeRefused, nil }), fails, "", false},
		{"server failure, with an address", only(func(m *dnsmessage.Message) { m.RCode = fails }), fails, "", false},
		{"server failure without the question", only(func(m *dnsmessage.Message) { m.RCode, m.Answers, m.Questions = fails, nil, nil }), fails, "", false},
		{"truncated by TCP too", only(func(m *dnsmessage.Message) { m.Truncated = true }), fails, "", true},
		{"cut off", func(q dnsmessage.Message, _ bool) [][]byte { b := right(q); return [][]byte{b[:len(b)-1]} }, fails, "", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			u := newUpstream(t, c.handle)
			b := newRig(t, []string{"api.example.com"}, u)
			m := b.ask(t, "api.example.com", a4)
			if m.RCode != c.code || addresses(m) != c.want {
				t.Errorf("%s with %q, want %s with %q", m.RCode, addresses(m), c.code, c.want)
			}
			asked := u.questions()
			if last := asked[len(asked)-1]; last.tcp != c.tcp {
				t.Errorf("the server was asked by TCP at last: %v, want %v", last.tcp, c.tcp)
			}
			if l := b.told(t); (l.Err != nil) != (c.code == fails) || c.code == fails && !errors.Is(l.Err, ErrAnswer) {
				t.Errorf("the observer was told of %v", l.Err)
			}
			if n := len(strings.Fields(c.want)); b.pins.Len() != n {
				t.Errorf("%d addresses are pinned, want %d", b.pins.Len(), n)
			}
			if b.down != nil {
				t.Errorf("a server that answers was taken for dead: %v", b.down)
			}
		})
	}
}

// Who is not the server is not heard, even if he knows all of the question.
func TestForgery(t *testing.T) {
	u := newUpstream(t, nil)
	u.answerBy(func(q dnsmessage.Message, _ bool) [][]byte {
		other, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Error(err)
			return nil
		}
		defer other.Close()
		asked := u.questions()
		to, err := net.ResolveUDPAddr("udp", asked[len(asked)-1].from)
		if err != nil {
			t.Error(err)
			return nil
		}
		if _, err := other.WriteTo(answered(q, "203.0.113.66", nil), to); err != nil {
			t.Error(err)
		}
		return [][]byte{answered(q, "192.0.2.1", nil)}
	})
	b := newRig(t, []string{"api.example.com"}, u)
	if got := addresses(b.ask(t, "api.example.com", a4)); got != "192.0.2.1" {
		t.Errorf("the answer has %q", got)
	}
}

// A chain whose end the server leaves out is followed, as far as is sensible.
func TestChains(t *testing.T) {
	// next leads from n.example.net to the one after it, alone.
	next := func(last int) handler {
		return func(q dnsmessage.Message, tcp bool) [][]byte {
			name := lower(q.Questions[0].Name)
			var n int
			if _, err := fmt.Sscanf(name, "n%d.example.net", &n); err != nil && name != "api.example.com" {
				t.Errorf("the server was asked for %s", name)
			}
			if n == last {
				return zone(name+" 50 A 192.0.2.1")(q, tcp)
			}
			return zone(fmt.Sprintf("%s %d CNAME n%d.example.net", name, 40+n, n+1))(q, tcp)
		}
	}
	for _, c := range []struct {
		last  int
		code  dnsmessage.RCode
		asked int
	}{{1, ok, 2}, {maxHops - 1, ok, maxHops}, {maxHops, fails, maxHops}, {1 << 30, fails, maxHops}} {
		u := newUpstream(t, next(c.last))
		b := newRig(t, []string{"api.example.com"}, u)
		m := b.ask(t, "api.example.com", a4)
		if m.RCode != c.code || (m.RCode == ok) != (addresses(m) == "192.0.2.1") || len(u.questions()) != c.asked {
			t.Errorf("a chain of %d: %s with %q after %d questions", c.last, m.RCode, addresses(m), len(u.questions()))
		}
		if m.RCode == ok && m.Answers[0].Header.TTL != 40 {
			t.Errorf("a chain of %d may be kept for %d seconds", c.last, m.Answers[0].Header.TTL)
		}
	}
	// A circle over several answers.
	u := newUpstream(t, func(q dnsmessage.Message, tcp bool) [][]byte {
		to := "a.example.net"
		if lower(q.Questions[0].Name) == to {
			to = "api.example.com"
		}
		return zone(lower(q.Questions[0].Name)+" 60 CNAME "+to)(q, tcp)
	})
	if m := newRig(t, []string{"api.example.com"}, u).ask(t, "api.example.com", a4); m.RCode != fails || len(u.questions()) > 4 {
		t.Errorf("a circle: %s after %d questions", m.RCode, len(u.questions()))
	}
}

// Large answers come by TCP, and are used in part.
func TestLargeAnswer(t *testing.T) {
	var lines []string
	for i := range 400 {
		lines = append(lines, fmt.Sprintf("api.example.com 60 A 198.51.%d.%d", 100+i/200, i%200+1))
	}
	whole := zone(lines...)
	u := newUpstream(t, func(q dnsmessage.Message, tcp bool) [][]byte {
		if !tcp {
			return [][]byte{answered(q, "203.0.113.66", func(m *dnsmessage.Message) { m.Truncated = true })}
		}
		return whole(q, tcp)
	})
	b := newRig(t, []string{"api.example.com"}, u)
	if m := b.ask(t, "api.example.com", a4); len(m.Answers) != maxAddrs || strings.Contains(addresses(m), "203.0.113.66") {
		t.Errorf("%d addresses: %s", len(m.Answers), addresses(m))
	}
	if n := b.pins.Len(); n != maxAddrs {
		t.Errorf("%d addresses are pinned", n)
	}
	huge := newUpstream(t, func(q dnsmessage.Message, _ bool) [][]byte {
		return [][]byte{answered(q, "192.0.2.1", func(m *dnsmessage.Message) {
			for range maxRecords {
				m.Answers = append(m.Answers, m.Answers[0])
			}
			m.Truncated = false
		})}
	})
	b = newRig(t, []string{"api.example.com"}, huge)
	write(t, b.conf, "options use-vc\nnameserver 192.0.2.53\n")
	if m := b.ask(t, "api.example.com", a4); m.RCode != fails {
		t.Errorf("more records than are read: %s", m.RCode)
	}
}

// An old server is asked again without EDNS.
func TestNoEDNS(t *testing.T) {
	for _, code := range []dnsmessage.RCode{dnsmessage.RCodeFormatError, dnsmessage.RCodeNotImplemented} {
		u := newUpstream(t, func(q dnsmessage.Message, _ bool) [][]byte {
			if len(q.Additionals) > 0 {
				return [][]byte{pack(dnsmessage.Message{Header: dnsmessage.Header{ID: q.ID, Response: true, RCode: code}})}
			}
			return [][]byte{answered(q, "192.0.2.1", nil)}
		})
		if got := addresses(newRig(t, []string{"api.example.com"}, u).ask(t, "api.example.com", a4)); got != "192.0.2.1" {
			t.Errorf("%s to EDNS: %q", code, got)
		}
	}
}
