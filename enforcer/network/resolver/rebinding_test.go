package resolver

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/least-privilege/lpm/enforcer/network/policy"
)

// Whoever answers for a granted name does not get a container to what is the
// machine's own.
func TestRebinding(t *testing.T) {
	u := newUpstream(t, zone(
		"evil.example.com 60 A 127.0.0.1", "evil.example.com 60 A 169.254.169.254", "evil.example.com 60 A 203.0.113.1",
		"evil.example.com 60 A 0.0.0.0", "evil.example.com 60 A 192.0.0.1", "evil.example.com 60 A 198.51.100.20",
		"evil.example.com 60 AAAA ::1", "evil.example.com 60 AAAA ::ffff:127.0.0.1", "evil.example.com 60 AAAA 64:ff9b::a9fe:a9fe",
		"evil.example.com 60 AAAA fe80::1", "evil.example.com 60 AAAA 64:ff9b::c633:6414",
		"only.example.com 60 A 127.0.0.1",
		"chain.example.com 60 CNAME metadata.example.net", "metadata.example.net 60 A 169.254.169.254",
		"block.example.com 60 A 169.254.1.7", "block.example.com 60 A 169.254.2.7",
	))
	b := newRig(t, []string{"evil.example.com", "only.example.com", "chain.example.com", "block.example.com", "169.254.1.0/24"}, u)
	b.config.Local = func(a netip.Addr) bool { return a == netip.MustParseAddr("198.51.100.20") }
	for _, c := range []struct {
		name    string
		v6      bool
		want    string
		refused []policy.Reason
	}{
		{"evil.example.com", false, "203.0.113.1", []policy.Reason{policy.Loopback, policy.Metadata, policy.Unspecified, policy.Inner, policy.Host}},
		{"evil.example.com", true, "", []policy.Reason{policy.Loopback, policy.Loopback, policy.Metadata, policy.LinkLocal, policy.Host}},
		{"only.example.com", false, "", []policy.Reason{policy.Loopback}},
		{"chain.example.com", false, "", []policy.Reason{policy.Metadata}},
		{"block.example.com", false, "169.254.1.7", []policy.Reason{policy.LinkLocal}},
	} {
		kind := a4
		if c.v6 {
			kind = a6
		}
		m := b.ask(t, c.name, kind)
		if m.RCode != ok || addresses(m) != c.want {
			t.Errorf("%s: %s with %q, want %q", c.name, m.RCode, addresses(m), c.want)
		}
		l := b.told(t)
		var reasons []policy.Reason
		for _, r := range l.Refused {
			reasons = append(reasons, r.Reason)
			if names := b.pins.Names(r.Addr, b.now); names != nil {
				t.Errorf("%s is pinned to %q", r.Addr, names)
			}
		}
		if !slices.Equal(reasons, c.refused) {
			t.Errorf("%s: the observer was told %+v, want %v", c.name, l.Refused, c.refused)
		}
		for _, addr := range l.Addrs {
			if names := b.pins.Names(addr, b.now); !slices.Equal(names, []string{c.name}) {
				t.Errorf("%s is pinned to %q, want %q", addr, names, c.name)
			}
		}
	}
}

// A recording notes all names, and still keeps the machine's loopback back.
func TestRecording(t *testing.T) {
	u := newUpstream(t, zone("any.example.com 60 A 127.0.0.1", "any.example.com 60 A 169.254.169.254", "any.example.com 60 A 203.0.113.1"))
	b := newRig(t, nil, u)
	b.rules = policy.Everything()
	if got := addresses(b.ask(t, "Any.example.com", a4)); got != "169.254.169.254 203.0.113.1" {
		t.Errorf("recorded: %q", got)
	}
	if l := b.told(t); l.Verdict.Reason != policy.Recorded || l.Verdict.Name != "any.example.com" || len(l.Refused) != 1 {
		t.Errorf("the observer was told %+v", l)
	}
}
