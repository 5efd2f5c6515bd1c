package resolver

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"testing"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/least-privilege/lpm/enforcer/network/policy"
)

// queryFor is a container's query for the addresses of a name.
func queryFor(name string) dnsmessage.Message {
	return dnsmessage.Message{
		Header:    dnsmessage.Header{ID: 7, RecursionDesired: true},
		Questions: []dnsmessage.Question{{Name: dnsmessage.MustNewName(name + "."), Type: a4, Class: dnsmessage.ClassINET}},
	}
}

func optRecord(size int, version byte, options ...dnsmessage.Option) dnsmessage.Resource {
	r := dnsmessage.Resource{Body: &dnsmessage.OPTResource{Options: options}}
	r.Header.SetEDNS0(size, 0, true)
	r.Header.TTL |= uint32(version) << 16
	return r
}

// Queries that are odd or faulty get the codes of RFC 1035 and RFC 6891.
func TestOddQueries(t *testing.T) {
	b := newRig(t, []string{"api.example.com"}, newUpstream(t, zone("api.example.com 60 A 192.0.2.1")))
	for _, c := range []struct {
		name   string
		change func(*dnsmessage.Message)
		want   dnsmessage.RCode
	}{
		{"plain", func(*dnsmessage.Message) {}, ok},
		{"no recursion wanted", func(m *dnsmessage.Message) { m.RecursionDesired = false }, ok},
		{"EDNS", func(m *dnsmessage.Message) { m.Additionals = []dnsmessage.Resource{optRecord(1232, 0)} }, ok},
		{"EDNS of another version", func(m *dnsmessage.Message) { m.Additionals = []dnsmessage.Resource{optRecord(1232, 1)} }, ok}, // BADVERS, below
		{"two EDNS records", func(m *dnsmessage.Message) {
			m.Additionals = []dnsmessage.Resource{optRecord(1232, 0), optRecord(1232, 0)}
		}, dnsmessage.RCodeFormatError},
		{"EDNS of a name", func(m *dnsmessage.Message) {
			m.Additionals = []dnsmessage.Resource{optRecord(1232, 0)}
			m.Additionals[0].Header.Name = dnsmessage.MustNewName("example.com.")
		}, dnsmessage.RCodeFormatError},
		{"a status query", func(m *dnsmessage.Message) { m.OpCode = 2 }, dnsmessage.RCodeNotImplemented},
		{"an update", func(m *dnsmessage.Message) { m.OpCode = 5 }, dnsmessage.RCodeNotImplemented},
		{"another class", func(m *dnsmessage.Message) { m.Questions[0].Class = dnsmessage.ClassCHAOS }, dnsmessage.RCodeRefused},
		{"no question", func(m *dnsmessage.Message) { m.Questions = nil }, dnsmessage.RCodeFormatError},
	} {
		q := queryFor("api.example.com")
		c.change(&q)
		if m := b.send(t, q, false); m.RCode != c.want || m.OpCode != q.OpCode || m.RecursionDesired != q.RecursionDesired || !m.RecursionAvailable || m.Authoritative || m.AuthenticData {
			t.Errorf("%s: %s, want %s", c.name, m.GoString(), c.want)
		}
	}
	two := queryFor("api.example.com")
	two.Questions = append(two.Questions, two.Questions[0])
	cut := pack(queryFor("api.example.com"))
	large := append(pack(queryFor("api.example.com")), make([]byte, maxQuery)...)
	binary.BigEndian.PutUint16(large[10:], 1)
	for name, raw := range map[string][]byte{"two questions": pack(two), "cut off": cut[:len(cut)-1], "large": large} {
		var m dnsmessage.Message
		if err := m.Unpack(b.Answer(t.Context(), raw, false)); err != nil || m.RCode != dnsmessage.RCodeFormatError || m.ID != 7 {
			t.Errorf("%s: %s, %v", name, m.GoString(), err)
		}
	}
	answer := queryFor("api.example.com")
	answer.Response = true
	for name, raw := range map[string][]byte{"a reply": pack(answer), "nothing": nil, "a short one": cut[:11]} {
		if got := b.Answer(t.Context(), raw, false); got != nil {
			t.Errorf("%s was answered by %x", name, got)
		}
	}
}

func TestBadVersion(t *testing.T) {
	u := newUpstream(t, zone("api.example.com 60 A 192.0.2.1"))
	b := newRig(t, []string{"api.example.com"}, u)
	q := queryFor("api.example.com")
	q.Additionals = []dnsmessage.Resource{optRecord(1232, 1)}
	m := b.send(t, q, false)
	if len(m.Additionals) != 1 || m.Additionals[0].Header.ExtendedRCode(m.RCode) != badVersion || len(m.Answers) != 0 {
		t.Errorf("EDNS of another version: %s", m.GoString())
	}
}

