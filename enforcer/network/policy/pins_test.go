package policy

import (
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"
)

func start() time.Time { return time.Unix(1_800_000_000, 0) }

// nth returns an address of 10.0.0.0/8.
func nth(i int) netip.Addr {
	return netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
}

func TestPins(t *testing.T) {
	p, now := NewPins(), start()
	shared := netip.MustParseAddr("192.0.2.1")
	p.Pin("a.example.com", shared, time.Minute, now)
	p.Pin("b.example.com", netip.MustParseAddr("::ffff:192.0.2.1"), time.Hour, now)
	expect := func(after time.Duration, addr string, want, expired []string) {
		t.Helper()
		a := netip.MustParseAddr(addr)
		if got := p.Names(a, now.Add(after)); !slices.Equal(got, want) {
			t.Errorf("after %v %s has the names %q, want %q", after, addr, got, want)
		}
		if got := p.Expired(a, now.Add(after)); !slices.Equal(got, expired) {
			t.Errorf("after %v %s had the names %q, want %q", after, addr, got, expired)
		}
	}
	both := []string{"b.example.com", "a.example.com"}
	expect(0, "192.0.2.1", both, nil)
	expect(0, "::ffff:192.0.2.1", both, nil)
	expect(0, "192.0.2.2", nil, nil)
	expect(time.Minute+Grace, "192.0.2.1", both, nil)
	expect(time.Minute+Grace+1, "192.0.2.1", both[:1], both[1:])
	expect(time.Hour+Grace+1, "192.0.2.1", nil, both)
	// Resolved again it is there again, and the latest. A shorter time to live
	// takes nothing back.
	p.Pin("a.example.com", shared, time.Minute, now.Add(time.Hour))
	p.Pin("a.example.com", shared, 0, now.Add(time.Hour))
	expect(time.Hour+time.Minute+Grace, "192.0.2.1", both[1:], both[:1])
	expect(time.Hour, "192.0.2.1", []string{"a.example.com", "b.example.com"}, nil)
}

// A flood of names leaves those alone that connections were made by.
func TestPinsFlood(t *testing.T) {
	p, now := NewPins(), start()
	const inUse = 100
	for i := range inUse {
		p.Pin(fmt.Sprintf("used%d.example.com", i), nth(i), time.Hour, now)
		if names := p.Names(nth(i), now); len(names) != 1 {
			t.Fatalf("address %d has the names %q", i, names)
		}
	}
	p.Pin("again.example.com", nth(1<<20), time.Hour, now)
	for i := range 3 * maxPins {
		p.Pin(fmt.Sprintf("flood%d.example.com", i), nth(inUse+i), time.Hour, now)
		p.Pin("again.example.com", nth(1<<20), 0, now) // resolved again and again
	}
	if p.Len() != maxPins {
		t.Errorf("%d pins are kept, want %d", p.Len(), maxPins)
	}
	for i := range inUse {
		if names := p.Names(nth(i), now); !slices.Equal(names, []string{fmt.Sprintf("used%d.example.com", i)}) {
			t.Errorf("address %d, which is in use, has the names %q", i, names)
		}
	}
	if names := p.Names(nth(inUse+3*maxPins-1), now); len(names) != 1 {
		t.Errorf("the latest address has the names %q", names)
	}
	if names := p.Names(nth(inUse), now); names != nil {
		t.Errorf("the first address of the flood still has the names %q", names)
	}
	if names := p.Names(nth(1<<20), now.Add(time.Hour)); len(names) != 1 {
		t.Errorf("what is resolved again and again has the names %q", names)
	}
	checkPins(t, p)
}

// Where all are used, new ones still find a place.
func TestPinsAllUsed(t *testing.T) {
	p, now := NewPins(), start()
	for i := range 2 * maxPins {
		p.Pin(fmt.Sprintf("n%d.example.com", i), nth(i), time.Hour, now)
		if names := p.Names(nth(i), now); len(names) != 1 {
			t.Fatalf("address %d has the names %q", i, names)
		}
	}
	checkPins(t, p)
}

func TestPinsShared(t *testing.T) {
	p, now, addr := NewPins(), start(), nth(1)
	p.Pin("used.example.com", addr, time.Hour, now)
	p.Names(addr, now)
	for i := range 10 * maxShared {
		p.Pin(fmt.Sprintf("n%d.example.com", i), addr, time.Hour, now)
	}
	names := p.Names(addr, now)
	if len(names) != maxShared || !slices.Contains(names, "used.example.com") {
		t.Errorf("%d names, want %d with the used one among them: %q", len(names), maxShared, names)
	}
	if want := fmt.Sprintf("n%d.example.com", 10*maxShared-1); names[0] != want {
		t.Errorf("the latest name is %q, want %q", names[0], want)
	}
	checkPins(t, p)
}

// checkPins holds the parts of Pins to one another.
func checkPins(t *testing.T, p *Pins) {
	t.Helper()
	n := 0
	for addr, pins := range p.byAddr {
		if len(pins) == 0 || len(pins) > maxShared {
			t.Errorf("%s has %d pins", addr, len(pins))
		}
		for _, e := range pins {
			n++
			held := e.Value.(*pin)
			if held.addr != addr || p.byKey[held.pinKey] != e {
				t.Errorf("%s has the pin %+v, which is lost", addr, held)
			}
		}
	}
	if n != len(p.byKey) || n != p.fresh.Len()+p.used.Len() || n > maxPins || p.used.Len() > maxUsed {
		t.Errorf("%d pins by address, %d by key, %d fresh and %d used", n, len(p.byKey), p.fresh.Len(), p.used.Len())
	}
}

func TestPinsConcurrent(t *testing.T) {
	p, now := NewPins(), start()
	var wait sync.WaitGroup
	for g := range 4 {
		wait.Go(func() {
			for i := range 3000 {
				p.Pin(fmt.Sprintf("n%d.example.com", i%700*(g+1)), nth(i%500), time.Duration(i%3)*time.Minute, now)
				p.Names(nth((i+g)%500), now.Add(time.Duration(i%10)*time.Minute))
				p.Expired(nth(i%500), now.Add(time.Hour))
			}
		})
	}
	wait.Wait()
	checkPins(t, p)
}
