//go:build cgroup

// This test uses a real delegated cgroup v2 folder; see package cgroup.

package host

import (
	"os"
	"slices"
	"testing"
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
	}
	for _, controller := range []string{"cpu", "memory", "pids"} {
		if !slices.Contains(h.Controllers, controller) {
			t.Errorf("controllers are %q, without %s", h.Controllers, controller)
		}
	}
}
