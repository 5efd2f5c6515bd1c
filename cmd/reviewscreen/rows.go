package reviewscreen

import (
	"fmt"
	"slices"

	"github.com/least-privilege/lpm/cmd/render"
	"github.com/least-privilege/lpm/manifest"
)

// rowKind says what a row of the list is.
type rowKind int

const (
	heading rowKind = iota // not to be selected
	asked                  // a permission that is asked for
	former                 // one that was approved and is not asked for so any more
	group                  // normal permissions, folded or not
	proceed                // leads to the summary
)

// row is a line of the list.
type row struct {
	kind rowKind
	// key names the row as long as the request is the same.
	key  string
	text string // of a heading or group; not escaped
	p    manifest.Permission
	// before are the permissions that one is a change of.
	before []manifest.Permission
	// mark is "+" or "-" in a difference.
	mark string
	// inside is set for a row of a group, whose rows are in members.
	inside  bool
	members []row
}

// build makes the rows of the view, and keeps the cursor on the same one where
// it is still there.
func (s *Screen) build() {
	at := ""
	if s.cursor < len(s.rows) {
		at = s.rows[s.cursor].key
	}
	sections := s.everything()
	if !s.all {
		sections = s.difference()
	}
	s.rows = nil
	for _, section := range sections {
		s.rows = append(s.rows, row{kind: heading, text: section.title})
		for _, r := range section.rows {
			s.rows = append(s.rows, r)
			if r.kind == group && s.open[r.key] {
				s.rows = append(s.rows, r.members...)
			}
		}
	}
	s.rows = append(s.rows, row{kind: heading}, row{kind: proceed, key: "proceed", text: "Go to the summary, and sign"})
	s.cursor = slices.IndexFunc(s.rows, func(r row) bool { return r.kind != heading && r.key == at })
	if s.cursor < 0 {
		s.cursor = s.next(-1, 1)
	}
}

// next returns the nearest row in a direction that can be selected, or the row
// itself.
func (s *Screen) next(from, direction int) int {
	for i := from + direction; i >= 0 && i < len(s.rows); i += direction {
		if s.rows[i].kind != heading {
			return i
		}
	}
	return max(from, 0)
}

// section is a heading with rows below it.
type section struct {
	title string
	rows  []row
}

// everything are the permissions by level, the worst first.
func (s *Screen) everything() []section {
	var sections []section
	for _, level := range []manifest.Level{manifest.Special, manifest.Dangerous, manifest.Normal} {
		var rows [][]row
		for _, p := range s.page.Request.Permissions {
			if p.Level == level {
				rows = append(rows, []row{{kind: asked, p: p, key: p.ID}})
			}
		}
		if rows == nil {
			continue
		}
		title := map[manifest.Level]string{
			manifest.Special: "Special, each to be confirmed", manifest.Dangerous: "Dangerous", manifest.Normal: "Normal",
		}[level]
		sections = appendSection(sections, fmt.Sprintf("%s: %d", title, len(rows)), fold("all", rows))
	}
	return sections
}

// difference is what the request changes, each part the worst first.
func (s *Screen) difference() []section {
	d := s.page.Request.Difference()
	sections := appendSection(nil, "Added", fold("added", changed(d.Added)))
	sections = appendSection(sections, "Widened", fold("widened", changed(d.Widened)))
	sections = appendSection(sections, "Narrowed", fold("narrowed", changed(d.Narrowed)))
	sections = appendSection(sections, "No longer asked for", fold("gone", changed(d.Removed)))
	shown := map[string]bool{}
	for _, c := range slices.Concat(d.Added, d.Widened, d.Narrowed) {
		for _, p := range c.After {
			shown[p.ID] = true
		}
	}
	var special []row
	var others [][]row
	for _, p := range s.page.Request.Permissions {
		r := row{kind: asked, p: p, key: p.ID}
		switch {
		case shown[p.ID]:
		case p.Level == manifest.Special:
			special = append(special, r)
		default:
			others = append(others, []row{r})
		}
	}
	sections = appendSection(sections, "Special as before, each to be confirmed", special)
	return appendSection(sections, "As before", foldAll("before", others))
}

func appendSection(sections []section, title string, rows []row) []section {
	if len(rows) == 0 {
		return sections
	}
	return append(sections, section{title, rows})
}

// changed are the rows of changes: what was, then what is.
func changed(changes []manifest.Change) [][]row {
	var rows [][]row
	for _, c := range changes {
		var one []row
		for _, p := range c.Before {
			one = append(one, row{kind: former, p: p, mark: "-", key: "former " + p.ID})
		}
		for _, p := range c.After {
			one = append(one, row{kind: asked, p: p, before: c.Before, mark: "+", key: p.ID})
		}
		rows = append(rows, one)
	}
	return rows
}

// fold puts what is normal into groups, after the rest; the rows of a change
// stay together. What can be denied is never folded, nor what has a name that
// may not be what it looks like.
func fold(part string, changes [][]row) []row {
	keep := func(r row) bool {
		return r.p.Level != manifest.Normal || r.p.Optional && r.kind == asked || render.Lookalike(r.p.ID+r.p.Title) != ""
	}
	var shown []row
	var folded [][]row
	for _, rows := range changes {
		if slices.ContainsFunc(rows, keep) {
			shown = append(shown, rows...)
		} else {
			folded = append(folded, rows)
		}
	}
	return append(shown, foldAll(part, folded)...)
}

// foldAll puts changes into the groups of their permissions. A group of one is
// that one.
func foldAll(part string, changes [][]row) []row {
	var groups []row
	for _, g := range manifest.Groups() {
		n := 0
		var members []row
		for _, rows := range changes {
			if rows[0].p.Group == g.ID {
				members = append(members, rows...)
				n++
			}
		}
		if n < 2 {
			groups = append(groups, members...)
			continue
		}
		for i := range members {
			members[i].inside = true
		}
		groups = append(groups, row{
			kind: group, key: part + " " + g.ID, text: fmt.Sprintf("%s (%d)", g.Title, n), members: members,
			p: manifest.Permission{Group: g.ID, Meaning: g.Meaning},
		})
	}
	return groups
}
