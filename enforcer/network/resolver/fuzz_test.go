package resolver

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/least-privilege/lpm/enforcer/network/policy"
)

// parrot is a connection to a server that answers everything by one message,
// in which it puts the identifier and the question that make it an answer.
type parrot struct {
	net.Conn
	tcp     bool
	says    []byte
	pending []byte
}

func (p *parrot) Write(b []byte) (int, error) {
	q := b[btoi(p.tcp)*2:]
	m := slices.Clone(p.says)
	if len(m) >= 12 {
		copy(m, q[:2])
		// The question, where the message has room for one: names in it that
		// point to the question then lead somewhere.
		if end := len(q) - 11; len(m) >= end && binary.BigEndian.Uint16(m[4:]) == 1 {
			copy(m[12:], q[12:end])
		}
	}
	if p.tcp {
		m = append(binary.BigEndian.AppendUint16(nil, uint16(len(m))), m...)
	}
	p.pending = m
	return len(b), nil
}

func (p *parrot) Read(b []byte) (int, error) {
	if len(p.pending) == 0 {
		return 0, io.EOF
	}
	n := copy(b, p.pending)
	p.pending = p.pending[n:]
	return n, nil
}

func (p *parrot) Close() error                { return nil }
func (p *parrot) SetDeadline(time.Time) error { return nil }

// FuzzAnswer: whatever a container asks and a server answers, the reply can be
// read, is no longer than the client takes, and has addresses only of names
// that are granted, only such as names may lead to, and only pinned ones.
func FuzzAnswer(f *testing.F) {
	seedAnswers(f)
	dir := f.TempDir()
	write(f, dir+"/resolv.conf", "nameserver 192.0.2.53\noptions attempts:1\n")
	f.Fuzz(func(t *testing.T, query, says []byte, tcp bool) {
		var told []Lookup
		rules, pins := policy.New(grants("api.example.com", "*.wild.example.com")), policy.NewPins()
		now := time.Unix(1_800_000_000, 0)
		r := New(Config{
			Rules: func() *policy.Rules { return rules }, Pins: pins,
			ResolvConf: dir + "/resolv.conf", Hosts: dir + "/hosts", Now: func() time.Time { return now },
			Dial: func(_ context.Context, network, _ string) (net.Conn, error) {
				return &parrot{tcp: network == "tcp", says: says}, nil
			},
			Observer: Observer{Lookup: func(l Lookup) { told = append(told, l) }},
		})
		raw := r.Answer(t.Context(), query, tcp)
		if raw == nil {
			return
		}
		var m dnsmessage.Message
		if err := m.Unpack(raw); err != nil {
			t.Fatalf("the reply %x: %v", raw, err)
		}
		if !m.Response || m.ID != binary.BigEndian.Uint16(query) {
			t.Errorf("no reply to the query: %s", m.GoString())
		}
		if limit := limitOf(query, tcp); len(raw) > limit {
			t.Errorf("the reply has %d bytes, more than %d", len(raw), limit)
		}
		for _, a := range m.Answers {
			checkRecord(t, a, m.Questions[0], pins, now)
		}
		if len(told) > 1 {
			t.Errorf("the observer was told of %d look-ups", len(told))
		}
	})
}

func seedAnswers(f *testing.F) {
	for _, name := range []string{"api.example.com", "a.wild.example.com", "other.example.com", "localhost", "1.2.0.192.in-addr.arpa"} {
		for _, kind := range []dnsmessage.Type{a4, a6, dnsmessage.TypePTR} {
			q := queryFor(name)
			q.Questions[0].Type = kind
			q.Additionals = []dnsmessage.Resource{optRecord(600, 0)}
			addrs := zone(name+" 60 CNAME x.example.net", "x.example.net 60 A 192.0.2.1", "x.example.net 60 AAAA 2001:db8::1", "x.example.net 60 AAAA 64:ff9b::7f00:1", "x.example.net 60 A 127.0.0.1")
			f.Add(pack(q), addrs(q, false)[0], false)
			direct := zone(name+" 60 A 192.0.2.1", name+" 60 A 169.254.169.254", name+" 60 AAAA ::1", name+" 60 AAAA 2001:db8::1")
			f.Add(pack(q), direct(q, false)[0], true)
		}
	}
}

// limitOf says, in other words than the package's, how long a reply may be.
func limitOf(query []byte, tcp bool) int {
	if tcp {
		return 65535
	}
	var m dnsmessage.Message
	if err := m.Unpack(query); err == nil && len(m.Additionals) == 1 && m.Additionals[0].Header.Type == dnsmessage.TypeOPT {
		return max(512, min(4096, int(m.Additionals[0].Header.Class)))
	}
	return 4096
}

func checkRecord(t *testing.T, a dnsmessage.Resource, q dnsmessage.Question, pins *policy.Pins, now time.Time) {
	t.Helper()
	if a.Header.Type != q.Type || a.Header.Name != q.Name {
		t.Errorf("%s is no answer to %s", a.GoString(), q.GoString())
	}
	var addr netip.Addr
	switch body := a.Body.(type) {
	case *dnsmessage.AResource:
		addr = netip.AddrFrom4(body.A)
	case *dnsmessage.AAAAResource:
		addr = netip.AddrFrom16(body.AAAA)
	default:
		t.Errorf("%s is no address", a.GoString())
	}
	name, own := lower(q.Name), policy.New(grants("api.example.com", "*.wild.example.com"))
	if _, is := localhost(name, q.Type); is {
		if !addr.IsLoopback() {
			t.Errorf("%s has the address %s", name, addr)
		}
		return
	}
	if !own.Name(name).Allowed || !own.Address(name, addr, false).Allowed {
		t.Errorf("the container was told that %s has the address %s", name, addr)
	}
	if !slices.Contains(pins.Names(addr, now), name) {
		t.Errorf("%s is not pinned to %s", addr, name)
	}
}

// FuzzRead: whatever a server sends, reading it ends in an answer or in one of
// two errors.
func FuzzRead(f *testing.F) {
	q := queryFor("api.example.com")
	f.Add(zone("api.example.com 60 CNAME b.example.com", "b.example.com 60 A 192.0.2.1")(q, false)[0])
	f.Add(zone()(q, false)[0])
	f.Fuzz(func(t *testing.T, b []byte) {
		asked := question{7, q.Questions[0].Name, a4}
		got, err := asked.read(b)
		if err != nil {
			if !errors.Is(err, errStray) && !errors.Is(err, ErrAnswer) {
				t.Errorf("%x: %v", b, err)
			}
			return
		}
		if got.ttl < 0 || got.ttl > maxTTL || len(got.addrs) > maxAddrs || got.truncated && got.addrs != nil {
			t.Errorf("%x: %+v", b, got)
		}
		if _, canonical := policy.Canonical(got.end); got.end != "" && !canonical {
			t.Errorf("%x: its end is %q", b, got.end)
		}
	})
}
