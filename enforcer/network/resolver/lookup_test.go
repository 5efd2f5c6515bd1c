package resolver

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/least-privilege/lpm/enforcer/network/policy"
)

// Answers are kept for their time to live, and told with what is left of it.
func TestCache(t *testing.T) {
	u := newUpstream(t, zone(
		"api.example.com 60 A 192.0.2.1", "zero.example.com 0 A 192.0.2.2", "mixed.example.com 60 A 192.0.2.5", "mixed.example.com 7 A 192.0.2.6",
		"long.example.com 999999 A 192.0.2.3",
		"odd.example.com 4294967295 A 192.0.2.4", "gone.example.com 60 NXDOMAIN",
	))
	b := newRig(t, []string{"*.example.com"}, u)
	asked := 0
	for _, c := range []struct {
		pass time.Duration
		name string
		kind dnsmessage.Type
		new  bool // that the server is asked
		ttl  uint32
	}{
		{0, "api.example.com", a4, true, 60},
		{0, "API.example.com", a4, false, 60},
		{0, "api.example.com", a6, true, 0},
		{0, "api.example.com", a6, false, 0},
		{29 * time.Second, "api.example.com", a4, false, 31},
		{0, "api.example.com", a6, false, 0},
		{2 * time.Second, "api.example.com", a6, true, 0}, // the zone says 30 seconds
		{28 * time.Second, "api.example.com", a4, false, 1},
		{time.Second, "api.example.com", a4, true, 60},
		{0, "zero.example.com", a4, true, 0},
		{0, "zero.example.com", a4, true, 0},
		{0, "odd.example.com", a4, true, 0},
		{0, "odd.example.com", a4, true, 0},
		{0, "mixed.example.com", a4, true, 7},
		{0, "long.example.com", a4, true, 3600},
		{59 * time.Minute, "long.example.com", a4, false, 60},
		{time.Minute, "long.example.com", a4, true, 3600},
		{0, "gone.example.com", a4, true, 0},
		{29 * time.Second, "gone.example.com", a4, false, 0},
		{time.Second, "gone.example.com", a4, true, 0},
	} {
		b.pass(c.pass)
		m := b.ask(t, c.name, c.kind)
		if c.new {
			asked++
		}
		if got := len(u.questions()); got != asked {
			t.Fatalf("%+v: the server was asked %d questions, want %d", c, got, asked)
		}
		if len(m.Answers) > 0 && m.Answers[0].Header.TTL != c.ttl || len(m.Answers) == 0 && c.ttl != 0 {
			t.Errorf("%+v: %s", c, m.GoString())
		}
	}
}

func TestCacheBound(t *testing.T) {
	var c cache
	now := time.Unix(1_800_000_000, 0)
	f := found{until: now.Add(time.Hour)}
	used := key{"used.example.com", a4}
	c.put(used, f, now)
	for i := range 3 * maxCached {
		c.put(key{fmt.Sprint(i), a4}, f, now)
		if _, has := c.get(used, now); !has {
			t.Fatalf("what is used is lost after %d others", i)
		}
	}
	if c.order.Len() != maxCached || len(c.byKey) != maxCached {
		t.Errorf("%d answers by their order and %d by their names, want %d", c.order.Len(), len(c.byKey), maxCached)
	}
	oldest, newer := c.order.Back().Value.(*cached).key, found{missing: true, until: f.until}
	c.put(oldest, newer, now)
	if got, _ := c.get(oldest, now); !got.missing || c.order.Len() != maxCached || c.order.Front().Value.(*cached).key != oldest {
		t.Errorf("what is put again is %+v", got)
	}
	c.put(key{"old", a4}, found{until: now}, now)
	if _, has := c.get(key{"old", a4}, now); has {
		t.Error("what is over is kept")
	}
	if _, has := c.get(used, now.Add(time.Hour)); has || c.order.Len() != maxCached-1 {
		t.Errorf("what is over is still among %d answers", c.order.Len())
	}
}

