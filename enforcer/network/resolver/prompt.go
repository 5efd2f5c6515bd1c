package resolver

import (
	"context"

	"github.com/least-privilege/lpm/enforcer/network/policy"
)

// Bounds of what waits for a person. Together they leave room for questions
// that need none.
const (
	maxPrompts = 16 // names
	maxWaiting = 8  // questions about one name
)

// prompt is a name that a person is being asked for.
type prompt struct {
	done    chan struct{}
	waiting int
}

// consult has a person asked for a name that is not granted, and returns what
// holds then. Where too many names wait already, nobody is asked. It is false
// where too many questions wait for this name.
func (r *Resolver) consult(ctx context.Context, v policy.Verdict) (policy.Verdict, bool) {
	r.mu.Lock()
	p, others := r.prompts[v.Name], len(r.prompts)
	switch {
	case p != nil && p.waiting >= maxWaiting:
		r.mu.Unlock()
		return v, false
	case p != nil:
		p.waiting++
		r.mu.Unlock()
		select {
		case <-p.done:
		case <-ctx.Done():
		}
		return r.config.Rules().Name(v.Name), true
	case others >= maxPrompts:
		r.mu.Unlock()
		return v, true
	}
	p = &prompt{done: make(chan struct{}), waiting: 1}
	r.prompts[v.Name] = p
	r.mu.Unlock()
	defer func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.prompts, v.Name)
		close(p.done)
	}()
	if r.config.Ask(ctx, v) {
		v = r.config.Rules().Name(v.Name)
	}
	return v, true
}
