package report

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/least-privilege/lpm/cmd/render"
	"github.com/least-privilege/lpm/enforcer/plan"
	"github.com/least-privilege/lpm/enforcer/supervise"
)

// Bounds of what a person is shown: the things at the end, and the characters
// of each text.
const (
	maxThings     = 40
	maxCharacters = 300
)

// summarise prints what was refused, the first of it where it is much, and
// reminds of the permissions that are in the manifest and that the reviewer
// denied: to add them to it would change nothing.
func summarise(out io.Writer, e End) {
	if len(e.Denials) == 0 {
		return
	}
	fmt.Fprintf(out, "lpm: the manifest did not grant %s that the container tried:\n", things(len(e.Denials)))
	for _, d := range first(e.Denials, maxThings) {
		fmt.Fprintf(out, "  %s%s, %s (%s)\n", tried(d), by(d), times(d.Count), d.Errno)
		if d.Reason != "" {
			fmt.Fprintf(out, "    why: %s\n", shown(d.Reason))
		}
		fmt.Fprintf(out, "    %s\n", granting(d))
	}
	if n := len(e.Denials) - maxThings; n > 0 {
		fmt.Fprintf(out, "  and %d things more, which --denials FILE keeps\n", n)
	}
	if e.Others > 0 {
		fmt.Fprintf(out, "  and %s more of other kinds, which were not kept apart\n", times(e.Others))
	}
	if len(e.LeftOut) > 0 {
		ids := make([]string, len(e.LeftOut))
		for i, id := range e.LeftOut {
			ids[i] = shown(id)
		}
		fmt.Fprintf(out, "lpm: in the manifest, and denied when it was approved: %s; to decide anew: lpm approve %s\n",
			strings.Join(ids, ", "), shown(e.Image))
	}
}

// first returns the n denials that happened first, in the order they are in: a
// container that wants to hide something among many others cannot do so before
// it has begun.
func first(list []supervise.Denial, n int) []supervise.Denial {
	if len(list) <= n {
		return list
	}
	byTime := slices.Clone(list)
	slices.SortFunc(byTime, func(a, b supervise.Denial) int { return a.First.Compare(b.First) })
	last := byTime[n-1].First
	kept := slices.DeleteFunc(slices.Clone(list), func(d supervise.Denial) bool { return d.First.After(last) })
	return kept[:min(n, len(kept))]
}

// granting says what would grant it.
func granting(d supervise.Denial) string {
	if d.Grant.IsZero() {
		return "no manifest can grant it"
	}
	return "to grant it: " + shown(d.Grant.String())
}

// by says who tried, where that is known.
func by(d supervise.Denial) string {
	if d.Program == supervise.Anyone {
		return ""
	}
	return ", by " + shown(d.Program)
}

// tried says what was tried.
func tried(d supervise.Denial) string {
	what := shown(d.What)
	switch d.Kind {
	case supervise.KindProgram:
		return "program " + what
	case supervise.KindConnect:
		if strings.HasSuffix(strings.TrimSuffix(what, ")"), "/icmp") {
			return "send echo requests to " + what
		}
		return "connect to " + what
	case supervise.KindResolve:
		return "look up " + what
	case supervise.KindListen:
		return "listen on " + what
	case supervise.KindRead:
		return "read " + what
	case supervise.KindWrite:
		return "write " + what
	}
	return "system call " + what
}

// shown is a text of the container's as it is printed.
func shown(text string) string {
	// Nothing is longer before it is escaped than after.
	cut := len(text) > utf8.UTFMax*maxCharacters
	if cut {
		text = text[:utf8.UTFMax*maxCharacters]
	}
	escaped := []rune(render.Escape(text))
	if len(escaped) > maxCharacters {
		escaped, cut = escaped[:maxCharacters], true
	}
	if cut {
		return string(escaped) + "…"
	}
	return string(escaped)
}

// Limits says in a line what holds the container to its bounds.
func Limits(t *render.Terminal, e plan.Enforcement) {
	fmt.Fprintf(t.Err, "lpm: limits: %s\n", render.Escape(e.String()))
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
