package cmd

import (
	"slices"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/least-privilege/lpm/analyzer"
	"github.com/least-privilege/lpm/manifest"
	"github.com/least-privilege/lpm/manifest/vulnerabilities"
)

// explanation is what there is to say about a manifest.
type explanation struct {
	Name string `json:"name"`
	// Image is left out for a manifest of a file.
	Image v1.Hash `json:"image,omitzero"`
	// Runs are the records that the permissions are explained by; their Runs
	// are indexes of it.
	Runs []explainedRun `json:"runs"`
	// Trials are those that the permissions were left out in.
	Trials []explainedTrials `json:"trials,omitempty"`
	// Spare are the system calls that are granted, no record shows and no code
	// of the image can make. Where any may be missing from it for there is
	// code that cannot be told, Untold says which.
	Spare  []string `json:"spare,omitempty"`
	Untold string   `json:"untold,omitempty"`
	// Open counts the known vulnerabilities that the whole manifest leaves
	// open, of Known; Docker's default leaves DockerOpen of them.
	Open          int    `json:"open"`
	Known         int    `json:"known"`
	DockerOpen    int    `json:"dockerOpen"`
	DockerProfile string `json:"dockerProfile"`

	permissions []explainedPermission
}

// explainedRun is a record, in short.
type explainedRun struct {
	// From is the record's file, or the digest of the artifact.
	From     string    `json:"from"`
	Started  time.Time `json:"started"`
	Duration int64     `json:"duration"` // milliseconds
	Kernel   string    `json:"kernel"`
	Command  []string  `json:"command,omitempty"`
	Exercise string    `json:"exercise,omitempty"`
}

// explainedTrials are trials, in short.
type explainedTrials struct {
	// From is the digest of the artifact.
	From string `json:"from"`
	// Runs is how many there were, and Manifest the digest of the permissions
	// that some were left out of.
	Runs     int      `json:"runs"`
	Manifest string   `json:"manifest"`
	Command  []string `json:"command,omitempty"`
	Exercise string   `json:"exercise,omitempty"`
}

// explainedPermission is what there is to say about one permission.
type explainedPermission struct {
	manifest.Permission
	// Evidence is null where no record shows the permission.
	Evidence *analyzer.Explanation `json:"evidence"`
	// Need is what trials without the permission have found, and NeedReason
	// why; empty where none were made.
	Need       analyzer.Need `json:"need,omitempty"`
	NeedReason string        `json:"needReason,omitempty"`
	// Reach says of a system call whether the image's code can make it, also
	// where no record shows it; empty where nobody has looked.
	Reach analyzer.Reach `json:"reach,omitempty"`
	// Vulnerabilities are those that are open and take the permission, the
	// worst first. Of these, taking it away alone would close ClosedWithout.
	Vulnerabilities []vulnerabilities.Vulnerability `json:"vulnerabilities,omitempty"`
	ClosedWithout   []string                        `json:"closedWithout,omitempty"`
}

// of fills in what a manifest and the records say, and returns x. Without
// records, the proposal is nil.
func (x *explanation) of(m *manifest.Manifest, p *analyzer.Proposal, records []keptRecord) *explanation {
	x.Open, x.Known = len(vulnerabilities.Open(m)), len(vulnerabilities.Known())
	x.DockerOpen, x.DockerProfile = len(vulnerabilities.Docker(m.Syscalls.Architecture).Open()), vulnerabilities.DockerVersion
	x.Runs = make([]explainedRun, 0, len(records))
	for _, r := range records {
		x.Runs = append(x.Runs, explainedRun{r.from, r.Started, r.Duration, r.Kernel, r.Workload.Command, r.Workload.Exercise})
	}
	why, reach := map[string]analyzer.Explanation{}, map[string]analyzer.Reach{}
	if p != nil {
		why, reach = p.Explain(m), p.Reach(m)
		x.Spare, x.Untold = append(x.Spare, p.Spare(m)...), p.Untold()
	}
	parts := vulnerabilities.Parts(m)
	for _, permission := range m.Permissions() {
		e := explainedPermission{Permission: permission, Reach: reach[permission.ID]}
		if found, ok := why[permission.ID]; ok {
			e.Evidence = &found
		}
		part := parts[permission.Path]
		e.Vulnerabilities = vulnerabilities.Worst(part.Needing)
		for _, v := range part.Closed {
			e.ClosedWithout = append(e.ClosedWithout, v.ID)
		}
		x.permissions = append(x.permissions, e)
	}
	return x
}

// try fills in what trials have found.
func (x *explanation) try(list []keptTrials) {
	found := findings(list)
	for i := range x.permissions {
		p := &x.permissions[i]
		if f, ok := found[p.ID]; ok {
			p.Need, p.NeedReason = f.Need, f.Reason
		}
	}
	for _, t := range list {
		x.Trials = append(x.Trials, explainedTrials{t.from, t.Trials, t.Manifest, t.Workload.Command, t.Workload.Exercise})
	}
}

// distinct returns the records without those that are there twice: a file that
// is attached as well is one run.
func distinct(records []keptRecord) []keptRecord {
	var list []keptRecord
	seen := map[string]bool{}
	for _, r := range records {
		text, err := r.Encode()
		if err == nil && seen[string(text)] {
			continue
		}
		seen[string(text)] = true
		list = append(list, r)
	}
	return slices.Clip(list)
}
