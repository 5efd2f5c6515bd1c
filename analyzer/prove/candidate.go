package prove

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/least-privilege/lpm/analyzer"
	"github.com/least-privilege/lpm/manifest"
)

// Candidate is what can be left out of a manifest: a permission, or one of the
// values that a system call's argument may have.
type Candidate struct {
	// ID is the permission's, followed by "#" and the value where it is one.
	ID string `json:"id"`
	// Permission is the ID of the permission.
	Permission string `json:"permission"`
	// Path is the permission's place in the manifest.
	Path string `json:"path"`
	// Value is the value of the condition at index Condition of the call;
	// empty for a whole permission.
	Condition int    `json:"condition,omitempty"`
	Value     string `json:"value,omitempty"`
	// Prior is how likely it is, from 0 to 1, that the workload passes without
	// it, by what is known before any trial.
	Prior float64 `json:"-"`
}

// Kind is the kind of the permission, such as "syscall".
func (c Candidate) Kind() string {
	kind, _, _ := strings.Cut(c.Permission, ":")
	return kind
}

// Choice says what to try.
type Choice struct {
	// Why explains the permissions by their IDs, as far as that is known.
	Why map[string]analyzer.Explanation
	// Baseline includes the calls that every program needs, and those that are
	// there for days that no run shows.
	Baseline bool
}

// rank orders candidates by how much of what a program does can hang on them:
// where it has no other id or program, it does not need what it would do with
// them.
func (c Candidate) rank() int {
	if i := slices.Index([]string{"network", "identity", "execute", "mount"}, c.Kind()); i >= 0 {
		return i
	}
	return 4 // all others
}

// Candidates returns what can be left out of a manifest, those first on which
// others can hang, then the least likely to be needed, and for the permissions
// that are not tried, by their IDs, why. Bounds on resources are neither.
func Candidates(m *manifest.Manifest, choice Choice) (candidates []Candidate, skipped map[string]string) {
	skipped = map[string]string{}
	always := map[string]bool{}
	for _, name := range analyzer.Baseline(m.Syscalls.Architecture) {
		always["syscall:"+name] = true
	}
	for _, p := range m.Permissions() {
		if p.Path == "" || strings.HasPrefix(p.ID, "resource:") {
			continue
		}
		why := choice.Why[p.ID]
		switch {
		case choice.Baseline:
		case always[p.ID], why.Basis == analyzer.Always:
			skipped[p.ID] = "every program needs it"
			continue
		case why.Basis == analyzer.Reachable:
			// Any workload that it was not seen in passes without.
			skipped[p.ID] = "it is for what no run shows"
			continue
		case why.Checks > 0 && why.Checks == why.Count:
			skipped[p.ID] = "the image's health check alone used it, and no trial runs that"
			continue
		}
		c := Candidate{ID: p.ID, Permission: p.ID, Path: p.Path}
		c.Prior = prior(c.Kind(), why)
		if CallOf(p.ID) == "setsockopt" {
			// What was tried without it can keep ports busy for a minute, so it
			// comes last of all.
			c.Prior = last
		}
		candidates = append(candidates, values(m, c)...)
	}
	place := map[string]int{}
	for i, path := range places(m) {
		place[path] = i
	}
	slices.SortStableFunc(candidates, func(a, b Candidate) int {
		return cmp.Or(cmp.Compare(a.rank(), b.rank()), cmp.Compare(b.Prior, a.Prior), cmp.Compare(place[a.Path], place[b.Path]))
	})
	return candidates, skipped
}

// values splits an entry whose argument may have several values.
func values(m *manifest.Manifest, c Candidate) []Candidate {
	for i, s := range m.Syscalls.Allow {
		if c.Path != entry("syscalls.allow", i) {
			continue
		}
		at := slices.IndexFunc(s.When, func(w manifest.Condition) bool { return len(w.OneOf) > 1 })
		if at < 0 {
			break
		}
		var split []Candidate
		for _, v := range s.When[at].OneOf {
			v := Candidate{
				ID: fmt.Sprintf("%s#%d=%s", c.Permission, s.When[at].Arg, v), Permission: c.Permission, Path: c.Path,
				Condition: at, Value: v, Prior: c.Prior,
			}
			split = append(split, v)
		}
		return split
	}
	return []Candidate{c}
}

// CallOf returns the name of the system call that a permission is of, or "".
func CallOf(permission string) string {
	call, is := strings.CutPrefix(permission, "syscall:")
	if !is {
		return ""
	}
	call, _, _ = strings.Cut(call, "(")
	return call
}

// last is the prior of what is to be tried last.
const last = 0.05

// prior says how likely a workload passes without a permission. The numbers
// only decide in which order and in how large groups things are tried. Of the
// calls that a workload makes, about a third can be refused without it failing
// (loupedb: of 65 to 71 calls of nginx 41 to 49 are required).
func prior(kind string, why analyzer.Explanation) float64 {
	switch {
	case why.Basis == analyzer.Variant:
		return 0.97
	case why.Basis == analyzer.Inferred:
		return 0.5
	case kind == "execute", kind == "identity", kind == "network", kind == "listen":
		return 0.1
	case why.Basis == analyzer.Declared:
		return 0.5
	case why.Count == 1:
		return 0.5
	}
	return 0.35
}
