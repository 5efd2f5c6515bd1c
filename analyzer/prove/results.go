package prove

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/least-privilege/lpm/analyzer"
	"github.com/least-privilege/lpm/manifest"
)

// ResultsVersion is the version of the format of [Results] that this package
// reads and writes.
const ResultsVersion = 1

// ResultsMediaType is the media type of encoded results, as an artifact of the
// image that the trials were made on.
const ResultsMediaType = "application/vnd.lpm.trials.v1+json"

// MaxResultsSize bounds encoded results, in bytes.
const MaxResultsSize = 16 << 20

// Results is what was found of each permission of a manifest, for programs to
// read.
type Results struct {
	Version int `json:"version"`
	// Image and Manifest are digests, of the image and of the manifest that
	// permissions were left out of.
	Image    string   `json:"image"`
	Manifest string   `json:"manifest"`
	Workload Workload `json:"workload"`
	// Trials is how many runs were made, Repeat how many of them had to pass
	// in a row. Milliseconds is how long all took together.
	Trials       int   `json:"trials"`
	Repeat       int   `json:"repeat"`
	Milliseconds int64 `json:"milliseconds"`
	// Unenforced are the parts of the manifest that the machine of the trials
	// does not enforce. What is said of them proves nothing.
	Unenforced []string `json:"unenforced,omitempty"`
	// Permissions are in the order of [manifest.Manifest.Permissions].
	Permissions []Permission `json:"permissions"`
}

// Workload is what had to pass.
type Workload struct {
	Command []string `json:"command"`
	// Exercise is what the container was exercised by, as in a record.
	Exercise string `json:"exercise,omitempty"`
}

// Permission is what was found of one.
type Permission struct {
	ID     string        `json:"id"`
	Need   analyzer.Need `json:"need"`
	Reason string        `json:"reason,omitempty"`
	// Untried tells that it was left out of no run; Reason says why.
	Untried bool `json:"untried,omitempty"`
	// Failure is the trial that failed without it.
	Failure *Outcome `json:"failure,omitempty"`
	// Values are those of a call's argument that were left out one by one.
	Values []Value `json:"values,omitempty"`
}

// Value is what was found of one value of an argument.
type Value struct {
	Argument int           `json:"argument"`
	Value    string        `json:"value"`
	Need     analyzer.Need `json:"need"`
	Reason   string        `json:"reason,omitempty"`
}

// Of gathers what a search has found, by the permissions of the manifest that
// the candidates are of. skipped says why others were not tried.
func Of(m *manifest.Manifest, candidates []Candidate, skipped map[string]string, r *Result) *Results {
	all := &Results{Version: ResultsVersion, Trials: r.Trials, Repeat: r.Repeat, Milliseconds: r.Spent.Milliseconds()}
	for _, p := range m.Permissions() {
		found := Permission{ID: p.ID, Need: analyzer.Undecided}
		for i, c := range candidates {
			if c.Permission == p.ID {
				found.add(m, c, r.Findings[i])
			}
		}
		switch {
		case skipped[p.ID] != "":
			found.Reason, found.Untried = "not tried: "+skipped[p.ID], true
		case found.Reason == "":
			continue // a bound, or what follows from a field that is not there
		}
		found.sum()
		all.Permissions = append(all.Permissions, found)
	}
	return all
}

// add adds a candidate's finding.
func (p *Permission) add(m *manifest.Manifest, c Candidate, f Finding) {
	if c.Value == "" {
		p.Need, p.Reason, p.Failure = f.Need, f.Reason, f.Outcome
		return
	}
	v := Value{Value: c.Value, Need: f.Need, Reason: f.Reason}
	for i, s := range m.Syscalls.Allow {
		if entry("syscalls.allow", i) == c.Path {
			v.Argument = s.When[c.Condition].Arg
		}
	}
	p.Values = append(p.Values, v)
	if p.Reason == "" || f.Need == analyzer.Needed && p.Need != analyzer.Needed {
		p.Need, p.Reason, p.Failure = f.Need, f.Reason, f.Outcome
	}
}

