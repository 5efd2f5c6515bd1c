package stack

import (
	"container/list"
	"net/netip"
	"sync"
	"time"
)

// flowKey says which packets are of a flow. A port is an identifier, for echoes.
type flowKey struct{ from, to netip.AddrPort }

// flow is a conversation of datagrams.
type flow struct {
	key flowKey
	// send takes a datagram of the container. It does not wait.
	send func(payload []byte)
	// end closes what the flow has open. It is called once.
	end func()

	// The rest is guarded by the table.
	used     time.Time
	answered bool
	place    *list.Element
	// waiting has datagrams that came before the host's side was open, of
	// held bytes.
	waiting [][]byte
	held    int
	ready   bool
}

// flows is a table of flows, those that were used last in front.
type flows struct {
	mu     *sync.Mutex
	most   int
	byKey  map[flowKey]*flow
	order  *list.List
	closed bool
}

func newFlows(most int) flows {
	return flows{mu: &sync.Mutex{}, most: most, byKey: map[flowKey]*flow{}, order: list.New()}
}

// Bounds of what waits for one flow to be opened: the number of datagrams, and how
// many bytes may be there for one more to be kept. Opening takes a while where a
// name has to be looked up anew.
const (
	mostWaiting = 16
	mostHeld    = 16 << 10
)

// pass gives a datagram to the flow that it belongs to, if there is one.
func (t *flows) pass(key flowKey, payload func() []byte) bool {
	t.mu.Lock()
	f := t.byKey[key]
	if f == nil {
		t.mu.Unlock()
		return false
	}
	t.touch(f)
	if !f.ready {
		if len(f.waiting) < mostWaiting && f.held < mostHeld {
			p := payload()
			f.waiting, f.held = append(f.waiting, p), f.held+len(p)
		}
		t.mu.Unlock()
		return true
	}
	t.mu.Unlock()
	f.send(payload())
	return true
}

// add makes a flow that is not open yet, or returns nil if there is no place.
func (t *flows) add(key flowKey) *flow {
	t.mu.Lock()
	victim := (*flow)(nil)
	if len(t.byKey) >= t.most {
		victim = t.unanswered()
	}
	if t.closed || t.byKey[key] != nil || len(t.byKey) >= t.most && victim == nil {
		t.mu.Unlock()
		return nil
	}
	if victim != nil {
		t.drop(victim)
	}
	f := &flow{key: key, used: time.Now()}
	f.place = t.order.PushFront(f)
	t.byKey[key] = f
	t.mu.Unlock()
	if victim != nil {
		victim.end()
	}
	return f
}

// unanswered is the open flow without an answer that was used the longest ago.
// Those that are answered keep their place, as in the kernel's connection
// tracking: a flood does not end them.
func (t *flows) unanswered() *flow {
	for e := t.order.Back(); e != nil; e = e.Prev() {
		if f := e.Value.(*flow); f.ready && !f.answered {
			return f
		}
	}
	return nil
}

// open says what an added flow does, and sends what waited, in order: until that is
// done the flow is not ready, and more may come to wait. It returns false if the flow
// has ended meanwhile.
func (t *flows) open(f *flow, send func([]byte), end func()) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for t.byKey[f.key] == f {
		if len(f.waiting) == 0 {
			f.send, f.end, f.ready = send, end, true
			return true
		}
		waiting := f.waiting
		f.waiting, f.held = nil, 0
		t.mu.Unlock()
		for _, p := range waiting {
			send(p)
		}
		t.mu.Lock()
	}
	return false
}

// answer says that the other side of a flow has sent.
func (t *flows) answer(f *flow) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.byKey[f.key] == f {
		f.answered = true
		t.touch(f)
	}
}

// use says that a flow is not idle.
func (t *flows) use(f *flow) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.byKey[f.key] == f {
		t.touch(f)
	}
}

func (t *flows) has(key flowKey) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.byKey[key] != nil
}

func (t *flows) touch(f *flow) {
	f.used = time.Now()
	t.order.MoveToFront(f.place)
}

// remove ends a flow.
func (t *flows) remove(f *flow) {
	t.mu.Lock()
	present := t.byKey[f.key] == f
	if present {
		t.drop(f)
	}
	ready := f.ready
	t.mu.Unlock()
	if present && ready {
		f.end()
	}
}

func (t *flows) drop(f *flow) {
	delete(t.byKey, f.key)
	t.order.Remove(f.place)
}

// expire ends the flows that were last used before the time.
func (t *flows) expire(before time.Time) {
	for {
		t.mu.Lock()
		e := t.order.Back()
		if e == nil || !e.Value.(*flow).used.Before(before) {
			t.mu.Unlock()
			return
		}
		t.mu.Unlock()
		t.remove(e.Value.(*flow))
	}
}

// close ends all flows, and lets in no more.
func (t *flows) close() {
	t.mu.Lock()
	t.closed = true
	t.mu.Unlock()
	t.expire(time.Now().Add(time.Hour))
}

func (t *flows) count() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.byKey)
}

// expire ends idle flows, until the stack is closed.
func (s *Stack) expire() {
	tick := time.NewTicker(max(min(s.limits.UDPIdle, s.limits.EchoIdle)/4, time.Millisecond))
	defer tick.Stop()
	for {
		select {
		case <-s.ctx.Done():
			return
		case now := <-tick.C:
			s.udp.expire(now.Add(-s.limits.UDPIdle))
			s.published.expire(now.Add(-s.limits.UDPIdle))
			s.echo.expire(now.Add(-s.limits.EchoIdle))
		}
	}
}
