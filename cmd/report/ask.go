package report

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/least-privilege/lpm/cmd/render"
	"github.com/least-privilege/lpm/enforcer/supervise"
	"github.com/least-privilege/lpm/manifest"
)

// AskOptions say about what a person is asked.
type AskOptions struct {
	// Image is what the person called it.
	Image string
	// Granted is what the container is held to, and Asked the manifest as it is
	// attached to the image, to which belongs also what was denied when it was
	// approved.
	Granted, Asked *manifest.Manifest
	// Amended is the name of the file for what is granted with always.
	Amended string
}

// Asker asks a person at the terminal: it is a [supervise.Asker]. While a
// question is open it holds the report's gate, so that nothing that the
// container prints can stand beside the question, or in its place.
type Asker struct {
	report  *Report
	options AskOptions

	// told ends when the container is told to end.
	told context.Context
	tell context.CancelFunc

	mu        sync.Mutex // one question at a time
	closed    bool
	amendment amendment
}

// NewAsker returns an asker that prints where the report does. Without a
// terminal the error is [render.ErrNoTerminal]. The caller calls Close.
func (r *Report) NewAsker(o AskOptions) (*Asker, error) {
	if !r.term.Interactive() {
		return nil, render.ErrNoTerminal
	}
	told, tell := context.WithCancel(context.Background())
	return &Asker{report: r, options: o, told: told, tell: tell, amendment: amendment{name: o.Amended, manifest: o.Asked}}, nil
}

// Close closes the amended manifest.
func (a *Asker) Close() error {
	a.tell()
	return a.amendment.close()
}

// End is called when a signal has told the container to end, which is a no to
// everything from now on.
func (a *Asker) End() { a.tell() }

// Ask implements [supervise.Asker]. It waits for as long as the person does.
func (a *Asker) Ask(ctx context.Context, q supervise.Question) supervise.Answer {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed || ctx.Err() != nil {
		return supervise.NoMore
	}
	a.report.gate.Lock()
	defer a.report.gate.Unlock()

	ctx, stop := context.WithCancel(ctx)
	defer stop()
	defer context.AfterFunc(a.told, stop)()
	said, err := a.ask(ctx, q)
	if err != nil {
		a.closed = true
		a.say("no to everything from now on: %s", because(err))
		return supervise.NoMore
	}
	a.report.file.answer(q, said)
	switch said {
	case answerAlways:
		a.always(q)
		return supervise.Yes
	case answerOnce:
		return supervise.Yes
	case answerNoMore:
		a.closed = true
		return supervise.NoMore
	}
	return supervise.No
}

// because says why there is no answer.
func because(err error) string {
	switch {
	case errors.Is(err, context.Canceled):
		return "the container has ended, or is told to"
	case errors.Is(err, io.EOF):
		return "the terminal's input has ended"
	}
	return render.Escape(err.Error())
}

// answer is what a person has said.
type answer string

const (
	answerOnce   answer = "once"
	answerAlways answer = "always"
	answerNo     answer = "no"
	answerNoMore answer = "no more"
)

// ask asks until it understands.
func (a *Asker) ask(ctx context.Context, q supervise.Question) (answer, error) {
	if err := a.report.term.Fresh(); err != nil {
		return "", err
	}
	fmt.Fprint(a.report.term.Err, a.text(q))
	choices := "[o]nce, [a]lways, [n]o, or no to [e]verything?"
	if q.Fixed != "" {
		choices = "[a]lways from now on, but not in this run; [n]o, or no to [e]verything?"
	}
	for {
		text, err := a.report.term.Ask(ctx, choices)
		if err != nil {
			return "", err
		}
		switch strings.ToLower(text) {
		case "o", "once":
			if q.Fixed == "" {
				return answerOnce, nil
			}
		case "a", "always":
			return answerAlways, nil
		case "n", "no":
			return answerNo, nil
		case "e", "everything":
			return answerNoMore, nil
		}
	}
}

// text is a question without its choices.
func (a *Asker) text(q supervise.Question) string {
	var b strings.Builder
	to := ""
	if q.Program != supervise.Anyone {
		to = " to " + shown(q.Program)
	}
	fmt.Fprintf(&b, "lpm: the manifest of %s does not grant this%s:\n  %s\n", shown(a.options.Image), to, tried(q.Denial))
	if odd := render.Lookalike(q.What); odd != "" {
		fmt.Fprintf(&b, "  (%s)\n", odd)
	}
	for _, p := range a.adds(q) {
		fmt.Fprintf(&b, "  %s, %s: %s\n", p.Level, shown(p.ID), shown(p.Meaning))
	}
	if a.denied(q) {
		fmt.Fprint(&b, "  Whoever approved the manifest denied it.\n")
	}
	fmt.Fprintf(&b, "  %s\n", granting(q.Denial))
	if q.Fixed != "" {
		fmt.Fprintf(&b, "  It cannot be given to a container that runs: %s.\n", q.Fixed)
	} else {
		fmt.Fprint(&b, "  Once is until the container ends; always also writes it to a manifest, to be approved.\n")
	}
	return b.String()
}

// adds returns the permissions that the manifest would have to grant besides.
func (a *Asker) adds(q supervise.Question) []manifest.Permission {
	amended, err := q.Grant.Amend(a.options.Granted, reason)
	if err != nil {
		return nil // what no manifest can say, in spite of its kind
	}
	return manifest.Covers(a.options.Granted, amended)
}

// denied reports whether the image's manifest asks for it, so that it is a
// reviewer who said no.
func (a *Asker) denied(q supervise.Question) bool {
	amended, err := q.Grant.Amend(a.options.Asked, reason)
	return err == nil && len(manifest.Covers(a.options.Asked, amended)) == 0
}

// always writes the manifest, and says what it takes for it to count.
func (a *Asker) always(q supervise.Question) {
	name, err := a.amendment.add(q.Grant)
	image := shown(a.options.Image)
	switch {
	case errors.Is(err, errThere):
		a.say("nothing to write: %v; to decide anew: lpm approve %s", err, image)
	case err != nil:
		a.say("not written, so that always is once: %s", render.Escape(err.Error()))
	default:
		a.say("written to %[1]s; it counts when it is attached and approved: lpm attach %[2]s %[1]s; lpm approve %[2]s", render.Escape(name), image)
	}
}

func (a *Asker) say(format string, args ...any) {
	fmt.Fprintf(a.report.term.Err, "lpm: "+format+"\n", args...)
}

// answer writes a person's answer.
func (w *file) answer(q supervise.Question, said answer) {
	w.write(struct {
		head
		Answer  answer          `json:"answer"`
		Kind    supervise.Kind  `json:"kind"`
		What    string          `json:"what"`
		Program string          `json:"program"`
		Grant   supervise.Grant `json:"grant"`
		// Running tells whether the answer can hold for the container that
		// runs.
		Running bool `json:"running"`
	}{newHead("answer"), said, q.Kind, q.What, q.Program, q.Grant, q.Fixed == ""})
}
