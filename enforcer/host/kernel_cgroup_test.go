//go:build cgroup

// This test uses a real delegated cgroup v2 folder; see package cgroup.

package host

import (
	"os"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

// TestDelegatedFolderIsFound: what systemd has marked as delegated is used, and
// nothing else is taken for it. Systemd 252 marks nothing that it makes for a
// user.
func TestDelegatedFolderIsFound(t *testing.T) {
	want := os.Getenv("LPM_TEST_CGROUP")
	if want == "" {
		t.Fatal("LPM_TEST_CGROUP names no delegated folder")
	}
	controllers := []string{"cpu", "memory", "pids"}
	if _, err := unix.Getxattr(want, "user.delegate", make([]byte, 8)); err != nil {
		t.Logf("the folder is not marked: %v", err)
		want, controllers = "", nil
	}
	h, err := Probe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if h.Cgroup != want {
		t.Errorf("found %q, want %q", h.Cgroup, want)
	}
	for _, controller := range controllers {
		if !slices.Contains(h.Controllers, controller) {
			t.Errorf("controllers are %q, without %s", h.Controllers, controller)
		}
	}
}
