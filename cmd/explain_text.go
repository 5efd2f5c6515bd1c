package cmd

import (
	"fmt"
	"path"
	"strings"
	"time"

	"github.com/least-privilege/lpm/cmd/render"
	"github.com/least-privilege/lpm/manifest"
	"github.com/least-privilege/lpm/manifest/vulnerabilities"
)

// printOverview prints all permissions with an answer in brief.
func (s *session) printOverview(x *explanation, o explainFlags) error {
	if o.form == asJSON {
		return s.term.JSON(struct {
			*explanation
			Permissions []explainedPermission `json:"permissions"`
		}{x, x.permissions})
	}
	s.term.Printf("%s\n", s.term.Bold(render.Escape(x.Name)))
	s.term.Printf("  leaves open  %d of %d known vulnerabilities of Linux; Docker's default (%s) leaves %d\n",
		x.Open, x.Known, render.Escape(x.DockerProfile), x.DockerOpen)
	s.term.Printf("  records      %s\n", recordsOf(x))
	for i, r := range x.Runs {
		s.term.Printf("               run %d: %s\n", i+1, r.text())
	}
	for _, t := range x.Trials {
		s.term.Printf("  trials       %s\n", t.text())
	}
	s.printSpare(x)
	level := manifest.Level(-1)
	for _, p := range x.permissions {
		if p.Level != level {
			level = p.Level
			s.term.Printf("\n%s\n", s.term.Bold(strings.ToUpper(level.String()[:1])+level.String()[1:]))
		}
		heading := render.Escape(p.ID)
		if p.Optional {
			heading += " (optional)"
		}
		s.term.Printf("  %s\n", s.term.AtLevel(p.Level, heading))
		brief := x.evidenceText(p)
		if n := len(p.Vulnerabilities); n > 0 {
			brief += "; " + countCVEs(n, len(p.ClosedWithout))
		}
		render.Wrap(s.term.Out, "      ", render.Escape(brief), proseWidth)
	}
	return nil
}

// printSpare prints what is granted and of no use.
func (s *session) printSpare(x *explanation) {
	if len(x.Spare) > 0 {
		s.term.Printf("  granted, not reachable\n")
		render.Wrap(s.term.Out, "               ", render.Escape(strings.Join(x.Spare, " ")), proseWidth)
	} else if x.Untold != "" {
		s.term.Printf("  reachable    unknown of some: %s\n", render.Escape(x.Untold))
	}
}

func recordsOf(x *explanation) string {
	if len(x.Runs) == 0 {
		return "none: lpm attach --evidence keeps them beside the image, --evidence names one here"
	}
	return count(len(x.Runs), "run")
}

func (r explainedRun) text() string {
	text := fmt.Sprintf("%s for %s on Linux %s", r.Started.UTC().Format(time.DateOnly), milliseconds(r.Duration), r.Kernel)
	if len(r.Command) > 0 {
		text += ": " + strings.Join(r.Command, " ")
	}
	if r.Exercise != "" {
		text += "; exercised by " + r.Exercise
	}
	return render.Escape(text + " (" + r.From + ")")
}

func (t explainedTrials) text() string {
	text := count(t.Runs, "run") + " with permissions left out: " + strings.Join(t.Command, " ")
	if t.Exercise != "" {
		text += "; exercised by " + t.Exercise
	}
	return render.Escape(text + " (" + t.From + ")")
}

func milliseconds(ms int64) string { return (time.Duration(ms) * time.Millisecond).String() }

// countCVEs says how many vulnerabilities a permission has a part in.
func countCVEs(needing, closed int) string {
	text := fmt.Sprintf("%d known CVEs", needing)
	if needing == 1 {
		text = "1 known CVE"
	}
	switch closed {
	case needing:
		return text
	case 0:
		return text + ", open without it too"
	}
	return fmt.Sprintf("%s, %d of them closed without it", text, closed)
}

