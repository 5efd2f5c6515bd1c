package analyzer

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/least-privilege/lpm/analyzer/evidence"
	"github.com/least-privilege/lpm/schema"
)

// tried is a proposal whose permissions were tried.
func tried(t *testing.T) *Proposal {
	t.Helper()
	p := propose(t, ImageFacts{}, record(calls("getuid", "ptrace")))
	p.Mark(map[string]Finding{
		"syscall:getuid": {Needed, "status 1; printed: who am I\n" + strings.Repeat("é", 300)},
		"syscall:ptrace": {Unneeded, "passed"},
		"syscall:read":   {Undecided, "not tried"},
		"syscall:nobody": {Needed, "is not in it"},
	}, "Tried in 7 runs.")
	return p
}

func TestMark(t *testing.T) {
	p := tried(t)
	text := string(p.CUE())
	for _, want := range []string{
		"// Tried in 7 runs.", "first after 5 ms; needed: status 1; printed: who am I?é", "; unneeded\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
	for line := range strings.Lines(text) {
		if strings.Contains(line, `"read"`) && strings.Contains(line, "undecided") {
			t.Errorf("what every program needs is said to be undecided: %s", line)
		}
	}
	if why := p.Why["syscall:getuid"]; why.Need != Needed || !strings.HasPrefix(why.NeedReason, "status 1") {
		t.Errorf("getuid: %+v", why)
	}
	if _, err := schema.Decode("proposal.cue", []byte(text)); err != nil {
		t.Errorf("not a valid file: %v", err)
	}
	for _, permission := range p.Manifest.Permissions() {
		if permission.Optional {
			t.Errorf("%s can be denied alone", permission.ID)
		}
	}
}

func TestNarrowed(t *testing.T) {
	p := tried(t)
	m, origin := *p.Manifest, map[string]string{}
	m.Syscalls.Allow = nil
	for i, s := range p.Manifest.Syscalls.Allow {
		if s.Name != "ptrace" && s.Name != "brk" {
			origin[place(len(m.Syscalls.Allow))] = place(i)
			m.Syscalls.Allow = append(m.Syscalls.Allow, s)
		}
	}
	n := p.Narrowed(&m, origin)
	if _, there := n.Why["syscall:ptrace"]; there || n.Why["syscall:getuid"].Need != Needed || n.Why["syscall:getuid"].Count != 1 {
		t.Errorf("why: %+v", n.Why)
	}
	if text := string(n.CUE()); strings.Contains(text, "ptrace") || !strings.Contains(text, "needed: status 1") {
		t.Errorf("the file is\n%s", text)
	}
	if len(p.Why) != len(n.Why)+2 {
		t.Errorf("%d explanations became %d", len(p.Why), len(n.Why))
	}
}

func place(i int) string { return fmt.Sprintf("syscalls.allow[%d]", i) }

// TestCountsDoNotWrap: a record may say that something happened as often as can
// be, and a second one that it happened once more.
func TestCountsDoNotWrap(t *testing.T) {
	often := func(n uint64) *evidence.Record {
		return record(func(r *evidence.Record) {
			r.Calls = []evidence.Call{{Architecture: "amd64", Number: 257, Name: "openat", Seen: evidence.Seen{Count: n}}}
		})
	}
	p := propose(t, ImageFacts{}, often(math.MaxUint64), often(1))
	if got := p.Why["syscall:openat"].Count; got != math.MaxUint64 {
		t.Errorf("used %d times", got)
	}
}
