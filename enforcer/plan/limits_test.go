package plan_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/least-privilege/lpm/enforcer/plan"
	"github.com/least-privilege/lpm/manifest"
)

// TestLimits: which of the ways to set a bound a plan takes.
func TestLimits(t *testing.T) {
	all := []string{"cpu", "io", "memory", "pids"}
	bounds := manifest.Resources{Memory: 1 << 20, PIDs: 10, MilliCPU: 500}
	bfq, iocost, deaf := plan.Disk{Name: "sda", Weights: "bfq"}, plan.Disk{Name: "sdb", Weights: "iocost"}, plan.Disk{Name: "sdc"}
	folders := map[string]string{"memory": "/m", "pids": "/p", "cpu": "/c", "blkio": "/b"}
	for _, test := range []struct {
		name       string
		change     func(h *plan.Host)
		ask        manifest.Resources
		kind       plan.GroupKind
		group      manifest.Resources
		limits     string
		unenforced []string
	}{
		{name: "nothing asked", change: func(h *plan.Host) { h.Cgroup, h.Controllers = "/x", all }},
		{
			name: "a delegated folder is at hand", change: func(h *plan.Host) { h.Cgroup, h.Controllers, h.Manager.Controllers = "/x", all, all },
			ask: bounds, kind: plan.GroupDelegated, group: bounds,
			limits: "cgroup v2: memory 1 MiB, pids 10, milliCPU 0.5 processors",
		},
		{
			name: "the folder lacks a controller that scopes have", change: func(h *plan.Host) {
				h.Cgroup, h.Controllers, h.Manager.Controllers = "/x", []string{"memory", "pids"}, all
			},
			ask: bounds, kind: plan.GroupScope, group: bounds,
			limits: "systemd scope: memory 1 MiB, pids 10, milliCPU 0.5 processors",
		},
		{
			name: "both lack one: the rest is not enforced", change: func(h *plan.Host) {
				h.Cgroup, h.Controllers, h.Manager.Controllers = "/x", []string{"pids"}, []string{"memory", "pids"}
			},
			ask: bounds, kind: plan.GroupScope, group: manifest.Resources{Memory: 1 << 20, PIDs: 10},
			limits: "systemd scope: memory 1 MiB, pids 10", unenforced: []string{"milliCPU"},
		},
		{
			name: "processes alone need no scope", change: func(h *plan.Host) { h.Manager.Controllers = all },
			ask: manifest.Resources{PIDs: 10}, limits: "RLIMIT_NPROC: pids 10",
		},
		{
			name: "root's processes do", change: func(h *plan.Host) { h.UID, h.Manager.Controllers = 0, all },
			ask: manifest.Resources{PIDs: 10}, kind: plan.GroupScope, group: manifest.Resources{PIDs: 10},
			limits: "systemd scope: pids 10",
		},
		{
			name: "processes where a scope cannot count them", change: func(h *plan.Host) { h.Manager.Controllers = []string{"memory"} },
			ask: manifest.Resources{Memory: 1 << 20, PIDs: 10}, kind: plan.GroupScope, group: manifest.Resources{Memory: 1 << 20},
			limits: "systemd scope: memory 1 MiB; RLIMIT_NPROC: pids 10",
		},
		{
			name: "root on cgroup v1", change: func(h *plan.Host) { h.UID, h.Cgroup1, h.Disks = 0, folders, []plan.Disk{bfq} },
			ask:  manifest.Resources{Memory: 1 << 20, PIDs: 10, MilliCPU: 500, IOWeight: 50},
			kind: plan.GroupV1, group: manifest.Resources{Memory: 1 << 20, PIDs: 10, MilliCPU: 500, IOWeight: 50},
			limits: "cgroup v1: memory 1 MiB, pids 10, milliCPU 0.5 processors, ioWeight 50 of the usual 100",
		},
		{
			name: "limits of the process", ask: manifest.Resources{OpenFiles: 1 << 20, FileSize: 1 << 20},
			limits: "RLIMIT_NOFILE: openFiles 4096; RLIMIT_FSIZE: fileSize 1 MiB",
		},
		{
			name: "weights that all disks heed", change: func(h *plan.Host) { h.Manager.Controllers, h.Disks = all, []plan.Disk{bfq, iocost} },
			ask: manifest.Resources{IOWeight: 50}, kind: plan.GroupScope, group: manifest.Resources{IOWeight: 50},
			limits: "systemd scope: ioWeight 50 of the usual 100",
		},
		{
			name: "weights that one disk does not heed", change: func(h *plan.Host) { h.Manager.Controllers, h.Disks = all, []plan.Disk{bfq, deaf} },
			ask: manifest.Resources{IOWeight: 50}, kind: plan.GroupScope, group: manifest.Resources{IOWeight: 50},
			limits: "systemd scope: ioWeight 50 of the usual 100", unenforced: []string{"on sdc"},
		},
		{
			name: "weights that no disk heeds", change: func(h *plan.Host) { h.Manager.Controllers, h.Disks = all, []plan.Disk{deaf} },
			ask: manifest.Resources{IOWeight: 50}, limits: "no limits", unenforced: []string{"on sdc"},
		},
		{
			name: "weights of v2 on v1", change: func(h *plan.Host) { h.UID, h.Cgroup1, h.Disks = 0, folders, []plan.Disk{iocost} },
			ask: manifest.Resources{IOWeight: 50}, limits: "no limits", unenforced: []string{"on sdb"},
		},
		{
			name: "weights without a disk", change: func(h *plan.Host) { h.Manager.Controllers = all },
			ask: manifest.Resources{IOWeight: 50}, limits: "no limits", unenforced: []string{"no disk"},
		},
		{
			name: "weights without the controller", change: func(h *plan.Host) { h.Manager.Controllers = []string{"memory"} },
			ask: manifest.Resources{IOWeight: 50}, limits: "no limits", unenforced: []string{"io controller"},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			p, err := plan.New(request(func(r *plan.Request) {
				if test.change != nil {
					test.change(&r.Host)
				}
				r.Manifest.Resources, r.Options.BestEffort = test.ask, true
			}))
			if err != nil {
				t.Fatal(err)
			}
			if p.Group.Kind != test.kind || p.Group.Resources != test.group {
				t.Errorf("group %+v, want %q with %+v", p.Group, test.kind, test.group)
			}
			limits := plan.Enforcement{Enforced: p.Limits}.String()
			if test.limits == "" {
				test.limits = "no limits"
			}
			if limits != test.limits {
				t.Errorf("limits %q, want %q", limits, test.limits)
			}
			if len(p.Unenforced) != len(test.unenforced) {
				t.Fatalf("unenforced %q, want %q", p.Unenforced, test.unenforced)
			}
			for i, want := range test.unenforced {
				if !strings.Contains(p.Unenforced[i], want) {
					t.Errorf("unenforced %q, want something of %q", p.Unenforced[i], want)
				}
			}
		})
	}
}