// evidenceText says in a line what a permission rests on. What it quotes is
// not escaped.
func (x *explanation) evidenceText(p explainedPermission) string {
	e := p.Evidence
	switch {
	case e == nil && p.Path == "":
		return "no entry asks for it: it follows from what the manifest does not bound"
	case len(x.Runs) == 0:
		return "no record to look into"
	case e == nil:
		return "not in any record"
	case e.Count == 0:
		return e.Text
	}
	times := fmt.Sprintf("%d times", e.Count)
	if e.Count == 1 {
		times = "once"
	}
	text := fmt.Sprintf("%s in %d of %s, first after %s", times, len(e.Runs), count(len(x.Runs), "run"), milliseconds(e.First))
	if len(e.Programs) > 0 {
		text = "by " + programNames(e.Programs) + ", " + text
	}
	return text
}

// programNames names some programs, without their folders.
func programNames(paths []string) string {
	const most = 3
	var names []string
	for _, p := range paths[:min(len(paths), most)] {
		names = append(names, path.Base(p))
	}
	text := strings.Join(names, ", ")
	if n := len(paths) - most; n > 0 {
		text += fmt.Sprintf(" and %d more", n)
	}
	return text
}

// printExplained prints permissions with the full answer.
func (s *session) printExplained(x *explanation, list []explainedPermission, o explainFlags) error {
	if o.form == asJSON {
		return s.term.JSON(list)
	}
	for _, p := range list {
		s.term.Printf("%s, %s\n", groupTitle(p.Group), s.term.Level(p.Level))
		s.printPermission(p.Permission, "")
		if x.Name != "" {
			s.printEvidence(x, p)
		}
		s.printVulnerabilities(p, x.Name != "", o.all)
	}
	return nil
}

// printEvidence prints which program used a permission, in which run, when and
// how often.
func (s *session) printEvidence(x *explanation, p explainedPermission) {
	e := p.Evidence
	label := "recorded: "
	if e != nil && e.Count == 0 {
		label = "rests on (" + string(e.Basis) + "): "
	}
	render.Wrap(s.term.Out, "      ", render.Escape(label+x.evidenceText(p)), proseWidth)
	if p.Reach != "" {
		s.printFact("code", string(p.Reach))
	}
	if p.Need != "" {
		s.printFact("trials", string(p.Need)+": "+p.NeedReason)
	}
	if e == nil || e.Count == 0 {
		return
	}
	s.printFact("because", e.Text)
	for _, program := range e.Programs {
		s.printFact("program", program)
	}
	for _, run := range e.Runs {
		s.term.Printf("        run %d: %s\n", run+1, x.Runs[run].text())
	}
}

// printFact prints what a record says, escaped.
func (s *session) printFact(name, text string) {
	if text != "" {
		s.term.Printf("        %s: %s\n", name, render.Escape(text))
	}
}

// worstShown is how many vulnerabilities are shown without --all.
const worstShown = 3

// printVulnerabilities prints what a permission leaves open: of a manifest, or
// alone.
func (s *session) printVulnerabilities(p explainedPermission, ofManifest, all bool) {
	n := len(p.Vulnerabilities)
	switch {
	case n == 0 && ofManifest:
		return
	case n == 0:
		s.term.Printf("      alone it leaves no known vulnerability of Linux open\n")
		return
	case ofManifest:
		s.term.Printf("      leaves open: %s\n", countCVEs(n, len(p.ClosedWithout)))
	default:
		s.term.Printf("      alone it leaves open: %s\n", countCVEs(n, n))
	}
	shown := p.Vulnerabilities
	if !all && n > worstShown {
		shown = shown[:worstShown]
	}
	for _, v := range shown {
		s.printVulnerability(v)
	}
	if left := n - len(shown); left > 0 {
		s.term.Printf("        and %d more: --all shows them\n", left)
	}
}

func (s *session) printVulnerability(v vulnerabilities.Vulnerability) {
	fixed := ""
	if v.Fixed != "" {
		fixed = ", fixed in " + v.Fixed
	}
	s.term.Printf("        %s %s%s\n", v.ID, v.Effect, fixed)
	render.Wrap(s.term.Out, "          ", v.Gains, proseWidth)
	render.Wrap(s.term.Out, "          ", "takes "+strings.Join(v.Needs, ", and "), proseWidth)
	s.term.Printf("          %s\n", s.term.Faint(v.Source))
}