// New names below a wildcard are asked for at a bounded rate. Names that are
// granted by themselves, and those known already, are not.
func TestRate(t *testing.T) {
	u := newUpstream(t, func(q dnsmessage.Message, tcp bool) [][]byte {
		return zone(lower(q.Questions[0].Name)+" 600 A 192.0.2.1")(q, tcp)
	})
	b := newRig(t, []string{"*.wild.example.com", "api.example.com"}, u)
	for i := range limitBurst {
		if m := b.ask(t, fmt.Sprintf("n%d.wild.example.com", i), a4); m.RCode != ok {
			t.Fatalf("the name %d: %s", i, m.RCode)
		}
	}
	if m := b.ask(t, "more.wild.example.com", a4); m.RCode != fails {
		t.Errorf("one more name: %s", m.RCode)
	}
	if l := b.told(t); !errors.Is(l.Err, ErrRate) {
		t.Errorf("the observer was told of %v", l.Err)
	}
	for _, name := range []string{"api.example.com", "n0.wild.example.com"} {
		if m := b.ask(t, name, a4); m.RCode != ok {
			t.Errorf("%s: %s", name, m.RCode)
		}
	}
	b.pass(2 * time.Second)
	got := 0
	for i := range limitBurst {
		if m := b.ask(t, fmt.Sprintf("later%d.wild.example.com", i), a4); m.RCode == ok {
			got++
		}
	}
	if got != 2*limitRate {
		t.Errorf("%d new names after 2 seconds, want %d", got, 2*limitRate)
	}
}

// A single part is looked for in the host's search list.
func TestSearch(t *testing.T) {
	u := newUpstream(t, zone(
		"db.corp.example 60 A 192.0.2.1", "db.other.example 60 A 192.0.2.2", "web.other.example 60 A 192.0.2.3", "top 60 A 192.0.2.4",
		"api.example.com.corp.example 60 A 192.0.2.66",
	))
	b := newRig(t, []string{"db", "web", "top", "none", "api.example.com"}, u)
	write(t, b.conf, "search corp.example other.example\nnameserver 192.0.2.53\n")
	for name, want := range map[string]string{"db": "192.0.2.1", "WEB": "192.0.2.3", "top": "192.0.2.4", "none": "", "api.example.com": ""} {
		if got := addresses(b.ask(t, name, a4)); got != want {
			t.Errorf("%s has %q, want %q", name, got, want)
		}
	}
	if names := b.pins.Names(netip.MustParseAddr("192.0.2.3"), b.now); !slices.Equal(names, []string{"web"}) {
		t.Errorf("the address is pinned to %q, want the name that is granted", names)
	}
}

// An address that counts no more counts again if its name still leads there.
func TestRenew(t *testing.T) {
	u := newUpstream(t, zone("api.example.com 60 A 192.0.2.1", "api.example.com 60 A 192.0.2.2"))
	b := newRig(t, []string{"api.example.com"}, u)
	b.ask(t, "api.example.com", a4)
	b.pass(time.Minute + policy.Grace + 1)
	u.answerBy(zone("api.example.com 60 A 192.0.2.1"))
	for i, want := range []int{1, 0, 0} {
		addr := netip.AddrFrom4([4]byte{192, 0, 2, byte(i + 1)})
		if names := b.pins.Names(addr, b.now); names != nil {
			t.Errorf("%s still has the names %q", addr, names)
		}
		b.Renew(t.Context(), addr)
		if names := b.pins.Names(addr, b.now); len(names) != want {
			t.Errorf("%s has the names %q, want %d", addr, names, want)
		}
	}
	b.pass(time.Hour)
	b.rules = policy.New(grants("other.example.com"))
	before := len(u.questions())
	b.Renew(t.Context(), netip.MustParseAddr("192.0.2.1"))
	if names := b.pins.Names(netip.MustParseAddr("192.0.2.1"), b.now); names != nil || len(u.questions()) != before {
		t.Errorf("a name that is not granted any more was resolved to %q", names)
	}
}

// An answer that is over when it is given out may not be kept.
func TestOverAtOnce(t *testing.T) {
	u := newUpstream(t, zone("api.example.com 0 A 192.0.2.1", "www.example.com 1 A 192.0.2.2"))
	b := newRig(t, []string{"api.example.com", "www.example.com"}, u)
	now := b.config.Now
	b.config.Now = func() time.Time { b.pass(1500 * time.Millisecond); return now() }
	for _, name := range []string{"api.example.com", "www.example.com"} {
		if m := b.ask(t, name, a4); len(m.Answers) != 1 || m.Answers[0].Header.TTL != 0 {
			t.Errorf("%s: %s", name, m.GoString())
		}
	}
}
