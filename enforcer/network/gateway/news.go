package gateway

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/least-privilege/lpm/enforcer/network/link"
)

// news gathers what the launcher is to be told. A container can do the same
// thing very often: it is counted, and told of now and then.
type news struct {
	tell func(link.Event) error

	mu      sync.Mutex
	pending map[string]*link.Event
	order   []string
	others  uint64
	fresh   chan struct{}
}

const (
	// maxNews bounds the different things that wait to be told.
	maxNews = 4096
	// between is the time between two tellings, but for the first.
	between = 100 * time.Millisecond
)

func newNews(tell func(link.Event) error) *news {
	return &news{tell: tell, pending: map[string]*link.Event{}, fresh: make(chan struct{}, 1)}
}

func (n *news) add(e link.Event) {
	key := fmt.Sprintf("%s %q %v", e.Kind, e.Name, e.Addresses)
	if e.Flow != nil {
		key += fmt.Sprint(" ", e.Flow.Protocol, " ", e.Flow.To)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	known, ok := n.pending[key]
	switch {
	case ok:
		known.Count++
	case len(n.pending) >= maxNews:
		n.others++
	default:
		e.Count = 1
		n.pending[key] = &e
		n.order = append(n.order, key)
	}
	select {
	case n.fresh <- struct{}{}:
	default:
	}
}

// run tells the launcher until the context ends, and then the rest.
func (n *news) run(ctx context.Context) {
	for {
		select {
		case <-n.fresh:
			n.flush()
		case <-ctx.Done():
			n.flush()
			return
		}
		select {
		case <-time.After(between):
		case <-ctx.Done():
		}
	}
}

// flush tells what there is to tell.
func (n *news) flush() {
	n.mu.Lock()
	pending, order, others := n.pending, n.order, n.others
	n.pending, n.order, n.others = map[string]*link.Event{}, nil, 0
	n.mu.Unlock()
	for _, key := range order {
		if n.tell(*pending[key]) != nil {
			return // nobody listens any more
		}
	}
	if others > 0 {
		_ = n.tell(link.Event{Kind: link.Lost, Count: others})
	}
}
