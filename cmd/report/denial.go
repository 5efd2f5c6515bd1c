// Package report tells a person how a launch went.
//
// What was tried, and by which program, comes from the container, and is
// escaped before it is printed. The front process of a launch uses it too, so
// that it needs neither cobra nor the registry.
package report

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/least-privilege/lpm/cmd/render"
	"github.com/least-privilege/lpm/enforcer/plan"
	"github.com/least-privilege/lpm/enforcer/supervise"
)

// Denied reports a refusal when it happens. On a terminal in raw mode a new line does
// not begin at its left edge by itself.
func Denied(t *render.Terminal, d supervise.Denial, raw bool) {
	end := "\n"
	if raw {
		end = "\r\n"
	}
	fmt.Fprintf(t.Err, "lpm: refused: %s, by %s (%s)%s", tried(d), render.Escape(d.Program), d.Errno, end)
}

// Denials reports all refusals at the end.
func Denials(t *render.Terminal, list []supervise.Denial, others uint64) {
	if len(list) == 0 {
		return
	}
	fmt.Fprintf(t.Err, "lpm: the manifest did not grant %s that the container tried:\n", things(len(list)))
	for _, d := range list {
		fmt.Fprintf(t.Err, "  %s, by %s, %s (%s)\n", tried(d), render.Escape(d.Program), times(d.Count), d.Errno)
		grant := "no manifest can grant it"
		if !d.Grant.IsZero() {
			grant = "to grant it: " + render.Escape(d.Grant.String())
		}
		fmt.Fprintf(t.Err, "    %s\n", grant)
	}
	if others > 0 {
		fmt.Fprintf(t.Err, "  and %s more of other kinds, which were not kept apart\n", times(others))
	}
}

// LeftOut reminds of the permissions that are in the manifest and that
// the reviewer denied: to add them to it would change nothing.
func LeftOut(t *render.Terminal, image string, denied []string) {
	if len(denied) == 0 {
		return
	}
	ids := make([]string, len(denied))
	for i, id := range denied {
		ids[i] = render.Escape(id)
	}
	fmt.Fprintf(t.Err, "lpm: in the manifest, and denied when it was approved: %s; to decide anew: lpm approve %s\n",
		strings.Join(ids, ", "), render.Escape(image))
}

// tried says what was tried.
func tried(d supervise.Denial) string {
	what := render.Escape(d.What)
	switch d.Kind {
	case supervise.KindProgram:
		return "program " + what
	case supervise.KindConnect:
		return "connect to " + what
	case supervise.KindListen:
		return "listen on " + what
	}
	return "system call " + what
}

func times(n uint64) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

func things(n int) string {
	if n == 1 {
		return "one thing"
	}
	return fmt.Sprintf("%d things", n)
}

// Limits says in a line what holds the container to its bounds.
func Limits(t *render.Terminal, e plan.Enforcement) {
	fmt.Fprintf(t.Err, "lpm: limits: %s\n", render.Escape(e.String()))
}

// WriteDenials writes JSON lines: first what held the container to its bounds,
// then the denials.
func WriteDenials(name string, e plan.Enforcement, list []supervise.Denial) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	encoder := json.NewEncoder(f)
	if err := encoder.Encode(e); err != nil {
		f.Close()
		return err
	}
	for _, d := range list {
		if err := encoder.Encode(d); err != nil {
			f.Close()
			return err
		}
	}
	return f.Close()
}
