package cmd

import (
	"fmt"
	"strings"

	"github.com/least-privilege/lpm/cmd/render"
	"github.com/least-privilege/lpm/manifest"
)

// printMarkdown prints changes as a comment on a pull request. All in a manifest
// is its author's to choose, so that nothing of it gets there unescaped.
func (s *session) printMarkdown(d manifest.Diff) {
	if !d.Wider() {
		s.term.Printf("**Asks for nothing new.**\n")
	} else {
		s.term.Printf("**Asks for more:** %s.\n", strings.Join(wider(d), ", "))
	}
	s.markdownChanges("Added", d.Added)
	s.markdownChanges("Widened", d.Widened)
	s.markdownChanges("Narrowed", d.Narrowed)
	s.markdownChanges("No longer asked for", d.Removed)
}

// wider counts what is asked for beyond what was, by the levels that matter.
func wider(d manifest.Diff) []string {
	var list []string
	for _, level := range []manifest.Level{manifest.Special, manifest.Dangerous, manifest.Normal} {
		n := 0
		for _, c := range append(d.Added[:len(d.Added):len(d.Added)], d.Widened...) {
			if c.Level() == level {
				n++
			}
		}
		if n > 0 {
			list = append(list, fmt.Sprintf("%d %s", n, level))
		}
	}
	return list
}

func (s *session) markdownChanges(heading string, changes []manifest.Change) {
	if len(changes) == 0 {
		return
	}
	s.term.Printf("\n### %s\n\n| Level | Permission | What it allows |\n| --- | --- | --- |\n", heading)
	for _, c := range changes {
		for _, p := range c.Before {
			if len(c.After) > 0 {
				s.term.Printf("| before | ~~%s~~ | |\n", render.Markdown(p.Title))
			} else {
				s.markdownPermission(p)
			}
		}
		for _, p := range c.After {
			s.markdownPermission(p)
		}
	}
}

func (s *session) markdownPermission(p manifest.Permission) {
	level := p.Level.String()
	if p.Level == manifest.Special {
		level = "**" + level + "**"
	}
	title, meaning := render.Markdown(p.Title)+"<br>"+render.MarkdownCode(p.ID), render.Markdown(p.Meaning)
	if seen := render.Lookalike(p.ID + p.Title); seen != "" {
		title += "<br>**A name here may not be what it looks like:** " + render.Markdown(seen)
	}
	if p.Optional {
		title += "<br>optional"
	}
	if p.Reason != "" {
		meaning += "<br>Its author says: " + render.Markdown(p.Reason)
	}
	s.term.Printf("| %s | %s | %s |\n", level, title, meaning)
}
