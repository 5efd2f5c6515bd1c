package cmd

import (
	"fmt"
	"strings"

	"github.com/least-privilege/lpm/cmd/render"
	"github.com/least-privilege/lpm/enforcer/plan"
	"github.com/least-privilege/lpm/enforcer/supervise"
)

// printDenial reports a refusal when it happens. What was tried, and by which
// program, comes from the container. On a terminal in raw mode a new line does
// not begin at its left edge by itself.
func (s *session) printDenial(d supervise.Denial, raw bool) {
	end := "\n"
	if raw {
		end = "\r\n"
	}
	fmt.Fprintf(s.term.Err, "lpm: refused: %s, by %s (%s)%s", tried(d), render.Escape(d.Program), d.Errno, end)
}

// reportDenials reports all refusals at the end.
func (s *session) reportDenials(list []supervise.Denial, others uint64) {
	if len(list) == 0 {
		return
	}
	fmt.Fprintf(s.term.Err, "lpm: the manifest did not grant %s that the container tried:\n", things(len(list)))
	for _, d := range list {
		fmt.Fprintf(s.term.Err, "  %s, by %s, %s (%s)\n", tried(d), render.Escape(d.Program), times(d.Count), d.Errno)
		grant := "no manifest can grant it"
		if !d.Grant.IsZero() {
			grant = "to grant it: " + render.Escape(d.Grant.String())
		}
		fmt.Fprintf(s.term.Err, "    %s\n", grant)
	}
	if others > 0 {
		fmt.Fprintf(s.term.Err, "  and %s more of other kinds, which were not kept apart\n", times(others))
	}
}

// reportLeftOut reminds of the permissions that are in the manifest and that
// the reviewer denied: to add them to it would change nothing.
func (s *session) reportLeftOut(image string, denied []string) {
	if len(denied) == 0 {
		return
	}
	ids := make([]string, len(denied))
	for i, id := range denied {
		ids[i] = render.Escape(id)
	}
	fmt.Fprintf(s.term.Err, "lpm: in the manifest, and denied when it was approved: %s; to decide anew: lpm approve %s\n",
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

// printPlan prints what a launch would do, exactly as it would be done.
func (s *session) printPlan(p *plan.Plan, form output) error {
	if form == asJSON {
		return s.term.JSON(p)
	}
	line := func(format string, args ...any) { s.term.Printf("%s\n", render.Escape(fmt.Sprintf(format, args...))) }
	line("image       %s", p.Image)
	line("manifest    %s", p.Manifest)
	line("program     %s %q in %s", p.Process.Program, p.Process.Args, p.Process.Dir)
	line("identity    %d:%d, ids %v, groups %v", p.Identity.UID, p.Identity.GID, p.Identity.UIDs, p.Identity.GIDs)
	line("namespaces  %v", p.Namespaces)
	for _, u := range p.Unenforced {
		line("unenforced  %s", u)
	}
	line("")
	line("layer over the image:")
	for _, e := range p.Layer.Entries {
		line("  %-8s %s", e.Kind, e.Path)
	}
	for i, f := range p.Filters {
		line("")
		line("filter %d: by default %s", i, f.Default)
		for _, r := range f.Rules {
			text := fmt.Sprintf("  %s %s", r.Action, r.Syscall)
			for _, c := range r.When {
				text += fmt.Sprintf(" arg%d&%#x==%#x", c.Arg, c.Mask, c.Value)
			}
			line("%s", text)
		}
	}
	line("")
	line("operations:")
	about := ""
	for _, op := range p.Ops {
		if op.About != about {
			about = op.About
			line("  # %s", about)
		}
		line("  %s", op)
	}
	return nil
}
