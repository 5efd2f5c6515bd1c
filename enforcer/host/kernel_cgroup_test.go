//go:build cgroup

// This test uses a real delegated cgroup v2 folder; see package cgroup.

package host

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestDelegatedFolderIsFound(t *testing.T) {
	want := os.Getenv("LPM_TEST_CGROUP")
	if want == "" {
		t.Fatal("LPM_TEST_CGROUP names no delegated folder")
	}
	h, err := Probe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if h.Cgroup != want {
		t.Errorf("found %q, want %q", h.Cgroup, want)
		tell(t, want)
	}
	for _, controller := range []string{"cpu", "memory", "pids"} {
		if !slices.Contains(h.Controllers, controller) {
			t.Errorf("controllers are %q, without %s", h.Controllers, controller)
		}
	}
}

// tell says what the folder was not found for: who is in it.
func tell(t *testing.T, dir string) {
	own, err := os.ReadFile("/proc/self/cgroup")
	t.Logf("process %d is in %s, %v", os.Getpid(), own, err)
	value := make([]byte, 8)
	n, err := unix.Getxattr(dir, "user.delegate", value)
	t.Logf("user.delegate is %q, %v", value[:max(n, 0)], err)
	procs, err := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
	if err != nil {
		t.Log(err)
	}
	for _, pid := range strings.Fields(string(procs)) {
		line, err := os.ReadFile(filepath.Join("/proc", pid, "cmdline"))
		t.Logf("process %s is in the folder: %q, %v", pid, line, err)
	}
}
