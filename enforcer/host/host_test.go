package host

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"

	"github.com/least-privilege/lpm/enforcer/plan"
)

// imitation is a machine with these files and none else. A content of
// "program" makes a file that can be executed and is set-user-id.
func imitation(t *testing.T, files map[string]string) machine {
	t.Helper()
	m := machine{root: t.TempDir(), uid: 1000, gid: 1000, pid: 77, path: "/usr/bin:/bin"}
	for name, content := range files {
		m.write(t, name, content)
	}
	return m
}

func (m machine) write(t *testing.T, name, content string) {
	t.Helper()
	path := m.file(name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	if content == setuidProgram {
		if err := os.Chmod(path, 0o755|os.ModeSetuid); err != nil {
			t.Fatal(err)
		}
	}
}

const setuidProgram = "program"

func TestProbe(t *testing.T) {
	h, err := Probe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if h.Architecture != runtime.GOARCH || h.UID != uint32(os.Getuid()) || h.GID != uint32(os.Getgid()) {
		t.Errorf("got %+v", h)
	}
	if !atLeast(h.Kernel, 4, 0) {
		t.Errorf("kernel is %q", h.Kernel)
	}
	// Landlock came with 5.13 and may be off; what must not happen is a
	// version that cannot be.
	if h.LandlockABI < 0 || h.LandlockABI > 0 && !atLeast(h.Kernel, 5, 13) {
		t.Errorf("Landlock's version is %d on %s", h.LandlockABI, h.Kernel)
	}
	if h.WaitKillable != atLeast(h.Kernel, 5, 19) {
		t.Errorf("WaitKillable is %t on %s", h.WaitKillable, h.Kernel)
	}
	if h.OpenFiles < 3 {
		t.Errorf("the limit of open files is %d", h.OpenFiles)
	}
	if !slices.Contains(h.ProcPaths, "/proc/sys") {
		t.Errorf("ProcPaths is %q, without /proc/sys", h.ProcPaths)
	}
}

func TestProbeStopsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Probe(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Probe: got %v", err)
	}
	if _, err := Inspect(ctx, t.TempDir()); !errors.Is(err, context.Canceled) {
		t.Errorf("Inspect: got %v", err)
	}
}

func TestProbeOfFiles(t *testing.T) {
	m := imitation(t, map[string]string{
		"/usr/bin/newuidmap":                setuidProgram,
		"/usr/bin/newgidmap":                setuidProgram,
		"/etc/passwd":                       "root:x:0:0::/:/bin/sh\nann:x:1000:1000::/:/bin/sh\n",
		"/etc/subuid":                       "ann:100000:65536\n",
		"/etc/subgid":                       "ann:200000:65536\n",
		"/etc/resolv.conf":                  "",
		"/etc/hosts":                        "192.0.2.1 printer\n",
		"/proc/kcore":                       "",
		"/proc/sys/kernel/hostname":         "",
		"/proc/self/cgroup":                 "0::/a\n",
		"/proc/self/mountinfo":              "41 31 0:38 / /cg rw - cgroup2 cgroup2 rw\n",
		"/cg/a/cgroup.procs":                "77\n",
		"/cg/a/cgroup.type":                 "domain\n",
		"/cg/a/cgroup.controllers":          "hugetlb pids memory\n",
		"/cg/a/cgroup.subtree_control":      "",
		"/unrelated/newuidmap/not/a/binary": "",
	})
	h, err := m.probe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for name, equal := range map[string]bool{
		"SubUIDs":     slices.Equal(h.SubUIDs, []plan.IDMap{{Host: 100000, Size: 65536}}),
		"SubGIDs":     slices.Equal(h.SubGIDs, []plan.IDMap{{Host: 200000, Size: 65536}}),
		"ProcPaths":   slices.Equal(h.ProcPaths, []string{"/proc/kcore", "/proc/sys"}),
		"ResolvConf":  h.ResolvConf,
		"Hosts":       h.Hosts == "192.0.2.1 printer\n",
		"Cgroup":      h.Cgroup == "/cg/a",
		"Controllers": slices.Equal(h.Controllers, []string{"memory", "pids"}),
	} {
		if !equal {
			t.Errorf("%s is not as the files say: %+v", name, h)
		}
	}
}

func TestProbeOfAnEmptyMachine(t *testing.T) {
	h, err := imitation(t, nil).probe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if h.SubUIDs != nil || h.SubGIDs != nil || h.Cgroup != "" || h.Controllers != nil || h.ResolvConf || h.ProcPaths != nil {
		t.Errorf("found something in nothing: %+v", h)
	}
}

// TestProbeReportsWhatItCannotTell gives it a folder where a file should be.
func TestProbeReportsWhatItCannotTell(t *testing.T) {
	for _, name := range []string{"/etc/hosts", "/etc/passwd", "/etc/subuid", "/etc/subgid", "/proc/self/cgroup", "/proc/self/mountinfo"} {
		t.Run(name, func(t *testing.T) {
			m := imitation(t, map[string]string{
				"/usr/bin/newuidmap": setuidProgram, "/usr/bin/newgidmap": setuidProgram,
				name + "/file": "",
			})
			if name == "/proc/self/mountinfo" {
				m.write(t, "/proc/self/cgroup", "0::/a\n")
			}
			if h, err := m.probe(t.Context()); err == nil {
				t.Errorf("got %+v", h)
			}
		})
	}
}

func TestAtLeast(t *testing.T) {
	for _, test := range []struct {
		release string
		want    bool
	}{
		{"5.14.0", true},
		{"5.14", true},
		{"6.1.0-18-amd64", true},
		{"10.0-rc1", true},
		{"5.13.99", false},
		{"4.20.1", false},
		{"", false},
		{"next", false},
	} {
		if got := atLeast(test.release, 5, 14); got != test.want {
			t.Errorf("%q is at least 5.14: %t", test.release, got)
		}
	}
}

func BenchmarkProbe(b *testing.B) {
	for b.Loop() {
		if _, err := Probe(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}
