package host

import (
	"maps"
	"path"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// find returns where the own cgroup v2 is by the two files of /proc.
func find(mounts, membership string) (mount, own string) {
	group := unified(membership)
	if group == "" {
		return "", ""
	}
	return locate(mounts, "cgroup2", "", group)
}

func TestLocate(t *testing.T) {
	const (
		plain  = "31 23 0:28 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw,nsdelegate\n"
		hybrid = "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n" +
			"32 31 0:29 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n" +
			"41 31 0:38 / /sys/fs/cgroup/unified rw shared:9 - cgroup2 cgroup2 rw\n"
	)
	for _, test := range []struct {
		name, mounts, membership, mount, own string
	}{
		{"in a session", plain, "0::/user.slice/a.scope\n", "/sys/fs/cgroup", "/sys/fs/cgroup/user.slice/a.scope"},
		{"in the root", plain, "0::/\n", "/sys/fs/cgroup", "/sys/fs/cgroup"},
		{"hybrid", hybrid, "8:pids:/x\n1:name=systemd:/y\n0::/z\n", "/sys/fs/cgroup/unified", "/sys/fs/cgroup/unified/z"},
		{"only v1", strings.SplitAfter(hybrid, "\n")[1], "8:pids:/x\n", "", ""},
		{"v1 mounted, v2 not", strings.SplitAfter(hybrid, "\n")[1], "8:pids:/x\n0::/z\n", "", ""},
		{"a part of the tree mounted", "1 2 0:3 /a/b /cg rw - cgroup2 none rw\n", "0::/a/b/c\n", "/cg", "/cg/c"},
		{"just this part mounted", "1 2 0:3 /a/b /cg rw - cgroup2 none rw\n", "0::/a/b\n", "/cg", "/cg"},
		{"another part mounted", "1 2 0:3 /a/b /cg rw - cgroup2 none rw\n", "0::/a/bc\n", "", ""},
		{"above the own namespace", plain, "0::/../other\n", "", ""},
		{"removed under it", plain, "0::/gone (deleted)\n", "", ""},
		{"a mount point with blanks", `1 2 0:3 / /my\040cg\134 rw - cgroup2 none rw` + "\n", "0::/a\n", `/my cg\`, `/my cg\/a`},
		{"a file system that only sounds alike", "1 2 0:3 / /cg rw - cgroup2fuse none rw\n", "0::/a\n", "", ""},
		{"nothing", "", "", "", ""},
		{"broken lines", "1 2\n - cgroup2 x\n", "0::\n0:/\n", "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			if mount, own := find(test.mounts, test.membership); mount != test.mount || own != test.own {
				t.Errorf("got %q, %q, want %q, %q", mount, own, test.mount, test.own)
			}
		})
	}
}

func TestLocateV1(t *testing.T) {
	const mounts = "32 31 0:29 / /cg/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n" +
		"33 31 0:30 /docker/1 /cg/memory ro - cgroup cgroup rw,memory\n" +
		"34 31 0:31 / /cg/systemd rw - cgroup cgroup rw,xattr,name=systemd\n" +
		"41 31 0:38 / /cg/unified rw shared:9 - cgroup2 cgroup2 rw\n"
	for _, test := range []struct{ controller, group, own string }{
		{"cpu", "/a", "/cg/cpu,cpuacct/a"},
		{"cpuacct", "/", "/cg/cpu,cpuacct"},
		{"memory", "/docker/1/x", "/cg/memory/x"},
		{"memory", "/docker/2", ""},
		{"pids", "/", ""},
	} {
		if _, own := locate(mounts, "cgroup", test.controller, test.group); own != test.own {
			t.Errorf("%s of %s is %q, want %q", test.group, test.controller, own, test.own)
		}
	}
}

// FuzzLocate holds that the own cgroup is below where cgroup v2 is mounted.
func FuzzLocate(f *testing.F) {
	f.Add("1 2 0:3 /a/b /cg rw - cgroup2 none rw\n", "0::/a/b/c\n")
	f.Add("1 2 0:3 / /cg rw - cgroup2 none rw\n", "0::/../x\n")
	f.Fuzz(func(t *testing.T, mounts, membership string) {
		mount, own := find(mounts, membership)
		clean := path.IsAbs(mount) && path.Clean(mount) == mount
		if clean && !strings.HasPrefix(own, strings.TrimSuffix(mount, "/")) {
			t.Errorf("%q is not below %q", own, mount)
		}
	})
}

func TestDelegated(t *testing.T) {
	base := map[string]string{
		"/proc/self/cgroup":                "0::/slice/scope\n",
		"/proc/self/mountinfo":             "31 23 0:28 / /cg rw - cgroup2 cgroup2 rw\n",
		"/cg/slice/cgroup.procs":           "",
		"/cg/slice/cgroup.type":            "domain\n",
		"/cg/slice/cgroup.controllers":     "cpu memory pids\n",
		"/cg/slice/cgroup.subtree_control": "pids\n",

		"/cg/slice/scope/cgroup.procs":           "77\n",
		"/cg/slice/scope/cgroup.type":            "domain\n",
		"/cg/slice/scope/cgroup.controllers":     "pids\n",
		"/cg/slice/scope/cgroup.subtree_control": "",
	}
	for _, test := range []struct {
		name        string
		change      map[string]string
		missing     string
		marked      string // the folder that systemd has marked as delegated
		dir         string
		controllers string
	}{
		{name: "alone in the own cgroup", dir: "/cg/slice/scope", controllers: "pids"},
		{
			name:   "not alone: beside it, with all that the one above could hand down",
			change: map[string]string{"/cg/slice/scope/cgroup.procs": "5\n77\n"},
			dir:    "/cg/slice", controllers: "cpu memory pids",
		},
		{
			name: "not alone, nor is the one above empty: only what it hands down already",
			change: map[string]string{
				"/cg/slice/scope/cgroup.procs": "5\n77\n", "/cg/slice/cgroup.procs": "9\n",
			},
			dir: "/cg/slice", controllers: "pids",
		},
		{
			name: "stepped aside at an earlier launch",
			change: map[string]string{
				"/proc/self/cgroup":                              "0::/slice/lpm-launchers\n",
				"/cg/slice/lpm-launchers/cgroup.procs":           "77\n",
				"/cg/slice/lpm-launchers/cgroup.type":            "domain\n",
				"/cg/slice/lpm-launchers/cgroup.controllers":     "pids\n",
				"/cg/slice/lpm-launchers/cgroup.subtree_control": "",
			},
			dir: "/cg/slice", controllers: "cpu memory pids",
		},
		{
			name:    "not alone, and the one above is another's",
			change:  map[string]string{"/cg/slice/scope/cgroup.procs": "5\n77\n"},
			missing: "/cg/slice/cgroup.procs",
		},
		{
			name:   "controllers that lpm has no limits for",
			change: map[string]string{"/cg/slice/scope/cgroup.controllers": "hugetlb rdma\n", "/cg/slice/cgroup.controllers": "misc\n"},
		},
		{
			name:   "threaded",
			change: map[string]string{"/cg/slice/scope/cgroup.type": "threaded\n", "/cg/slice/cgroup.type": "domain threaded\n"},
		},
		{
			name: "the root, which has no type and nothing above",
			change: map[string]string{
				"/proc/self/cgroup": "0::/\n", "/cg/cgroup.procs": "77\n",
				"/cg/cgroup.controllers": "io\n", "/cg/cgroup.subtree_control": "",
			},
			dir: "/cg", controllers: "io",
		},
		{
			name: "a part of the tree that systemd manages, and has not delegated",
			change: map[string]string{
				"/proc/self/cgroup":                        "0::/slice/a.scope\n",
				"/cg/slice/a.scope/cgroup.procs":           "77\n",
				"/cg/slice/a.scope/cgroup.type":            "domain\n",
				"/cg/slice/a.scope/cgroup.subtree_control": "",
				"/cg/slice/a.scope/cgroup.controllers":     "pids\n",
				"/run/systemd/system/x":                    "",
			},
		},
		{
			name: "a part that systemd has delegated", marked: "/cg/slice/a.scope",
			change: map[string]string{
				"/proc/self/cgroup":                        "0::/slice/a.scope\n",
				"/cg/slice/a.scope/cgroup.procs":           "77\n",
				"/cg/slice/a.scope/cgroup.type":            "domain\n",
				"/cg/slice/a.scope/cgroup.subtree_control": "",
				"/cg/slice/a.scope/cgroup.controllers":     "pids\n",
				"/run/systemd/system/x":                    "",
			},
			dir: "/cg/slice/a.scope", controllers: "pids",
		},
		{
			name: "below what systemd has delegated", marked: "/cg/a.service",
			change: map[string]string{
				"/proc/self/cgroup":                      "0::/a.service/b/c\n",
				"/cg/a.service/b/cgroup.procs":           "",
				"/cg/a.service/b/cgroup.type":            "domain\n",
				"/cg/a.service/b/cgroup.controllers":     "memory\n",
				"/cg/a.service/b/cgroup.subtree_control": "",
				"/cg/a.service/b/c/cgroup.procs":         "77\n9\n",
				"/run/systemd/system/x":                  "",
			},
			dir: "/cg/a.service/b", controllers: "memory",
		},
		{
			name: "a unit of systemd below a delegated one is not delegated", marked: "/cg/user@1.service",
			change: map[string]string{
				"/proc/self/cgroup":                                           "0::/user@1.service/app.slice/b.scope\n",
				"/cg/user@1.service/app.slice/cgroup.procs":                   "",
				"/cg/user@1.service/app.slice/cgroup.type":                    "domain\n",
				"/cg/user@1.service/app.slice/cgroup.controllers":             "memory\n",
				"/cg/user@1.service/app.slice/cgroup.subtree_control":         "memory\n",
				"/cg/user@1.service/app.slice/b.scope/cgroup.procs":           "77\n",
				"/cg/user@1.service/app.slice/b.scope/cgroup.type":            "domain\n",
				"/cg/user@1.service/app.slice/b.scope/cgroup.controllers":     "memory\n",
				"/cg/user@1.service/app.slice/b.scope/cgroup.subtree_control": "",
			},
		},
		{
			name: "in the usual place, the mounts need not be read",
			change: map[string]string{
				"/proc/self/mountinfo":                              "",
				"/sys/fs/cgroup/slice/scope/cgroup.procs":           "77\n",
				"/sys/fs/cgroup/slice/scope/cgroup.type":            "domain\n",
				"/sys/fs/cgroup/slice/scope/cgroup.controllers":     "pids\n",
				"/sys/fs/cgroup/slice/scope/cgroup.subtree_control": "",
			},
			dir: "/sys/fs/cgroup/slice/scope", controllers: "pids",
		},
		{
			name:   "another group of that name in the usual place",
			change: map[string]string{"/sys/fs/cgroup/slice/scope/cgroup.procs": "78\n"},
			dir:    "/cg/slice/scope", controllers: "pids",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			files := maps.Clone(base)
			maps.Copy(files, test.change)
			delete(files, test.missing)
			m := imitation(t, files)
			if test.marked != "" {
				if err := unix.Setxattr(m.file(test.marked), "user.delegate", []byte("1"), 0); err != nil {
					t.Fatal(err)
				}
			}
			dir, controllers, err := m.delegated()
			if err != nil || dir != test.dir || !slices.Equal(controllers, strings.Fields(test.controllers)) {
				t.Errorf("got %q %q %v, want %q %q", dir, controllers, err, test.dir, test.controllers)
			}
		})
	}
}