// TestEnforcement: the group's name is put where the plan has none.
func TestEnforcement(t *testing.T) {
	p := &plan.Plan{
		Group: plan.Group{Kind: plan.GroupScope, Resources: manifest.Resources{Memory: 1 << 20}},
		Limits: []plan.Limit{
			{Resource: "memory", Value: 1 << 20, By: "systemd scope"}, {Resource: "openFiles", Value: 64, By: "RLIMIT_NOFILE"},
		},
		Unenforced: []string{"resources.milliCPU"},
	}
	e := p.Enforcement("lpm-1.scope")
	if got, want := e.String(), "systemd scope lpm-1.scope: memory 1 MiB; RLIMIT_NOFILE: openFiles 64"; got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if got, want := e.Enforced[0].String(), "memory 1 MiB by systemd scope lpm-1.scope"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if slices.Equal(e.Enforced, p.Limits) {
		t.Error("the plan itself was changed")
	}
	got, err := json.Marshal(e)
	const want = `{"enforced":[{"resource":"memory","value":1048576,"by":"systemd scope lpm-1.scope"},` +
		`{"resource":"openFiles","value":64,"by":"RLIMIT_NOFILE"}],"unenforced":["resources.milliCPU"]}`
	if err != nil || string(got) != want {
		t.Errorf("got  %s, %v\nwant %s", got, err, want)
	}
	if got, err := json.Marshal((&plan.Plan{}).Enforcement("")); err != nil || string(got) != `{"enforced":[]}` {
		t.Errorf("nothing is %s, %v", got, err)
	}
}