// What goes to the server is the name and the type, and nothing else of the
// container's query.
func TestNothingElseGoesOut(t *testing.T) {
	u := newUpstream(t, zone("api.example.com 0 A 192.0.2.1"))
	b := newRig(t, []string{"api.example.com"}, u)
	secret := []byte("a secret of the container")
	q := queryFor("aPi.exAmple.com")
	q.ID, q.CheckingDisabled, q.AuthenticData = 0x5ec7, true, true
	q.Additionals = []dnsmessage.Resource{
		optRecord(4000, 0, dnsmessage.Option{Code: 10, Data: secret}),
		{Header: dnsmessage.ResourceHeader{Name: dnsmessage.MustNewName("secret.example."), Type: dnsmessage.TypeTXT, Class: dnsmessage.ClassINET}, Body: &dnsmessage.TXTResource{TXT: []string{string(secret)}}},
	}
	q.Answers, q.Authorities = q.Additionals[1:], q.Additionals[1:]
	const times = 64
	for range times {
		if m := b.send(t, q, false); addresses(m) != "192.0.2.1" || len(m.Additionals) != 1 || len(m.Additionals[0].Body.(*dnsmessage.OPTResource).Options) != 0 {
			t.Fatalf("the reply: %s", m.GoString())
		}
	}
	ids, spellings, ports := map[uint16]bool{}, map[string]bool{}, map[string]bool{}
	for _, a := range u.questions() {
		ids[a.ID], spellings[a.Questions[0].Name.String()], ports[a.from] = true, true, true
		want := question{a.ID, a.Questions[0].Name, a4}
		if raw, err := want.pack(true); err != nil || !bytes.Equal(raw, a.raw) || lower(want.name) != "api.example.com" {
			t.Errorf("the server was sent %x, want %x (%v)", a.raw, raw, err)
		}
		if bytes.Contains(a.raw, secret) {
			t.Errorf("the server was sent the secret: %x", a.raw)
		}
	}
	// 64 of 65536 identifiers, of 8192 spellings, and of the ports that are free.
	if len(ids) < times-8 || len(spellings) < times-8 || len(ports) < times/4 {
		t.Errorf("%d identifiers, %d spellings and %d ports in %d questions", len(ids), len(spellings), len(ports), times)
	}
}

// Types other than addresses have no data, and nobody else is asked for them.
func TestOtherTypes(t *testing.T) {
	u := newUpstream(t, zone("api.example.com 60 A 192.0.2.1"))
	b := newRig(t, []string{"api.example.com"}, u)
	for _, kind := range []dnsmessage.Type{
		dnsmessage.TypeTXT, dnsmessage.TypeMX, dnsmessage.TypeSRV, dnsmessage.TypeNS, dnsmessage.TypeSOA, dnsmessage.TypeCNAME,
		dnsmessage.TypePTR, dnsmessage.TypeHTTPS, dnsmessage.TypeSVCB, dnsmessage.TypeALL, dnsmessage.TypeAXFR, 0, 10, 65280, 65535,
	} {
		for name, want := range map[string]dnsmessage.RCode{"api.example.com": ok, "other.example.com": gone} {
			if m := b.ask(t, name, kind); m.RCode != want || len(m.Answers) != 0 {
				t.Errorf("%s %s: %s", name, kind, m.GoString())
			}
			if l := b.told(t); l.Name != name || l.Verdict.Allowed != (want == ok) || l.Type != typeName(kind) {
				t.Errorf("%s %s: the observer was told %+v", name, kind, l)
			}
		}
	}
	if asked := u.questions(); len(asked) != 0 {
		t.Errorf("the server was asked %d questions", len(asked))
	}
	if got := []string{typeName(a4), typeName(a6), typeName(65280)}; !slices.Equal(got, []string{"A", "AAAA", "65280"}) {
		t.Errorf("the types are called %q", got)
	}
}

// Nobody is told of a name that is not granted but the observer.
func TestRefusedName(t *testing.T) {
	u := newUpstream(t, zone())
	b := newRig(t, []string{"api.example.com", "*.wild.example.com"}, u)
	for name, want := range map[string]policy.Reason{
		"other.example.com":                            policy.NameNotGranted,
		"deep.api.example.com":                         policy.NameNotGranted,
		"wild.example.com":                             policy.NameNotGranted,
		"1.2.3.4.5.6.wild.example.com":                 policy.LongName,
		"c2VjcmV0\x01.wild.example.com":                policy.BadName,
		"1.2.0.192.in-addr.arpa":                       policy.Reverse,
		"x.2.0.192.in-addr.arpa":                       policy.Reverse,
		"1.0.ip6.arpa":                                 policy.Reverse,
		fmt.Sprintf("%0100d.wild.example.com", 1)[40:]: policy.ByWildcard,
	} {
		m := b.ask(t, name, a4)
		if (m.RCode == gone) != (want < policy.ByBlock) {
			t.Errorf("%q: %s", name, m.RCode)
		}
		if l := b.told(t); l.Name != name || l.Verdict.Reason != want {
			t.Errorf("%q: the observer was told %+v, want %v", name, l, want)
		}
	}
	if asked := u.questions(); len(asked) != 1 {
		t.Errorf("the server was asked %d questions, want that of the granted name", len(asked))
	}
}
