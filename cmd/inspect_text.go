package cmd

import (
	"fmt"
	"strings"

	"github.com/least-privilege/lpm/analyzer"
	"github.com/least-privilege/lpm/cmd/render"
	"github.com/least-privilege/lpm/manifest"
	"github.com/least-privilege/lpm/registry/review"
)

// printInspected prints what was found of an image, on one screen as far as the
// manifest allows. With unfold, normal permissions are listed too.
func (s *session) printInspected(i *inspected, unfold bool) {
	q := i.request
	s.term.Printf("%s\n", s.term.Bold(render.Escape(q.Subject.Name)))
	s.term.Printf("  image      %s, %s, %s\n", q.Subject.Digest, q.Found.Manifest.Syscalls.Architecture, render.Size(i.size))
	s.term.Printf("  manifest   %s%s\n", q.Found.Digest, attachedOn(q.Found.Created))
	s.printState(q)
	s.printAttachedBeside(q)
	s.term.Printf("  asks for   %s\n", levelCounts(countLevels(q.Permissions)))
	s.term.Printf("  evidence   %s\n", i.why.summary())
	if text := i.why.triedSummary(); text != "" {
		s.term.Printf("  trials     %s\n", text)
	}
	s.printCounts(i)
	for _, level := range []manifest.Level{manifest.Special, manifest.Dangerous, manifest.Normal} {
		s.printLevel(i, level, unfold)
	}
}

// summary says in a line what the records show of all permissions.
func (x *explanation) summary() string {
	if len(x.Runs) == 0 {
		return "none attached; lpm attach --evidence keeps the records of runs"
	}
	n := x.sights(x.permissions)
	text := fmt.Sprintf("%s: %d of the permissions seen, %d never", count(len(x.Runs), "recorded run"), n[inSight], n[outOfSight])
	if n[unwatched] > 0 {
		text += fmt.Sprintf(", %d that are not watched", n[unwatched])
	}
	return text
}

// triedSummary says in a line what trials have found of all permissions; empty
// where there were none.
func (x *explanation) triedSummary() string {
	if len(x.Trials) == 0 {
		return ""
	}
	runs, n := 0, map[analyzer.Need]int{}
	for _, t := range x.Trials {
		runs += t.Runs
	}
	for _, p := range x.permissions {
		n[p.Need]++
	}
	return fmt.Sprintf("%s with permissions left out: %d needed, %d not needed, the others undecided", count(runs, "run"), n[analyzer.Needed], n[analyzer.Unneeded])
}

// sights counts permissions by whether the records show them.
func (x *explanation) sights(list []explainedPermission) map[sight]int {
	n := map[sight]int{}
	for _, p := range list {
		n[x.sight(p)]++
	}
	return n
}

// printCounts prints how much of the kernel is opened, beside Docker's default.
func (s *session) printCounts(i *inspected) {
	s.term.Printf("\n  %-33s %12s", "", "asked for")
	if i.granted != nil {
		s.term.Printf(" %12s", "approved")
	}
	s.term.Printf(" %18s\n", "Docker's default")
	row := func(what string, of func(*counts) tally) {
		t := of(&i.counts)
		s.term.Printf("  %-33s %12s", what, fmt.Sprintf("%d of %d", t.Allowed, t.Of))
		if i.granted != nil {
			s.term.Printf(" %12d", of(i.granted).Allowed)
		}
		s.term.Printf(" %18d\n", t.Docker)
	}
	row("system calls allowed", func(c *counts) tally { return c.SystemCalls })
	row("known kernel CVEs left reachable", func(c *counts) tally { return c.Vulnerabilities })
	row("capabilities", func(c *counts) tally { return c.Capabilities })
}

