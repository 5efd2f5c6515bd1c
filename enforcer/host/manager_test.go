package host

import (
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
)

func TestManager(t *testing.T) {
	const group = "/sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service/cgroup.controllers"
	base := map[string]string{
		group:                            "cpu memory pids\n",
		"/run/user/1000/systemd/private": "",
		"/run/user/1000/bus":             "",
	}
	private, bus := "unix:path=/run/user/1000/systemd/private", "unix:path=/run/user/1000/bus"
	for _, test := range []struct {
		name        string
		change      map[string]string
		missing     []string
		of          machine
		addresses   []string
		controllers string
	}{
		{name: "a session", addresses: []string{private, bus}, controllers: "cpu memory pids"},
		{
			name: "its environment says the same", of: machine{runtime: "/run/user/1000", bus: bus},
			addresses: []string{private, bus}, controllers: "cpu memory pids",
		},
		{
			name: "a bus elsewhere is the last to try", of: machine{bus: "unix:abstract=/tmp/x,guid=1"},
			addresses: []string{private, bus, "unix:abstract=/tmp/x,guid=1"}, controllers: "cpu memory pids",
		},
		{
			name: "a bus that is a program to start", of: machine{bus: "unixexec:path=/bin/sh"},
			addresses: []string{private, bus}, controllers: "cpu memory pids",
		},
		{
			name: "another runtime folder is the first to try", of: machine{runtime: "/my run"},
			change:    map[string]string{"/my run/systemd/private": ""},
			addresses: []string{"unix:path=/my%20run/systemd/private", private, bus}, controllers: "cpu memory pids",
		},
		{name: "without dbus-user-session", missing: []string{"/run/user/1000/bus"}, addresses: []string{private}, controllers: "cpu memory pids"},
		{name: "controllers that lpm has no limits for", change: map[string]string{group: "hugetlb rdma\n"}},
		{name: "nothing is delegated", change: map[string]string{group: "\n"}},
		{name: "no session runs", missing: []string{group}},
		{name: "sockets are nowhere", missing: []string{"/run/user/1000/bus", "/run/user/1000/systemd/private"}},
		{
			name: "root has the system's", of: machine{uid: 0, bus: bus},
			change: map[string]string{
				"/sys/fs/cgroup/cgroup.controllers": "cpuset cpu io memory hugetlb pids rdma misc\n",
				"/run/systemd/private":              "", "/run/dbus/system_bus_socket": "",
			},
			addresses:   []string{"unix:path=/run/systemd/private", "unix:path=/run/dbus/system_bus_socket"},
			controllers: "cpu io memory pids",
		},
		{name: "root without systemd", of: machine{uid: 0}, change: map[string]string{"/sys/fs/cgroup/cgroup.controllers": "memory\n"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			files := maps.Clone(base)
			maps.Copy(files, test.change)
			for _, name := range test.missing {
				delete(files, name)
			}
			m := imitation(t, files)
			m.runtime, m.bus = test.of.runtime, test.of.bus
			if strings.HasPrefix(test.name, "root") {
				m.uid = 0
			}
			got, err := m.manager()
			if err != nil || !slices.Equal(got.Addresses, test.addresses) || !slices.Equal(got.Controllers, strings.Fields(test.controllers)) {
				t.Errorf("got %+v %v, want %q %q", got, err, test.addresses, test.controllers)
			}
		})
	}
}

