package gateway

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"testing"

	"github.com/least-privilege/lpm/enforcer/network/link"
	"github.com/least-privilege/lpm/manifest"
)

// TestNews: everything is counted, whatever comes how often, and what is left
// is told at the end.
func TestNews(t *testing.T) {
	var told []link.Event
	n := newNews(func(e link.Event) error { told = append(told, e); return nil })
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { n.run(ctx) })
	const things, times = 50, 40
	var adding sync.WaitGroup
	for range times {
		adding.Go(func() {
			for i := range things {
				n.add(link.Event{Kind: link.Refused, Name: fmt.Sprintf("n%d.example", i)})
			}
		})
	}
	adding.Wait()
	stop()
	running.Wait()
	counts := map[string]uint64{}
	for _, e := range told {
		counts[e.Name] += e.Count
	}
	for i := range things {
		if name := fmt.Sprintf("n%d.example", i); counts[name] != times {
			t.Errorf("%s is counted %d times, want %d", name, counts[name], times)
		}
	}
	// What the launcher would have to be told at once is bounded.
	told = nil
	for i := range maxNews + 100 {
		n.add(link.Event{Kind: link.Refused, Name: fmt.Sprint(i)})
	}
	n.flush()
	if last := told[len(told)-1]; len(told) != maxNews+1 || last.Kind != link.Lost || last.Count != 100 {
		t.Errorf("%d told, the last %+v", len(told), last)
	}
}

// TestBroadcast: the last address of a block is that of all its machines.
func TestBroadcast(t *testing.T) {
	for _, test := range []struct {
		address string
		bits    int
		want    string
	}{
		{"192.0.2.1", 24, "192.0.2.255"}, {"192.0.2.130", 25, "192.0.2.255"}, {"192.0.2.1", 30, "192.0.2.3"},
		{"10.1.2.3", 8, "10.255.255.255"}, {"172.16.5.1", 20, "172.16.15.255"}, {"10.1.2.3", 0, "255.255.255.255"},
	} {
		if got := broadcast(netip.MustParseAddr(test.address), 32-test.bits); got.String() != test.want {
			t.Errorf("%s/%d: %s, want %s", test.address, test.bits, got, test.want)
		}
	}
}

// TestOwn: the machine's own addresses are, in every form of them.
func TestOwn(t *testing.T) {
	var h host
	for text, want := range map[string]bool{
		"127.0.0.1": true, "::1": true, "64:ff9b::7f00:1": true, "203.0.113.77": false, "2001:db8:77::1": false,
	} {
		if got := h.own(netip.MustParseAddr(text)); got != want {
			t.Errorf("%s: %t, want %t", text, got, want)
		}
	}
}

// TestNameGrant: a grant that a manifest can have.
func TestNameGrant(t *testing.T) {
	if nameGrant(nil) != nil {
		t.Error("something grants what nothing can")
	}
	whole := &manifest.Egress{Host: "a.example", Ports: []manifest.PortRange{manifest.Port(80)}, Protocol: manifest.TCP}
	if got := nameGrant(whole); got != whole {
		t.Errorf("changed to %+v", got)
	}
	got := nameGrant(&manifest.Egress{Host: "a.example"})
	if got.Host != "a.example" || len(got.Ports) != 1 || got.Ports[0] != manifest.Port(443) || got.Protocol != manifest.TCP {
		t.Errorf("got %+v", got)
	}
}
