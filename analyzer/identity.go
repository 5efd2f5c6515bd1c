package analyzer

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/least-privilege/lpm/analyzer/evidence"
	"github.com/least-privilege/lpm/manifest"
)

// identity proposes a range of ids where processes or files had others than
// the program's own.
func (p *proposer) identity() {
	ids := gather(p.records,
		func(r *evidence.Record) []evidence.ID { return r.IDs },
		func(d evidence.ID) string { return fmt.Sprintf("%s %10d", d.Kind, d.ID) },
		func(d evidence.ID) evidence.Seen { return d.Seen }, nil)
	groups := gather(p.records,
		func(r *evidence.Record) []evidence.Capability {
			return slices.DeleteFunc(slices.Clone(r.Capabilities), func(c evidence.Capability) bool {
				return c.Name != "CAP_SETUID" && c.Name != "CAP_SETGID"
			})
		},
		func(c evidence.Capability) string { return c.Name },
		func(c evidence.Capability) evidence.Seen { return c.Seen }, nil)
	if len(ids) == 0 && len(groups) == 0 {
		p.manifest.Identity.Mode = manifest.IdentitySingle
		p.at["identity"] = Explanation{Basis: Observed, Text: "no other user or group was used"}
		return
	}
	why := Explanation{Basis: Observed}
	var what []string
	for _, d := range ids {
		why = both(why, d.seen)
		if text := idText(d.fact); len(what) < 4 {
			what = append(what, text)
		}
	}
	for _, c := range groups {
		why = both(why, c.seen)
		if len(ids) == 0 {
			what = append(what, "groups set")
		}
	}
	why.Text = line("other ids used (" + strings.Join(what, ", ") + ")" + p.by(why.Programs))
	p.manifest.Identity.Mode = manifest.IdentityRange
	p.manifest.Identity.Reason = why.Text
	p.at["identity"] = why
	for i, r := range p.records {
		if r.Identity.Mode == manifest.IdentitySingle && len(r.IDs) > 0 {
			p.warn("run %d had one id only, so that changing to another failed; what the program does then was not seen: record with a range of ids", i+1)
		}
	}
}

func idText(d evidence.ID) string {
	switch d.Kind {
	case "uid":
		return fmt.Sprintf("user %d", d.ID)
	case "gid":
		return fmt.Sprintf("group %d", d.ID)
	case "group":
		return fmt.Sprintf("supplementary group %d", d.ID)
	case "owner":
		return fmt.Sprintf("files of user %d", d.ID)
	}
	return fmt.Sprintf("files of group %d", d.ID)
}

// capabilities proposes those that a check was passed by. With one id there
// are no others' files and processes, so what is for these is left out.
func (p *proposer) capabilities() {
	single := p.manifest.Identity.Mode == manifest.IdentitySingle
	all := gather(p.records,
		func(r *evidence.Record) []evidence.Capability { return r.Capabilities },
		func(c evidence.Capability) string { return c.Name },
		func(c evidence.Capability) evidence.Seen { return c.Seen }, nil)
	override := slices.ContainsFunc(all, func(c merged[evidence.Capability]) bool { return c.fact.Name == "CAP_DAC_OVERRIDE" })
	for _, c := range all {
		switch name := c.fact.Name; {
		case name == "CAP_DAC_READ_SEARCH" && override:
			continue // the kernel takes CAP_DAC_OVERRIDE for it too
		case single && (name == "CAP_FOWNER" || name == "CAP_KILL" || name == "CAP_CHOWN"):
			continue
		}
		if _, known := manifest.LookupCapability(c.fact.Name); !known {
			p.warn("the capability %s is not known; it is not in the proposal", c.fact.Name)
			continue
		}
		c.seen.Basis = Inferred
		c.seen.Text = c.fact.Example + p.by(c.seen.Programs)
		note := p.explain("capabilities", len(p.manifest.Capabilities), c.seen)
		p.manifest.Capabilities = append(p.manifest.Capabilities, manifest.Capability{Name: c.fact.Name, Note: note})
	}
}

// execute proposes the programs that were started.
func (p *proposer) execute() {
	programs := gather(p.records,
		func(r *evidence.Record) []evidence.Program { return r.Programs },
		func(g evidence.Program) string { return g.Path },
		func(g evidence.Program) evidence.Seen { return g.Seen },
		func(into *evidence.Program, other evidence.Program) {
			if other.As != "" && !strings.Contains(into.As, other.As) {
				into.As = strings.TrimPrefix(into.As+", "+other.As, ", ")
			}
			into.Interpreter = cmp.Or(into.Interpreter, other.Interpreter)
		})
	for _, g := range programs {
		name := g.fact.Path
		if !shows(name) || strings.HasPrefix(name, "/memfd:") || name == "/" {
			p.warn("%s was executed%s, which is no file of the image; it cannot be granted", name, p.by(g.seen.Programs))
			continue
		}
		text := "started" + p.by(g.seen.Programs)
		if len(g.seen.Programs) == 0 && g.seen.Checks > 0 {
			text = "what it starts with"
		} else if len(g.seen.Programs) == 0 {
			text = "the program the container starts with"
		}
		if g.fact.As != "" {
			text += ", as " + g.fact.As
		}
		if g.fact.Interpreter != "" {
			text += ", a script for " + g.fact.Interpreter
		}
		g.seen.Text = text
		note := p.explain("execute", len(p.manifest.Execute), g.seen)
		p.manifest.Execute = append(p.manifest.Execute, manifest.Program{Path: name, Note: note})
	}
}
