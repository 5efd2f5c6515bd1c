package cmd

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/least-privilege/lpm/cmd/page"
	"github.com/least-privilege/lpm/cmd/render"
	"github.com/least-privilege/lpm/manifest"
	"github.com/least-privilege/lpm/manifest/vulnerabilities"
)

// toOutput is the name of a file that stands for standard output.
const toOutput = "-"

// checkPage refuses what does not go with a page, before the work for it.
func checkPage(c *cobra.Command, file string) error {
	switch {
	case file == "":
		return usagef("such as --html page.html, or --html - for standard output", "--html needs a FILE")
	case c.Flags().Changed("output"):
		return usagef("leave one of them out", "--html and -o are two forms of the same")
	case file == toOutput:
		return nil
	}
	return writableFiles(file)
}

// writePage writes the page to a file, whole or not at all.
func (s *session) writePage(i *inspected, file string, now time.Time) error {
	var b bytes.Buffer
	if err := page.Write(&b, i.document(now)); err != nil {
		return err
	}
	if file == toOutput {
		_, err := s.term.Out.Write(b.Bytes())
		return err
	}
	if err := writeFile(file, b.Bytes()); err != nil {
		return fmt.Errorf("writing the page: %w", err)
	}
	s.progress(fmt.Sprintf("%s: %s", file, levelCounts(countLevels(i.request.Permissions))))
	return nil
}

// document is what was found, for a page.
func (i *inspected) document(now time.Time) *page.Document {
	q, m := i.request, i.request.Found.Manifest
	d := &page.Document{
		Name: q.Subject.Name, Image: q.Subject.Digest.String(), Manifest: q.Found.Digest.String(),
		Architecture: m.Syscalls.Architecture, Size: render.Size(i.size),
		Attached: q.Found.Created, Made: now, Older: q.Older,
		Approval:      i.state.forPage(now),
		Narrowed:      i.granted != nil,
		DockerProfile: i.counts.DockerProfile,
		Evidence:      sentence(i.why.summary()),
		Trials:        sentence(i.why.triedSummary()),
		// The table is of what is asked for, like the permissions.
		Vulnerabilities: vulnerabilities.Worst(vulnerabilities.Open(m)),
	}
	for _, f := range q.Invalid {
		d.Invalid = append(d.Invalid, page.Invalid{Digest: f.Digest.String(), Error: f.Err.Error()})
	}
	d.Counts = i.countsForPage()
	for _, level := range []manifest.Level{manifest.Special, manifest.Dangerous, manifest.Normal} {
		if l := i.levelForPage(level); l.Total() > 0 {
			d.Levels = append(d.Levels, l)
		}
	}
	for _, r := range i.why.Runs {
		d.Runs = append(d.Runs, page.Run{
			Started: r.Started, Duration: time.Duration(r.Duration) * time.Millisecond, Kernel: r.Kernel,
			Command: strings.Join(r.Command, " "), Exercise: r.Exercise, From: r.From,
		})
	}
	for _, t := range i.why.Trials {
		d.Tries = append(d.Tries, page.Trials{Runs: t.Runs, Command: strings.Join(t.Command, " "), Exercise: t.Exercise, From: t.From})
	}
	return d
}

// sentence makes one of a line; nothing stays nothing.
func sentence(line string) string {
	if line == "" {
		return ""
	}
	return strings.ToUpper(line[:1]) + line[1:] + "."
}

func (s approvalState) forPage(now time.Time) page.Approval {
	a := page.Approval{Granted: s.Approved, Word: s.word(), Text: s.text()}
	for _, other := range s.others {
		a.Notes = append(a.Notes, "Also "+other+".")
	}
	for _, id := range s.Denied {
		a.Notes = append(a.Notes, "Without "+id+".")
	}
	if news := s.news(); news != "" {
		a.Notes = append(a.Notes, sentence(news))
	}
	for _, ignored := range s.Ignored {
		a.Notes = append(a.Notes, fmt.Sprintf("The approval %s does not count: %s.", ignored.Digest, ignored.Error))
	}
	if asOf := s.asOf(now); asOf != "" {
		a.Notes = append(a.Notes, "As of "+asOf+".")
	}
	return a
}

func (i *inspected) countsForPage() []page.Count {
	var list []page.Count
	add := func(what, note string, of func(*counts) tally) {
		t := of(&i.counts)
		c := page.Count{What: what, Note: note, Asked: t.Allowed, Of: t.Of, Docker: t.Docker, AskedBar: page.NewBar(t.Allowed, t.Of), DockerBar: page.NewBar(t.Docker, t.Of)}
		if i.granted != nil {
			c.Approved = of(i.granted).Allowed
			c.ApprovedBar = page.NewBar(c.Approved, t.Of)
		}
		list = append(list, c)
	}
	note := ""
	if n := i.counts.Conditional; n > 0 {
		note = fmt.Sprintf("%d with certain arguments only", n)
	}
	add("System calls", note, func(c *counts) tally { return c.SystemCalls })
	add("Known kernel CVEs left reachable", "", func(c *counts) tally { return c.Vulnerabilities })
	add("Capabilities", "", func(c *counts) tally { return c.Capabilities })
	return list
}

func (i *inspected) levelForPage(level manifest.Level) page.Level {
	shown, folded := i.split(level)
	l := page.Level{Level: level, Shown: i.forPage(shown)}
	for _, g := range manifest.Groups() {
		var of []explainedPermission
		for _, p := range folded {
			if p.Group == g.ID {
				of = append(of, p)
			}
		}
		if len(of) == 0 {
			continue
		}
		group := page.Group{Title: g.Title, Meaning: g.Meaning, Permissions: i.forPage(of)}
		if len(i.why.Runs) > 0 {
			group.Seen = sightsText(i.why.sights(of))
		}
		l.Groups = append(l.Groups, group)
	}
	return l
}

// sightsText says how many were seen and how many never; nothing of those that
// nobody looks for.
func sightsText(n map[sight]int) string {
	var parts []string
	if n[inSight] > 0 {
		parts = append(parts, fmt.Sprintf("%d seen", n[inSight]))
	}
	if n[outOfSight] > 0 {
		parts = append(parts, fmt.Sprintf("%d never seen", n[outOfSight]))
	}
	return strings.Join(parts, ", ")
}

func (i *inspected) forPage(list []explainedPermission) []page.Permission {
	kept := i.kept()
	var all []page.Permission
	for _, p := range list {
		all = append(all, page.Permission{
			Permission: p.Permission, Seen: i.why.seen(p), Tried: p.tried(), Never: len(i.why.Runs) > 0 && i.why.sight(p) == outOfSight,
			Denied: kept != nil && !kept[p.ID], CVEs: len(p.Vulnerabilities),
		})
	}
	return all
}