// printLevel prints the permissions of a level.
func (s *session) printLevel(i *inspected, level manifest.Level, unfold bool) {
	shown, folded := i.split(level)
	if len(shown)+len(folded) == 0 {
		return
	}
	heading := levelHeading(level, len(shown)+len(folded))
	if len(folded) > 0 && !unfold {
		heading += ", folded; --all lists them"
	}
	s.term.Printf("\n%s\n", s.term.Bold(heading))
	kept := i.kept()
	for _, p := range shown {
		s.printPermission(p.Permission, deniedNote(kept, p))
		s.printSeen(i.why, p)
	}
	if unfold {
		s.printListed(i.why, folded)
	} else {
		s.printFoldedGroups(i.why, folded)
	}
}

func deniedNote(kept map[string]bool, p explainedPermission) string {
	if kept != nil && !kept[p.ID] {
		return "denied"
	}
	return ""
}

func (s *session) printSeen(x *explanation, p explainedPermission) {
	if text := x.rests(p); text != "" {
		render.Wrap(s.term.Out, "      ", render.Escape(text), proseWidth)
	}
}

// groupsWidth is the width of the column of groups, in characters.
const groupsWidth = len("System calls (385)")

// printFoldedGroups prints a line for each group, all system calls being one, and
// what of them no run has shown.
func (s *session) printFoldedGroups(x *explanation, list []explainedPermission) {
	counts, calls := map[string]int{}, 0
	for _, p := range list {
		counts[p.Group]++
		if strings.HasPrefix(p.Group, "syscalls/") {
			calls++
		}
	}
	var kinds []string
	for _, g := range manifest.Groups() {
		n := counts[g.ID]
		kind, isCall := strings.CutPrefix(g.Title, "System calls: ")
		switch {
		case n == 0:
		case isCall:
			kinds = append(kinds, fmt.Sprintf("%s %d", kind, n))
		default:
			s.term.Printf("  %-*s %s\n", groupsWidth, fmt.Sprintf("%s (%d)", g.Title, n), g.Meaning)
		}
	}
	if calls > 0 {
		s.term.Printf("  %-*s %s\n", groupsWidth, fmt.Sprintf("System calls (%d)", calls), strings.Join(kinds, ", "))
	}
	s.printNeverSeen(x, list)
}

// mostNamed bounds the names in a line of what was never seen.
const mostNamed = 6

func (s *session) printNeverSeen(x *explanation, list []explainedPermission) {
	var never []string
	for _, p := range list {
		if len(x.Runs) > 0 && x.sight(p) == outOfSight {
			never = append(never, p.ID)
		}
	}
	if len(never) == 0 {
		return
	}
	text := fmt.Sprintf("never seen in %s (%d): %s", count(len(x.Runs), "run"), len(never), strings.Join(never[:min(len(never), mostNamed)], ", "))
	if n := len(never) - mostNamed; n > 0 {
		text += fmt.Sprintf(" and %d more", n)
	}
	render.Wrap(s.term.Out, "  ", render.Escape(text), proseWidth)
}

// printListed prints a line for each permission, below the headings of groups.
func (s *session) printListed(x *explanation, list []explainedPermission) {
	group := ""
	for _, p := range list {
		if p.Group != group {
			group = p.Group
			s.term.Printf(" %s\n", groupTitle(group))
			if g, ok := manifest.LookupGroup(group); ok {
				render.Wrap(s.term.Out, "      ", g.Meaning, proseWidth)
			}
		}
		var about []string
		if p.Title != strings.TrimPrefix(p.ID, "syscall:") {
			about = append(about, p.Title)
		}
		if rests := x.rests(p); rests != "" {
			about = append(about, rests)
		}
		line := p.ID
		if len(about) > 0 {
			line = fmt.Sprintf("%-28s %s", p.ID, strings.Join(about, "; "))
		}
		s.term.Printf("      %s\n", render.Escape(line))
	}
}

// printAttachedBeside prints what else is attached as a manifest.
func (s *session) printAttachedBeside(q *review.Request) {
	if q.Older > 0 {
		s.term.Printf("  older      %s, not looked at\n", count(q.Older, "manifest"))
	}
	for _, f := range q.Invalid {
		s.term.Printf("  %s    %s: %s\n", s.term.Red("invalid"), f.Digest, render.Escape(f.Err.Error()))
	}
}
