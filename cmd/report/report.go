package report

import (
	"errors"
	"sync"
	"time"

	"github.com/least-privilege/lpm/cmd/render"
	"github.com/least-privilege/lpm/enforcer/plan"
	"github.com/least-privilege/lpm/enforcer/supervise"
)

// Options say how to report on a container.
type Options struct {
	Term *render.Terminal
	// Live prints each thing that is refused when that happens for the first
	// time. Raw says that the terminal is in raw mode then.
	Live, Raw bool
	// File takes the lines for programs; empty for none.
	File string
}

// Report reports on one container. Its methods may be called by several
// goroutines.
type Report struct {
	term *render.Terminal
	// gate is held by whoever prints; for as long as a question is open, by
	// the one who asks.
	gate sync.Mutex
	live *live
	file *file
}

// New returns a report, with its file open: a path that cannot be written is
// an error before anything runs. The caller calls Close.
func New(o Options) (*Report, error) {
	r := &Report{term: o.Term}
	if o.File != "" {
		var err error
		if r.file, err = create(o.File); err != nil {
			return nil, err
		}
	}
	if o.Live {
		r.live = start(o.Term.Err, &r.gate, o.Raw)
	}
	return r, nil
}

// Gate is held while the report, or a question, is printed. Whatever else is
// written to the terminal is to hold it too.
func (r *Report) Gate() sync.Locker { return &r.gate }

// Enforced is the first line of the file: what the container is held to.
type Enforced struct {
	// Image and Manifest are digests.
	Image    string `json:"image"`
	Manifest string `json:"manifest"`
	// Asking says that a person is asked before something is refused.
	Asking bool `json:"asking"`
	// Limits are the bounds on what it uses.
	Limits []plan.Limit `json:"limits"`
	// Unenforced says what the host cannot enforce and the caller accepted.
	Unenforced []string `json:"unenforced"`
}

// Enforced writes what the container is held to.
func (r *Report) Enforced(e Enforced) {
	if e.Limits == nil {
		e.Limits = []plan.Limit{}
	}
	if e.Unenforced == nil {
		e.Unenforced = []string{}
	}
	r.file.write(struct {
		head
		Version int `json:"version"`
		Enforced
	}{newHead("enforced"), formatVersion, e})
}

// Denied reports a denial, as supervise.Options has it.
func (r *Report) Denied(d supervise.Denial) {
	r.file.denial(d)
	if r.live != nil && d.First.Equal(d.Last) {
		r.live.say("lpm: refused: " + tried(d) + by(d) + " (" + d.Errno + ")")
	}
}

// End is how a container ended.
type End struct {
	// Denials, Others and Calls are as in container.Result.
	Denials       []supervise.Denial
	Others, Calls uint64
	// Code is lpm's exit code.
	Code int
	// Image is what the person called it, and LeftOut the IDs of the
	// permissions that its reviewer denied.
	Image   string
	LeftOut []string
}

// Close prints and writes what is to be said at the end. The error is that of
// the file: something of it is lost.
func (r *Report) Close(e End) error {
	if r.live != nil {
		r.live.end()
	}
	r.gate.Lock()
	summarise(r.term.Err, e)
	r.gate.Unlock()
	return r.file.end(e)
}

// Abandon lets go of a report on a container that was not started.
func (r *Report) Abandon() error {
	if r.live != nil {
		r.live.end()
	}
	return r.file.close()
}

// now is the time as the file has it.
func now() time.Time { return time.Now().UTC() }

var errClosed = errors.New("the report is closed")