func TestV1(t *testing.T) {
	files := map[string]string{
		"/proc/self/cgroup": "8:pids:/\n7:blkio:/\n5:devices:/\n4:memory:/own/a\n2:cpu,cpuacct:/b:c\n1:name=systemd:/\n0::/\n",
		"/proc/self/mountinfo": "1 2 0:1 / /cg/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n" +
			"2 2 0:2 /own /cg/memory rw - cgroup cgroup rw,memory\n" +
			"3 2 0:3 / /cg/pids rw - cgroup cgroup rw,pids\n" +
			"4 2 0:4 / /cg/unified rw - cgroup2 cgroup2 rw\n",
		"/cg/cpu,cpuacct/b:c/tasks": "", "/cg/memory/a/tasks": "", "/cg/pids/tasks": "",
	}
	m := imitation(t, files)
	m.uid = 0
	want := map[string]string{"cpu": "/cg/cpu,cpuacct/b:c", "memory": "/cg/memory/a", "pids": "/cg/pids"}
	if got, err := m.cgroup1(); err != nil || !maps.Equal(got, want) {
		t.Errorf("got %v %v, want %v", got, err, want)
	}
	m.uid = 1000
	if got, err := m.cgroup1(); err != nil || got != nil {
		t.Errorf("an ordinary user got %v %v", got, err)
	}
	pure := imitation(t, map[string]string{"/proc/self/cgroup": "0::/a\n"})
	pure.uid = 0
	if got, err := pure.cgroup1(); err != nil || got != nil {
		t.Errorf("with v2 alone root got %v %v", got, err)
	}
}

func TestDisks(t *testing.T) {
	m := imitation(t, map[string]string{
		"/sys/fs/cgroup/io.cost.qos": "8:16 enable=1 ctrl=auto\n8:32 enable=0 ctrl=auto\n",
	})
	for name, facts := range map[string][3]string{
		"sda":   {"100\n", "8:0\n", "none mq-deadline [bfq]\n"},
		"sdb":   {"100\n", "8:16\n", "[none] mq-deadline bfq\n"},
		"sdc":   {"100\n", "8:32\n", "[mq-deadline]\n"},
		"sr0":   {"0\n", "11:0\n", "[bfq]\n"},
		"loop0": {"100\n", "7:0\n", "[bfq]\n"},
		"part":  {"100\n", "", "[bfq]\n"},
	} {
		m.write(t, "/sys/block/"+name+"/size", facts[0])
		m.write(t, "/sys/block/"+name+"/queue/scheduler", facts[2])
		if facts[1] != "" {
			m.write(t, "/sys/block/"+name+"/dev", facts[1])
		}
		if name != "loop0" {
			if err := os.Mkdir(m.file("/sys/block/"+name+"/device"), 0o755); err != nil {
				t.Fatal(err)
			}
		}
	}
	got, err := m.disks()
	if err != nil || len(got) != 3 {
		t.Fatalf("got %+v %v, want three disks", got, err)
	}
	for i, want := range []string{"bfq", "iocost", ""} {
		if got[i].Weights != want {
			t.Errorf("%s heeds %q, want %q", got[i].Name, got[i].Weights, want)
		}
	}
	if got, err := imitation(t, nil).disks(); err != nil || got != nil {
		t.Errorf("a machine without disks has %+v %v", got, err)
	}
}

// TestDisksAreLookedAtOnDemand: only where a group could have a weight.
func TestDisksAreLookedAtOnDemand(t *testing.T) {
	files := map[string]string{
		"/proc/self/cgroup":                       "0::/a\n",
		"/sys/fs/cgroup/a/cgroup.procs":           "77\n",
		"/sys/fs/cgroup/a/cgroup.type":            "domain\n",
		"/sys/fs/cgroup/a/cgroup.controllers":     "io memory\n",
		"/sys/fs/cgroup/a/cgroup.subtree_control": "",
		"/sys/block/sda/device/x":                 "", "/sys/block/sda/dev": "8:0\n", "/sys/block/sda/size": "100\n",
	}
	h, err := imitation(t, files).probe(t.Context())
	if err != nil || len(h.Disks) != 1 {
		t.Errorf("with the io controller: disks %+v, %v", h.Disks, err)
	}
	files["/sys/fs/cgroup/a/cgroup.controllers"] = "memory\n"
	if h, err = imitation(t, files).probe(t.Context()); err != nil || h.Disks != nil {
		t.Errorf("without: disks %+v, %v", h.Disks, err)
	}
}
