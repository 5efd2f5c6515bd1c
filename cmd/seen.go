package cmd

import (
	"fmt"
	"strings"

	"github.com/least-privilege/lpm/analyzer"
)

// sight is whether the records of runs show a permission.
type sight int

const (
	// inSight permissions were used in a run.
	inSight sight = iota
	// outOfSight ones were not, though they would have been noticed.
	outOfSight
	// unwatched ones are not looked for: every program needs them, they are too
	// frequent to be watched, or they are no act of a program, such as a bound.
	unwatched
)

// sight tells whether the records show a permission. Without records there is
// nothing to tell.
func (x *explanation) sight(p explainedPermission) sight {
	e := p.Evidence
	switch {
	case e == nil && (p.Path == "" || isBound(p)):
		return unwatched
	case e == nil:
		return outOfSight
	case e.Count > 0:
		return inSight
	case e.Basis == analyzer.Reachable || e.Basis == analyzer.Variant:
		return outOfSight
	}
	return unwatched
}

// seen says in a line what the records show of a permission, and no more; empty
// where there is nothing to say. What it quotes is not escaped.
func (x *explanation) seen(p explainedPermission) string {
	e := p.Evidence
	switch {
	case len(x.Runs) == 0:
		return ""
	case e == nil && p.Path == "":
		return "no entry asks for it"
	case e == nil && isBound(p):
		return "a bound that the records do not speak of"
	case e == nil:
		return "never seen in " + count(len(x.Runs), "run")
	case e.Count > 0:
		text := fmt.Sprintf("seen in %d of %s", len(e.Runs), count(len(x.Runs), "run"))
		if len(e.Programs) > 0 {
			text += ", by " + programNames(e.Programs)
		}
		if e.Checks == e.Count {
			text += ", in its health check alone"
		}
		return text
	}
	switch e.Basis {
	case analyzer.Always:
		return "needed by every program"
	case analyzer.Unseen:
		return "not watched: the call is too frequent"
	case analyzer.Reachable:
		return "never seen in " + count(len(x.Runs), "run") + "; code of the image can make the call"
	case analyzer.Variant:
		return "never seen in " + count(len(x.Runs), "run") + "; does the same as a call that was"
	}
	return e.Text
}

// tried says in a line what trials without a permission have found; empty where
// they found nothing.
func (p explainedPermission) tried() string {
	switch p.Need {
	case analyzer.Needed:
		return "needed: fails without it"
	case analyzer.Unneeded:
		return "not needed: passed without it"
	}
	return ""
}

// rests is what the records and the trials say of a permission, in a line.
func (x *explanation) rests(p explainedPermission) string {
	var parts []string
	for _, text := range []string{x.seen(p), p.tried()} {
		if text != "" {
			parts = append(parts, text)
		}
	}
	return strings.Join(parts, "; ")
}

// isBound reports whether a permission bounds what is used of the machine.
func isBound(p explainedPermission) bool { return p.Group == "resources" }
