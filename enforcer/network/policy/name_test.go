package policy

import (
	"strings"
	"testing"

	"github.com/least-privilege/lpm/manifest"
)

func TestCanonical(t *testing.T) {
	label63, label64 := strings.Repeat("a", 63), strings.Repeat("a", 64)
	long := strings.Repeat("abcdefg.", 31) + "abcde" // 253 bytes
	for name, want := range map[string]string{
		"api.example.com":         "api.example.com",
		"API.Example.COM.":        "api.example.com",
		"db":                      "db",
		"a-b.c--d.x1":             "a-b.c--d.x1",
		"_sip._tcp.example.com":   "_sip._tcp.example.com",
		"xn--bcher-kva.example":   "xn--bcher-kva.example",
		label63 + ".example":      label63 + ".example",
		label64 + ".example":      "",
		long:                      long,
		long + ".":                long,
		long + "f":                "",
		"":                        "",
		".":                       "",
		"..":                      "",
		"example.com..":           "",
		".example.com":            "",
		"a..example.com":          "",
		"-a.example.com":          "",
		"a-.example.com":          "",
		"*.example.com":           "",
		"a b.example.com":         "",
		"a\x00.example.com":       "",
		"a\n.example.com":         "",
		"a\x1b[31m.example.com":   "",
		"b\u00fccher.example":     "",
		"exampl\u212a.com":        "", // the Kelvin sign, whose lower case is k
		"api.example.com/":        "",
		"api.example.com:443":     "",
		"user@example.com":        "",
		"192.0.2.1":               "",
		"0x7f.1":                  "",
		"2001:db8::1":             "",
		"1":                       "",
		"api.example.com\\.x.org": "",
	} {
		got, ok := Canonical(name)
		if got != want || ok != (want != "") {
			t.Errorf("%q is %q (%v), want %q", name, got, ok, want)
		}
	}
}

func TestName(t *testing.T) {
	r := New(network(t, "tcp api.example.com 443", "tcp *.wild.example.com 443", "tcp *.deep.wild.example.com 443", "tcp x.wild.example.com 80"))
	long := strings.Repeat("a", 50)
	for name, want := range map[string]Reason{
		"api.example.com":                           ByName,
		"Api.Example.Com.":                          ByName,
		"x.wild.example.com":                        ByName,
		"y.wild.example.com":                        ByWildcard,
		"_y.wild.example.com":                       ByWildcard,
		"5.4.3.2.1.wild.example.com":                ByWildcard,
		"6.5.4.3.2.1.wild.example.com":              LongName,
		"5.4.3.2.1.deep.wild.example.com":           ByWildcard, // by the second wildcard
		long + "." + long[1:] + ".wild.example.com": ByWildcard,
		long + "." + long + ".wild.example.com":     LongName,
		"wild.example.com":                          NameNotGranted,
		"evilwild.example.com":                      NameNotGranted,
		"example.com":                               NameNotGranted,
		"com":                                       NameNotGranted,
		"api.example.com.evil.example":              NameNotGranted,
		"sub.api.example.com":                       NameNotGranted,
		"*.wild.example.com":                        BadName,
		"wild.example.com\x00.wild.example.com":     BadName,
		"192.0.2.1":                                 BadName,
		"":                                          BadName,
		".wild.example.com":                         BadName,
		strings.Repeat("a", 64) + ".example.com":    BadName,
	} {
		v := r.Name(name)
		if v.Reason != want || v.Allowed != (want >= ByBlock) {
			t.Errorf("%q: %+v, want %v", name, v, want)
		}
		if known, _ := Canonical(name); v.Name != known {
			t.Errorf("%q is known as %q, want %q", name, v.Name, known)
		}
		if (v.Grant == nil) != (v.Allowed || want == BadName) {
			t.Errorf("%q would be granted by %v", name, v.Grant)
		}
		if v.Grant != nil {
			if again := r.With(*v.Grant).Name(name); !again.Allowed {
				t.Errorf("%q with %v: %v", name, *v.Grant, again.Reason)
			}
		}
	}
	if v := Everything().Name("Anything.example."); v != (Verdict{Allowed: true, Reason: Recorded, Name: "anything.example"}) {
		t.Errorf("recorded: %+v", v)
	}
	if v := Everything().Name("a b"); v.Reason != BadName {
		t.Errorf("recorded, a bad name: %+v", v)
	}
}

// With leaves the rules alone that it starts from, and those made from the same.
func TestWith(t *testing.T) {
	base := New(network(t, "tcp api.example.com 443", "tcp *.wild.example.com 443"))
	one := base.With(entry(t, "tcp api.example.com 80"))
	two := base.With(entry(t, "tcp api.example.com 8080"))
	block := base.With(entry(t, "tcp 203.0.113.0/24 80"))
	below := base.With(entry(t, "tcp *.wild.example.com 80"))
	// Rules with room to grow in place, which those made from them share.
	three := base.With(entry(t, "tcp api.example.com 1")).With(entry(t, "tcp api.example.com 2")).With(entry(t, "tcp 203.0.113.1/32 3"))
	left, right := three.With(entry(t, "tcp api.example.com 80")), three.With(entry(t, "tcp api.example.com 8080"))
	look := base.With(manifest.Egress{Host: "new.example.com"})
	for _, c := range []struct {
		name  string
		rules *Rules
		host  string
		port  string
		want  Reason
	}{
		{"base", base, "api.example.com", "443", ByName},
		{"base", base, "api.example.com", "80", OtherPort},
		{"base", base, "a.wild.example.com", "80", OtherPort},
		{"one", one, "api.example.com", "443", ByName},
		{"one", one, "api.example.com", "80", ByName},
		{"one", one, "api.example.com", "8080", OtherPort},
		{"two", two, "api.example.com", "80", OtherPort},
		{"two", two, "api.example.com", "8080", ByName},
		{"block", block, "api.example.com", "80", ByBlock},
		{"below", below, "a.wild.example.com", "80", ByWildcard},
		{"left", left, "api.example.com", "80", ByName},
		{"left", left, "api.example.com", "8080", OtherPort},
		{"left", left, "api.example.com", "3", ByBlock},
		{"right", right, "api.example.com", "80", OtherPort},
		{"right", right, "api.example.com", "8080", ByName},
		{"look", look, "new.example.com", "80", OtherPort},
		{"recording", Everything().With(entry(t, "tcp a.example.com 80")), "b.example.com", "1", Recorded},
	} {
		f := flow(t, "tcp 203.0.113.1:"+c.port)
		if v := c.rules.Decide(f, []string{c.host}, false); v.Reason != c.want {
			t.Errorf("%s, %s:%s: %v, want %v", c.name, c.host, c.port, v.Reason, c.want)
		}
	}
	var none *Rules
	if v := none.With(entry(t, "tcp api.example.com 80")).Name("api.example.com"); !v.Allowed {
		t.Errorf("with one entry alone: %+v", v)
	}
}

// Every reason says something of its own.
func TestReasons(t *testing.T) {
	seen := map[string]Reason{}
	for r := range Recorded + 2 {
		text := r.String()
		if r > Host && r < ByBlock || r > Recorded {
			if text != "unknown reason" {
				t.Errorf("%d is %q", r, text)
			}
			continue
		}
		if other, twice := seen[text]; twice || text == "unknown reason" {
			t.Errorf("%d and %d are both %q", r, other, text)
		}
		seen[text] = r
	}
}
