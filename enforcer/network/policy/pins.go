package policy

import (
	"container/list"
	"net/netip"
	"sync"
	"time"
)

// Bounds of what is remembered of names. A container that may look up any name
// below a wildcard chooses how many there are.
const (
	// maxPins is the number of pairs of a name and an address.
	maxPins = 4096
	// maxUsed is how many of them are kept for having been used. The rest is
	// for new ones, so that these cannot push out those.
	maxUsed = 3072
	// maxShared is the number of names that share an address.
	maxShared = 64
)

// Grace is how long an address stays a name's after its time to live: programs
// connect a little later than they ask, and connect again.
const Grace = 5 * time.Minute

// Pins remembers to which addresses granted names were resolved. Any number of
// goroutines may use it. At most 4096 pairs of a name and an address are kept;
// when there are more, those go first that nothing was connected by, and the
// oldest of these.
type Pins struct {
	mu    sync.Mutex
	byKey map[pinKey]*list.Element
	// byAddr has the pins of an address, the latest last.
	byAddr map[netip.Addr][]*list.Element
	// fresh and used hold pins, the latest in front.
	fresh, used list.List
}

type pinKey struct {
	name string
	addr netip.Addr
}

type pin struct {
	pinKey
	until time.Time
	used  bool
}

// NewPins returns pins that remember nothing yet.
func NewPins() *Pins {
	return &Pins{byKey: map[pinKey]*list.Element{}, byAddr: map[netip.Addr][]*list.Element{}}
}

// Pin records that a name was resolved to an address, for a time to live. The
// name is in its canonical form.
func (p *Pins) Pin(name string, addr netip.Addr, ttl time.Duration, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	key, until := pinKey{name, plain(addr)}, now.Add(ttl+Grace)
	if e, known := p.byKey[key]; known {
		old := e.Value.(*pin)
		if until.After(old.until) {
			old.until = until
		}
		p.latest(e)
		return
	}
	if shared := p.byAddr[key.addr]; len(shared) >= maxShared {
		p.drop(leastNeeded(shared))
	}
	if len(p.byKey) >= maxPins {
		// The used ones leave room, so that there is always a fresh one.
		p.drop(p.fresh.Back())
	}
	e := p.fresh.PushFront(&pin{pinKey: key, until: until})
	p.byKey[key] = e
	p.byAddr[key.addr] = append(p.byAddr[key.addr], e)
}

// leastNeeded returns the pin of an address that is missed least: the oldest of
// those not used, or else the oldest.
func leastNeeded(pins []*list.Element) *list.Element {
	for _, e := range pins {
		if !e.Value.(*pin).used {
			return e
		}
	}
	return pins[0]
}

// Names returns the names that were resolved to an address and still count, the
// latest first, and takes them for used.
func (p *Pins) Names(addr netip.Addr, now time.Time) []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	pins := p.byAddr[plain(addr)]
	var names []string
	for i := len(pins) - 1; i >= 0; i-- {
		if e := pins[i]; !now.After(e.Value.(*pin).until) {
			names = append(names, e.Value.(*pin).name)
			p.use(e)
		}
	}
	return names
}

// Expired returns the names that were resolved to an address once and do not
// count any more, the latest first. Whoever resolves one anew and gets the same
// address has it back.
func (p *Pins) Expired(addr netip.Addr, now time.Time) []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	pins := p.byAddr[plain(addr)]
	var names []string
	for i := len(pins) - 1; i >= 0; i-- {
		if old := pins[i].Value.(*pin); now.After(old.until) {
			names = append(names, old.name)
		}
	}
	return names
}

// Len returns the number of pairs that are kept.
func (p *Pins) Len() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.byKey)
}

// latest makes a pin the latest of its list and of its address.
func (p *Pins) latest(e *list.Element) {
	held := e.Value.(*pin)
	p.listOf(held).MoveToFront(e)
	pins := p.byAddr[held.addr]
	for i := range pins {
		if pins[i] == e {
			copy(pins[i:], pins[i+1:])
			pins[len(pins)-1] = e
			return
		}
	}
}

// use moves a pin to those that were used. The one that was not for longest
// makes room for it.
func (p *Pins) use(e *list.Element) {
	held := e.Value.(*pin)
	if held.used {
		p.used.MoveToFront(e)
		return
	}
	if p.used.Len() >= maxUsed {
		p.move(p.used.Back(), false)
	}
	p.move(e, true)
}

// move puts a pin into the other list.
func (p *Pins) move(e *list.Element, used bool) {
	held := e.Value.(*pin)
	p.listOf(held).Remove(e)
	held.used = used
	moved := p.listOf(held).PushFront(held)
	p.byKey[held.pinKey] = moved
	pins := p.byAddr[held.addr]
	for i := range pins {
		if pins[i] == e {
			pins[i] = moved
		}
	}
}

func (p *Pins) listOf(held *pin) *list.List {
	if held.used {
		return &p.used
	}
	return &p.fresh
}

// drop forgets a pin.
func (p *Pins) drop(e *list.Element) {
	held := e.Value.(*pin)
	p.listOf(held).Remove(e)
	delete(p.byKey, held.pinKey)
	rest := p.byAddr[held.addr]
	for i := range rest {
		if rest[i] == e {
			rest = append(rest[:i:i], rest[i+1:]...)
			break
		}
	}
	if len(rest) == 0 {
		delete(p.byAddr, held.addr)
		return
	}
	p.byAddr[held.addr] = rest
}
