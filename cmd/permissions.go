package cmd

import (
	"fmt"

	"github.com/least-privilege/lpm/cmd/render"
	"github.com/least-privilege/lpm/manifest"
)

// proseWidth is the width of lines of prose, in characters.
const proseWidth = 90

// printPermission prints one permission with all that a reviewer must know.
func (s *session) printPermission(p manifest.Permission, note string) {
	heading := render.Reveal(p.Title)
	if p.Optional {
		heading += " (optional)"
	}
	if note != "" {
		heading += " (" + note + ")"
	}
	s.term.Printf("  %s\n", s.term.AtLevel(p.Level, heading))
	if seen := render.Lookalike(p.ID + p.Title); seen != "" {
		s.term.Printf("      %s\n", s.term.Red("! a name here may not be what it looks like: "+seen))
	}
	render.Wrap(s.term.Out, "      ", render.Escape(p.Meaning), proseWidth)
	if p.Reason != "" {
		render.Wrap(s.term.Out, "      ", "its author says: "+render.Reveal(p.Reason), proseWidth)
	}
	s.term.Printf("      %s\n", s.term.Faint(render.Escape(p.ID)))
}

// printPermissions prints permissions by level, the worst first. Normal ones
// are folded to a line for each group, unless unfold is set or they can be
// denied: what asks for a decision is always shown.
func (s *session) printPermissions(list []manifest.Permission, unfold bool) {
	for _, level := range []manifest.Level{manifest.Special, manifest.Dangerous, manifest.Normal} {
		var shown, folded []manifest.Permission
		for _, p := range list {
			switch {
			case p.Level != level:
			case level == manifest.Normal && !unfold && !p.Optional && render.Lookalike(p.ID) == "":
				folded = append(folded, p)
			default:
				shown = append(shown, p)
			}
		}
		if len(shown)+len(folded) == 0 {
			continue
		}
		s.term.Printf("\n%s\n", s.term.Bold(levelHeading(level, len(shown)+len(folded))))
		s.printByGroup(shown)
		s.printFolded(folded)
	}
}

func levelHeading(level manifest.Level, n int) string {
	switch level {
	case manifest.Special:
		return fmt.Sprintf("Special: %d, each to be accepted by name", n)
	case manifest.Dangerous:
		return fmt.Sprintf("Dangerous: %d", n)
	}
	return fmt.Sprintf("Normal: %d", n)
}

// printByGroup prints permissions under the headings of their groups. They are
// sorted by group.
func (s *session) printByGroup(list []manifest.Permission) {
	group := ""
	for _, p := range list {
		if p.Group != group {
			group = p.Group
			s.term.Printf(" %s\n", groupTitle(group))
		}
		s.printPermission(p, "")
	}
}

// printFolded prints a line for each group.
func (s *session) printFolded(list []manifest.Permission) {
	counts := map[string]int{}
	for _, p := range list {
		counts[p.Group]++
	}
	for _, g := range manifest.Groups() {
		if n := counts[g.ID]; n > 0 {
			s.term.Printf(" %s (%d)\n", g.Title, n)
			render.Wrap(s.term.Out, "      ", g.Meaning, proseWidth)
		}
	}
}

func groupTitle(id string) string {
	if g, ok := manifest.LookupGroup(id); ok {
		return g.Title
	}
	return render.Escape(id)
}
