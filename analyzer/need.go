package analyzer

import (
	"strings"

	"github.com/least-privilege/lpm/manifest"
)

// Need says whether a workload passes without a permission.
type Need string

const (
	// Needed permissions are those without which a run of the workload failed.
	Needed Need = "needed"
	// Unneeded permissions are those that were all left out together in runs
	// that passed. Another workload may need them.
	Unneeded Need = "unneeded"
	// Undecided permissions were not tried, or the trials do not agree.
	Undecided Need = "undecided"
)

// Finding is what trials without a permission have shown.
type Finding struct {
	Need Need
	// Reason is a line that says why, such as what a failing run printed.
	Reason string
}

// Mark adds what trials have found, by the IDs of permissions, and a line on
// the trials as a whole. All permissions stay as they are. An unneeded one does
// not become optional, for an optional one can be denied alone, and what was
// tried is leaving all unneeded ones out together; see [Proposal.Narrowed].
func (p *Proposal) Mark(findings map[string]Finding, summary string) {
	p.Trials = line(summary)
	for _, permission := range p.Manifest.Permissions() {
		f, ok := findings[permission.ID]
		e, known := p.at[permission.Path]
		if !ok || !known {
			continue
		}
		e.Need, e.NeedReason = f.Need, line(f.Reason)
		p.at[permission.Path], p.Why[permission.ID] = e, e
	}
}

// Narrowed returns the proposal of a manifest that allows less. origin gives
// the places that its entries had before, by those that they have.
func (p *Proposal) Narrowed(m *manifest.Manifest, origin map[string]string) *Proposal {
	n := *p
	n.Manifest, n.Why, n.at = m, map[string]Explanation{}, map[string]Explanation{}
	for place, e := range p.at {
		if _, listed := origin[place]; !listed && !inList(place) {
			n.at[place] = e
		}
	}
	for place, before := range origin {
		if e, ok := p.at[before]; ok {
			n.at[place] = e
		}
	}
	for _, permission := range m.Permissions() {
		if e, ok := n.at[permission.Path]; ok {
			n.Why[permission.ID] = e
		}
	}
	return &n
}

// inList reports whether a place is an entry of a list.
func inList(place string) bool { return place != "" && place[len(place)-1] == ']' }

// need says in a few words whether the permission is needed; nothing where it
// was not tried, which is said of it elsewhere.
func (e Explanation) need() string {
	const most = 120
	reason := e.NeedReason
	switch {
	case e.Need == "" || e.Need == Undecided && (e.Basis == Always || e.Basis == Reachable):
		return ""
	case e.Need == Unneeded || reason == "":
		return string(e.Need)
	case len(reason) > most:
		reason = strings.ToValidUTF8(reason[:most], "") + "…"
	}
	return string(e.Need) + ": " + reason
}
