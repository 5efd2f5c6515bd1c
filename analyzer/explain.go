package analyzer

import (
	"fmt"
	"strings"

	"github.com/least-privilege/lpm/manifest"
)

// Explain explains the permissions of a manifest, by their IDs, from what the
// proposal's records show. The manifest may be another than the proposed one:
// one that a person has changed, or that was made from other runs. A
// permission that no record shows has no explanation.
//
// A permission that is wider than proposed ones, such as a call with more
// arguments or a folder above others, is explained by all of them together.
func (p *Proposal) Explain(m *manifest.Manifest) map[string]Explanation {
	proposed := p.Manifest.Permissions()
	calls := overlapping{callsByPlace(m), callsByPlace(p.Manifest), p.Manifest.Syscalls.Architecture}
	if m.Syscalls.Architecture != p.Manifest.Syscalls.Architecture {
		calls.mine = nil
	}
	why := map[string]Explanation{}
	for _, permission := range m.Permissions() {
		if e, same := p.Why[permission.ID]; same {
			why[permission.ID] = e
			continue
		}
		covers := calls.coveredBy(permission)
		if covers == nil {
			continue
		}
		for _, other := range proposed {
			e, known := p.Why[other.ID]
			if !known || !covers(other) {
				continue
			}
			joined, before := why[permission.ID]
			if !before {
				joined = Explanation{Basis: e.Basis, Text: e.Text}
			} else if joined.Text != e.Text {
				joined.Text = line(joined.Text + "; " + e.Text)
			}
			why[permission.ID] = joinRuns(joined, e)
		}
	}
	return why
}

// joinRuns is [both], with the baseline, which has no runs, changing nothing.
func joinRuns(a, b Explanation) Explanation {
	if b.Basis == Observed {
		a.Basis = Observed
	}
	return both(a, b)
}

// overlapping has the entries of calls by their places, those of the manifest
// that is explained and those of the proposal.
type overlapping struct {
	mine, proposed map[string]manifest.Syscall
	arch           string
}

func callsByPlace(m *manifest.Manifest) map[string]manifest.Syscall {
	calls := map[string]manifest.Syscall{}
	for i, s := range m.Syscalls.Allow {
		calls[fmt.Sprintf("syscalls.allow[%d]", i)] = s
	}
	return calls
}

// coveredBy returns which proposed permissions a permission is wider than, or
// has a part of; nil for kinds of which the ID says all.
func (o overlapping) coveredBy(permission manifest.Permission) func(manifest.Permission) bool {
	kind, what, _ := strings.Cut(permission.ID, ":")
	same := func(other manifest.Permission) (string, bool) { return strings.CutPrefix(other.ID, kind+":") }
	switch {
	case kind == "syscall":
		return func(other manifest.Permission) bool { return o.overlap(permission.Path, other.Path) }
	case kind == "write", kind == "read":
		return func(other manifest.Permission) bool {
			path, ok := same(other)
			return ok && (what == "/" || path == what || strings.HasPrefix(path, what+"/"))
		}
	case kind == "execute" && what == manifest.AnyProgram:
		return func(other manifest.Permission) bool { _, ok := same(other); return ok }
	}
	return nil
}

// overlap reports whether an entry of a call allows some of what a proposed
// one does.
func (o overlapping) overlap(place, proposed string) bool {
	entry, ok := o.mine[place]
	other, known := o.proposed[proposed]
	if !ok || !known || entry.Name != other.Name {
		return false
	}
	alone := manifest.Syscalls{Architecture: o.arch, Allow: []manifest.Syscall{entry}}
	return alone.Allows(other.Name, other.When...)
}