// sum says of a permission what its values say together: it is needed if one
// of them is, and unneeded if all are.
func (p *Permission) sum() {
	var by = map[analyzer.Need][]string{}
	for _, v := range p.Values {
		by[v.Need] = append(by[v.Need], v.Value)
	}
	switch {
	case len(p.Values) == 0 || len(by[analyzer.Unneeded]) == len(p.Values):
		return
	case len(by[analyzer.Needed]) == 0:
		p.Need = analyzer.Undecided
	}
	if spare := by[analyzer.Unneeded]; len(spare) > 0 {
		p.Reason = "unneeded are the values " + strings.Join(spare, ", ") + "; " + p.Reason
	}
}

// Doubt makes undecided what was found unneeded of permissions that the trials
// did not enforce: leaving them out has refused nothing.
func (r *Results) Doubt(unenforced func(id string) bool) {
	for i := range r.Permissions {
		p := &r.Permissions[i]
		if p.Need == analyzer.Unneeded && unenforced(p.ID) {
			p.Need, p.Reason = analyzer.Undecided, "this machine does not enforce it, so that nothing was refused without it"
		}
	}
}

// Findings returns what was found, for [analyzer.Proposal.Mark].
func (r *Results) Findings() map[string]analyzer.Finding {
	all := map[string]analyzer.Finding{}
	for _, p := range r.Permissions {
		all[p.ID] = analyzer.Finding{Need: p.Need, Reason: p.Reason}
	}
	return all
}

// Count returns how many permissions are needed, unneeded and undecided.
func (r *Results) Count() map[analyzer.Need]int {
	n := map[analyzer.Need]int{}
	for _, p := range r.Permissions {
		n[p.Need]++
	}
	return n
}

// Minimal returns the manifest without what is unneeded, values of arguments
// included, and the places that entries had before; see [Without].
func (r *Results) Minimal(m *manifest.Manifest) (*manifest.Manifest, map[string]string, error) {
	candidates, _ := Candidates(m, Choice{Baseline: true})
	var left []Candidate
	for _, p := range r.Permissions {
		for _, c := range candidates {
			spare := p.Need == analyzer.Unneeded
			for _, v := range p.Values {
				if v.Value == c.Value {
					spare = v.Need == analyzer.Unneeded
				}
			}
			if c.Permission == p.ID && spare {
				left = append(left, c)
			}
		}
	}
	return Without(m, left)
}

// Summary says in a line what the trials were and what they mean.
func (r *Results) Summary() string {
	n, untried := r.Count(), 0
	for _, p := range r.Permissions {
		if p.Untried {
			untried++
		}
	}
	return fmt.Sprintf("Tried by leaving permissions out, in %d runs: %d are needed (the workload failed without each), "+
		"%d unneeded (it passed %d times without all of them), %d undecided; %d were not tried: every program needs them, no run shows them, or the "+
		"image's health check alone used them. Another workload may need what this one does not.",
		r.Trials, n[analyzer.Needed], n[analyzer.Unneeded], r.Repeat, n[analyzer.Undecided]-untried, untried)
}

// Encode returns the results as JSON.
func (r *Results) Encode() ([]byte, error) {
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encoding the results of trials: %w", err)
	}
	return append(data, '\n'), nil
}

// DecodeResults reads what [Results.Encode] has written.
func DecodeResults(data []byte) (*Results, error) {
	if len(data) > MaxResultsSize {
		return nil, fmt.Errorf("results of trials: more than %d bytes", MaxResultsSize)
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	var r Results
	if err := d.Decode(&r); err != nil {
		return nil, fmt.Errorf("results of trials: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("results of trials: something follows them")
	}
	if r.Version != ResultsVersion {
		return nil, fmt.Errorf("results of trials: version %d is not %d", r.Version, ResultsVersion)
	}
	for _, p := range r.Permissions {
		switch p.Need {
		case analyzer.Needed, analyzer.Unneeded, analyzer.Undecided:
		default:
			return nil, fmt.Errorf("results of trials: %q is said to be %q", p.ID, p.Need)
		}
	}
	return &r, nil
}
