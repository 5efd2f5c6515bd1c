package analyzer

import (
	"slices"
	"testing"

	"github.com/least-privilege/lpm/analyzer/evidence"
	"github.com/least-privilege/lpm/manifest"
)

// TestExplainAManifestOfAPerson: one that is not the proposal.
func TestExplainAManifestOfAPerson(t *testing.T) {
	p := propose(t, ImageFacts{}, nginx(), record(calls("openat")))
	m := &manifest.Manifest{Version: manifest.Version}
	m.Syscalls.Architecture, m.Syscalls.Kernel = "amd64", "6.18"
	condition := func(arg int, mask string, oneOf ...string) manifest.Condition {
		return manifest.Condition{Arg: arg, Mask: mask, OneOf: oneOf}
	}
	m.Syscalls.Allow = []manifest.Syscall{
		{Name: "openat"}, {Name: "ptrace"}, {Name: "socket"},
		{Name: "ioctl", When: []manifest.Condition{condition(1, "", "FIONBIO", "TCGETS")}},
		{Name: "clone", When: []manifest.Condition{condition(0, "CLONE_NEWUSER", "CLONE_NEWUSER")}},
		{Name: "read"},
	}
	m.Execute = []manifest.Program{{Path: manifest.AnyProgram}}
	m.Filesystem.Writable = []manifest.WritablePath{{Path: "/var"}, {Path: "/srv"}}
	m.Network.Mode = manifest.NetworkHost
	why := p.Explain(m)

	for _, test := range []struct {
		id    string
		count uint64
		runs  []int
		basis Basis
	}{
		{"syscall:openat", 2, []int{0, 1}, Observed},                                  // as proposed
		{"syscall:socket", 3, []int{0}, Observed},                                     // wider than proposed
		{"syscall:ioctl(1=TCGETS,FIONBIO)", 2, []int{0}, Observed},                    // in part
		{"syscall:read", 0, nil, Always},                                              // never watched
		{"execute:*", p.Why["execute:/usr/sbin/nginx"].Count + 3, []int{0}, Observed}, // several
		{"network:host", p.Why["network:host"].Count, []int{0}, Observed},             // as proposed
		{"write:/var", 4, []int{0}, Observed},                                         // above several
	} {
		e, ok := why[test.id]
		if !ok {
			t.Errorf("%s is not explained", test.id)
			continue
		}
		if e.Count != test.count || !slices.Equal(e.Runs, test.runs) || e.Basis != test.basis {
			t.Errorf("%s: %d times in runs %v (%s), want %d in %v (%s)", test.id, e.Count, e.Runs, e.Basis, test.count, test.runs, test.basis)
		}
	}
	for _, id := range []string{"syscall:ptrace", "write:/srv", "syscall:clone(0&CLONE_NEWUSER=CLONE_NEWUSER)"} {
		if e, ok := why[id]; ok {
			t.Errorf("%s is explained: %+v", id, e)
		}
	}
	for _, id := range []string{"syscall:socket", "write:/var"} {
		if !slices.Contains(why[id].Programs, "/usr/sbin/nginx") {
			t.Errorf("%s: by %v", id, why[id].Programs)
		}
	}
}

// TestExplainTheProposal: of the proposal itself, all is as it was proposed.
func TestExplainTheProposal(t *testing.T) {
	p := propose(t, ImageFacts{}, nginx())
	why := p.Explain(p.Manifest)
	if len(why) != len(p.Why) {
		t.Errorf("%d permissions explained, %d proposed", len(why), len(p.Why))
	}
	for id, e := range p.Why {
		if got := why[id]; got.Text != e.Text || got.Count != e.Count || got.Basis != e.Basis {
			t.Errorf("%s: %+v, want %+v", id, got, e)
		}
	}
}

// TestExplainAnotherArchitecture: calls of one say nothing of those of another.
func TestExplainAnotherArchitecture(t *testing.T) {
	p := propose(t, ImageFacts{}, record(calls("socket(2,1)"), func(r *evidence.Record) { r.Network = manifest.NetworkHost }))
	m := &manifest.Manifest{Version: manifest.Version}
	m.Syscalls.Architecture = "arm64"
	m.Syscalls.Allow = []manifest.Syscall{{Name: "socket"}}
	if e, ok := p.Explain(m)["syscall:socket"]; ok {
		t.Errorf("explained: %+v", e)
	}
}
