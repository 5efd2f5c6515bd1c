package resolver

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/least-privilege/lpm/enforcer/network/policy"
)

const (
	a4    = dnsmessage.TypeA
	a6    = dnsmessage.TypeAAAA
	ok    = dnsmessage.RCodeSuccess
	gone  = dnsmessage.RCodeNameError
	fails = dnsmessage.RCodeServerFailure
)

func TestNames(t *testing.T) {
	u := newUpstream(t, zone(
		"api.example.com 60 A 192.0.2.1", "api.example.com 60 A 192.0.2.2", "api.example.com 60 AAAA 2001:db8::1",
		"www.example.com 60 CNAME edge.example.net", "edge.example.net 20 CNAME a.edge.example.net", "a.edge.example.net 30 A 198.51.100.7",
		"x.wild.example.com 60 A 192.0.2.9", "wild.example.com 60 A 192.0.2.8",
		"secret.example.org 60 A 203.0.113.1", "gone.example.com 60 NXDOMAIN",
	))
	b := newRig(t, []string{"api.example.com", "www.example.com", "*.wild.example.com", "gone.example.com"}, u)
	for _, c := range []struct {
		name string
		kind dnsmessage.Type
		code dnsmessage.RCode
		want string
		ttl  uint32
	}{
		{"api.example.com", a4, ok, "192.0.2.1 192.0.2.2", 60},
		{"API.Example.com", a4, ok, "192.0.2.1 192.0.2.2", 60},
		{"api.example.com", a6, ok, "2001:db8::1", 60},
		{"www.example.com", a4, ok, "198.51.100.7", 20},
		{"www.example.com", a6, ok, "", 0},
		{"x.wild.example.com", a4, ok, "192.0.2.9", 60},
		{"x.wild.example.com", a6, ok, "", 0},
		{"wild.example.com", a4, gone, "", 0},
		{"secret.example.org", a4, gone, "", 0},
		{"edge.example.net", a4, gone, "", 0},
		{"gone.example.com", a4, gone, "", 0},
		{"192.0.2.1", a4, gone, "", 0},
		{"localhost", a4, ok, "127.0.0.1", 3600},
		{"api.localhost", a6, ok, "::1", 3600},
	} {
		t.Run(c.name+" "+typeName(c.kind), func(t *testing.T) {
			m := b.ask(t, c.name, c.kind)
			if m.RCode != c.code || addresses(m) != c.want {
				t.Errorf("%s with %q, want %s with %q", m.RCode, addresses(m), c.code, c.want)
			}
			for _, r := range m.Answers {
				if r.Header.TTL != c.ttl || r.Header.Name != m.Questions[0].Name {
					t.Errorf("%s, want a time to live of %d", r.GoString(), c.ttl)
				}
			}
		})
	}
	for _, q := range u.questions() {
		if name := lower(q.Questions[0].Name); name == "secret.example.org" || name == "wild.example.com" {
			t.Errorf("the server was asked for %s, which is not granted", name)
		}
	}
}

func TestPinned(t *testing.T) {
	u := newUpstream(t, zone("www.example.com 60 CNAME edge.example.net", "edge.example.net 20 A 198.51.100.7"))
	b := newRig(t, []string{"www.example.com"}, u)
	b.ask(t, "WWW.example.com", a4)
	m := b.ask(t, "7.100.51.198.in-addr.arpa", dnsmessage.TypePTR)
	if len(m.Answers) != 1 || m.Answers[0].Body.(*dnsmessage.PTRResource).PTR.String() != "www.example.com." {
		t.Errorf("the address's name: %s", m.GoString())
	}
	if l := b.told(t); !l.Verdict.Allowed || l.Type != "PTR" {
		t.Errorf("the observer was told %+v", l)
	}
	for addr, name := range map[string]string{
		"2001:db8::567:89ab": "b.a.9.8.7.6.5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa",
		"192.0.2.1":          "1.2.0.192.IN-ADDR.arpa",
	} {
		for i := range maxNames + 3 {
			b.pins.Pin(fmt.Sprintf("n%d.example.com", i), netip.MustParseAddr(addr), time.Hour, b.now)
		}
		if m := b.ask(t, name, dnsmessage.TypePTR); len(m.Answers) != maxNames {
			t.Errorf("the names of %s: %s", addr, m.GoString())
		}
		if m := b.ask(t, name, dnsmessage.TypeTXT); m.RCode != ok || len(m.Answers) != 0 {
			t.Errorf("the text of %s: %s", addr, m.GoString())
		}
	}
	if m = b.ask(t, "8.100.51.198.in-addr.arpa", dnsmessage.TypePTR); m.RCode != gone {
		t.Errorf("an address of no name: %s", m.GoString())
	}
	if l := b.told(t); l.Verdict.Allowed || l.Verdict.Reason != policy.Reverse {
		t.Errorf("the observer was told %+v", l)
	}
}
