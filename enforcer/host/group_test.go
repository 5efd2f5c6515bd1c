package host

import (
	"os"
	"strings"
	"testing"

	"github.com/least-privilege/lpm/enforcer/plan"
)

func TestOffer(t *testing.T) {
	bfq, iocost, deaf := plan.Disk{Weights: "bfq"}, plan.Disk{Weights: "iocost"}, plan.Disk{}
	for _, test := range []struct {
		kind        plan.GroupKind
		controllers string
		disks       []plan.Disk
		want        string
	}{
		{plan.GroupScope, "cpu memory pids", nil, "cpu, memory, pids, no io"},
		{plan.GroupScope, "memory pids", []plan.Disk{bfq}, "memory, pids, no cpu, no io"},
		{plan.GroupScope, "cpu io memory pids", []plan.Disk{deaf, iocost}, "cpu, io, memory, pids"},
		{plan.GroupScope, "cpu io memory pids", []plan.Disk{deaf}, "cpu, io, memory, pids (which no disk heeds)"},
		{plan.GroupV1, "cpu io memory pids", []plan.Disk{iocost}, "cpu, io, memory, pids (which no disk heeds)"},
	} {
		got := offer(plan.GroupMaker{Kind: test.kind, Controllers: strings.Fields(test.controllers)}, test.disks)
		if got != test.want {
			t.Errorf("%s with %s: %q, want %q", test.kind, test.controllers, got, test.want)
		}
	}
}

// TestGroupFinding imitates machines on which groups could be made, and cannot.
func TestGroupFinding(t *testing.T) {
	// Nobody has this id, so that nobody's systemd answers.
	const uid = 64999
	const controllers = "/sys/fs/cgroup/user.slice/user-64999.slice/user@64999.service/cgroup.controllers"
	for _, test := range []struct {
		name   string
		files  map[string]string
		state  State
		detail string
		hint   string
	}{
		{name: "nobody makes groups", state: Missing, hint: "loginctl enable-linger"},
		{
			name: "a delegated folder", state: Present, detail: "cgroup v2 below /cg/a: memory, pids, no cpu, no io",
			files: map[string]string{
				"/proc/self/cgroup":            "0::/a\n",
				"/proc/self/mountinfo":         "41 31 0:38 / /cg rw - cgroup2 cgroup2 rw\n",
				"/cg/a/cgroup.procs":           "77\n",
				"/cg/a/cgroup.type":            "domain\n",
				"/cg/a/cgroup.controllers":     "memory pids\n",
				"/cg/a/cgroup.subtree_control": "",
			},
		},
		{
			name: "a manager that does not answer", state: Missing, detail: "systemd scope: ", hint: "systemctl --user status",
			files: map[string]string{controllers: "memory pids\n", "/run/user/64999/systemd/private": ""},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			i := &inspection{machine: imitation(t, test.files)}
			i.uid = uid
			f := i.findGroups(t.Context(), Finding{Name: "cgroup-delegation", Hint: "loginctl enable-linger"})
			if f.State != test.state || !strings.Contains(f.Detail, test.detail) || !strings.Contains(f.Hint, test.hint) || (f.Hint == "") != (test.hint == "") {
				t.Errorf("got %+v", f)
			}
		})
	}
}

// TestGroupIsTried: where this machine says that a group can be made, one can,
// and it is gone afterwards.
func TestGroupIsTried(t *testing.T) {
	h, err := Probe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	makers := h.GroupMakers()
	if len(makers) == 0 && os.Getenv("LPM_TEST_VM") != "" {
		t.Error("nobody makes groups for this account")
	}
	for _, maker := range makers {
		if maker.Kind == plan.GroupDelegated {
			continue // the tests of package cgroup
		}
		if err := tryGroup(t.Context(), maker, h); err != nil {
			t.Errorf("%s: %v", maker.Kind, err)
		}
	}
}
