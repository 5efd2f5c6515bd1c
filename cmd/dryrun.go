package cmd

import (
	"fmt"

	"github.com/least-privilege/lpm/cmd/render"
	"github.com/least-privilege/lpm/enforcer/plan"
)

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
	for _, text := range p.Landlock.Lines() {
		line("landlock    %s", text)
	}
	for _, l := range p.Limits {
		line("limit       %s", l)
	}
	for _, u := range p.Unenforced {
		line("unenforced  %s", u)
	}
	line("")
	line("layer over the image:")
	for _, e := range p.Layer.Entries {
		line("  %-8s %s", e.Kind, e.Path)
	}
	rules := func(f plan.Filter) {
		for _, r := range f.Rules {
			text := fmt.Sprintf("  %s %s", r.Action, r.Syscall)
			for _, c := range r.When {
				text += fmt.Sprintf(" arg%d&%#x==%#x", c.Arg, c.Mask, c.Value)
			}
			line("%s", text)
		}
	}
	for i, f := range p.Filters {
		line("")
		line("filter %d: by default %s", i, f.Default)
		rules(f)
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
	if p.Init == nil {
		return nil
	}
	line("")
	line("filter of the first process: by default %s", p.Init.Filter.Default)
	rules(p.Init.Filter)
	line("")
	line("operations of the first process, once it has forked the program's:")
	for _, op := range p.Init.Ops {
		line("  %s", op)
	}
	line("  # again and again: a signal; the ended, of which the program is the last; every other signal to the program")
	for _, op := range []plan.Op{p.Init.Wait, p.Init.Collect, p.Init.End, p.Init.Pass} {
		line("  %s", op)
	}
	return nil
}
