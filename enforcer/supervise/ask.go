package supervise

import (
	"context"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/enforcer/plan"
)

// Asker asks a person about what a manifest does not grant.
type Asker interface {
	// Ask returns the person's answer. It is called by several goroutines,
	// each for another thing, and returns soon after ctx has ended.
	Ask(ctx context.Context, q Question) Answer
}

// Question is what a person is asked: whether a container may do a thing until
// it ends, whichever of its programs tries.
type Question struct {
	// Denial is what there will be if the answer is no.
	Denial
	// Fixed says why a container that runs already cannot be given it,
	// whatever the answer; empty where it can.
	Fixed string
}

// Answer is a person's.
type Answer int

// The answers. Yes holds until the container ends, and for the very thing that
// was asked for: of connections it is one address and port, where a manifest
// could only grant the port.
const (
	No Answer = iota
	Yes
	// NoMore is a no to everything from now on.
	NoMore
)

// Why a container that runs cannot be given a thing.
const (
	fixedFiles   = "the programs and files that a container may use are fixed when it starts, by its mounts and by Landlock"
	fixedNetwork = "a container keeps the network that it starts with"
	fixedUDP     = "nothing holds UDP to single ports on this machine's network"
	fixedKeyring = "a container that may use keys starts with a keyring of its own, and this one has the caller's"
)

// fixedCall says why a call cannot be let go although it is granted, or "".
func fixedCall(name string) string {
	switch {
	case name == "execve" || name == "execveat":
		return fixedFiles
	case slices.Contains(plan.KeyringCalls(), name):
		return fixedKeyring
	}
	return ""
}

const (
	// maxNoes is how often a person is asked for the same thing.
	maxNoes = 3
	// maxWaiting bounds the calls that wait for a person, or for what the
	// supervisor does on their behalf. What comes beyond is refused.
	maxWaiting = 64
	// maxRounds bounds the questions about one call, of which a program that
	// changes its arguments meanwhile could make ever more.
	maxRounds = 4
)

// answers are what a person has said so far.
type answers struct {
	mu      sync.Mutex
	given   map[subject]bool
	noes    map[subject]int
	open    map[subject]*question
	waiting int
	closed  bool
}

// question is one that has been put, and not been answered yet.
type question struct {
	answered chan struct{}
	yes      bool
}

// given reports whether a person has granted a thing to the container that
// runs.
func (e *Enforcer) given(r *refusal) bool {
	if e.options.Asker == nil || r.fixed != "" {
		return false
	}
	a := &e.answers
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.given[r.subject]
}

// asks reports whether a person is to be asked before a refusal.
func (e *Enforcer) asks(r *refusal) bool {
	if e.options.Asker == nil || r.grant == nil {
		return false
	}
	a := &e.answers
	a.mu.Lock()
	defer a.mu.Unlock()
	return !a.closed && !a.given[r.subject] && a.noes[r.subject] < maxNoes
}

// enter lets a call wait, unless too many do.
func (a *answers) enter() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.waiting >= maxWaiting {
		return false
	}
	a.waiting++
	return true
}

// leave is for a call that waits no longer.
func (a *answers) leave() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.waiting--
}

// waiting is the verdict on a call that has been let wait.
func (e *Enforcer) waiting(later func(context.Context) Verdict) Verdict {
	return Verdict{Later: func(ctx context.Context) Verdict {
		defer e.answers.leave()
		return later(ctx)
	}}
}

// asked decides on a call by what a person says.
func (e *Enforcer) asked(c *Call, r *refusal) func(context.Context) Verdict {
	return func(ctx context.Context) Verdict {
		for range maxRounds {
			if !e.ask(ctx, r, func() string { return e.programOf(c) }) || r.fixed != "" {
				break
			}
			if r.accept != nil {
				r.accept()
			}
			// What a call names is judged anew, for it may have changed; what
			// is done about it is done with what has been judged.
			v, again := e.judge(c)
			switch {
			case again == nil && v.Later != nil:
				return v.Later(ctx)
			case again == nil:
				return v
			}
			if r = again; !e.asks(r) {
				break
			}
		}
		return e.refuse(c, r)
	}
}

// ask puts a question, or waits for its answer where it has been put already.
func (e *Enforcer) ask(ctx context.Context, r *refusal, program func() string) bool {
	a := &e.answers
	a.mu.Lock()
	q, put := a.open[r.subject]
	switch {
	case a.given[r.subject]:
		a.mu.Unlock()
		return true
	case a.closed || a.noes[r.subject] >= maxNoes:
		a.mu.Unlock()
		return false
	case !put:
		if a.open == nil {
			a.open = map[subject]*question{}
		}
		q = &question{answered: make(chan struct{})}
		a.open[r.subject] = q
	}
	a.mu.Unlock()
	if put {
		select {
		case <-q.answered:
			return q.yes
		case <-ctx.Done():
			return false
		}
	}
	now := time.Now()
	answer := e.options.Asker.Ask(ctx, Question{
		Denial: Denial{
			Kind: r.kind, What: r.what, Program: program(), Errno: unix.ErrnoName(r.errno),
			First: now, Last: now, Grant: r.grant(),
		},
		Fixed: r.fixed,
	})
	a.answer(r.subject, q, answer)
	return q.yes
}

// answer notes an answer and lets those go who wait for it.
func (a *answers) answer(s subject, q *question, answer Answer) {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch answer {
	case Yes:
		if a.given == nil {
			a.given = map[subject]bool{}
		}
		a.given[s] = true
		q.yes = true
	case NoMore:
		a.closed = true
	default:
		if a.noes == nil {
			a.noes = map[subject]int{}
		}
		a.noes[s]++
	}
	delete(a.open, s)
	close(q.answered)
}
