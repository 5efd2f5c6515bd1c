package analyzer

import (
	"fmt"
	"slices"

	"github.com/least-privilege/lpm/analyzer/evidence"
	"github.com/least-privilege/lpm/manifest"
)

// ImageFacts is what is known of the image beside its runs. The zero value
// knows nothing.
type ImageFacts struct {
	// Volumes are the paths that the image's configuration declares to hold
	// data.
	Volumes []string
	// Reachable has the system calls that the image's code can make, each
	// with how, and Asked those of them that a program itself asks for; see
	// static.Evidence. Variants, and calls that no run showed, are added from
	// them alone.
	Reachable map[string]string
	Asked     map[string]bool
	// Unknown are programs whose calls could not be told, and Sites places in
	// the others where one cannot be told.
	Unknown []string
	Sites   []string
}

// Basis is what a proposed permission rests on.
type Basis string

const (
	// Observed permissions were used in a run.
	Observed Basis = "observed"
	// Always are the calls that every program needs; see [Baseline].
	Always Basis = "baseline"
	// Unseen calls are too frequent to be watched, and the image's code can
	// make them or may be able to.
	Unseen Basis = "unwatched"
	// Variant calls do the same as an observed one, and the image's code
	// can make them.
	Variant Basis = "variant"
	// Reachable calls were in no run; the image's code can make them, and
	// they are of the few that bad days take.
	Reachable Basis = "reachable"
	// Inferred permissions follow from others that were observed.
	Inferred Basis = "inferred"
	// Declared permissions are from the image's configuration.
	Declared Basis = "declared"
)

// Explanation says what a permission rests on.
type Explanation struct {
	Basis Basis `json:"basis"`
	// Text is the reason in one line, as in the manifest.
	Text string `json:"text"`
	// Runs are the records that show it, by their index.
	Runs []int `json:"runs,omitempty"`
	// Count is how often it was used in all runs, First how soon in any, in
	// milliseconds after the start.
	// Checks is how often of these it was the image's health check.
	Count  uint64 `json:"count,omitempty"`
	Checks uint64 `json:"checks,omitempty"`
	First  int64  `json:"first,omitempty"`
	// Programs used it; sorted.
	Programs []string `json:"programs,omitempty"`
	// Need is what trials without the permission have shown; empty where
	// there were none. NeedReason is why, in one line.
	Need       Need   `json:"need,omitempty"`
	NeedReason string `json:"needReason,omitempty"`
	// Reach says of a system call whether the image's code can make it.
	Reach Reach `json:"reach,omitempty"`
}

// Proposal is a manifest and why it is as it is.
type Proposal struct {
	Manifest *manifest.Manifest
	// Why explains each permission by its ID.
	Why map[string]Explanation
	// Warnings say, a line each, what a person should know before relying
	// on the proposal.
	Warnings []string
	// Runs are the records that it was made from.
	Runs []*evidence.Record
	// Coverage, where not empty, is a line on how much of the watching has
	// shown nothing new; see package coverage.
	Coverage string
	// Trials says in a line what the trials were that found which permissions
	// are needed; empty where there were none.
	Trials string

	// at explains each permission by its place in the manifest.
	at    map[string]Explanation
	facts ImageFacts
}

// Propose infers the least manifest under which the recorded runs could have
// been. It returns [ErrNoRecords], a [*LossError], a [*ConflictError], a
// [*ForeignCallError] or an [*UnknownCallError] where it cannot.
func Propose(records []*evidence.Record, facts ImageFacts) (*Proposal, error) {
	if err := agree(records); err != nil {
		return nil, err
	}
	p := &proposer{
		names:   names(records),
		records: records, facts: facts, arch: records[0].Architecture,
		manifest: &manifest.Manifest{Version: manifest.Version},
		at:       map[string]Explanation{},
	}
	if err := p.syscalls(); err != nil {
		return nil, err
	}
	p.identity()
	p.capabilities()
	p.execute()
	p.mounts()
	p.filesystem()
	p.devices()
	p.network()
	p.resources()
	p.completeness()
	if err := p.manifest.Validate(); err != nil {
		return nil, fmt.Errorf("the proposal is not a valid manifest: %w", err)
	}
	return p.proposal(), nil
}

type proposer struct {
	records  []*evidence.Record
	facts    ImageFacts
	arch     string
	names    map[string]string
	manifest *manifest.Manifest
	at       map[string]Explanation
	warnings []string
}

// explain keeps the explanation of the entry that is about to be appended at
// index i of a list of the manifest, and returns its note.
func (p *proposer) explain(list string, i int, e Explanation) manifest.Note {
	if e.Checks > 0 && e.Checks == e.Count {
		e.Text = "the image's health check: " + e.Text
	}
	e.Text = line(e.Text)
	p.at[fmt.Sprintf("%s[%d]", list, i)] = e
	return manifest.Note{Reason: e.Text}
}

func (p *proposer) warn(format string, args ...any) {
	w := line(fmt.Sprintf(format, args...))
	if !slices.Contains(p.warnings, w) {
		p.warnings = append(p.warnings, w)
	}
}

func (p *proposer) proposal() *Proposal {
	why := map[string]Explanation{}
	for _, permission := range p.manifest.Permissions() {
		if e, ok := p.at[permission.Path]; ok {
			why[permission.ID] = e
		}
	}
	return &Proposal{Manifest: p.manifest, Why: why, Warnings: p.warnings, Runs: p.records, at: p.at, facts: p.facts}
}

// completeness warns of what the records cannot show.
func (p *proposer) completeness() {
	for i, r := range p.records {
		for _, list := range slices.Sorted(keys(r.Truncated)) {
			p.warn("run %d: %d facts did not fit in the record's list of %s; the proposal may miss permissions", i+1, r.Truncated[list], list)
		}
	}
	if p.facts.Reachable == nil {
		p.warn("the image's code was not looked at; no variants of the observed system calls are included")
	}
	if n := len(p.facts.Sites); n > 0 {
		p.warn("the image's code makes system calls whose number cannot be told, in %s, the first being %s; what it can make besides is unknown", count(n, "place"), p.facts.Sites[0])
	}
	for _, u := range p.facts.Unknown {
		p.warn("what system calls %s can make is unknown; only those it was seen to make are included", u)
	}
}
