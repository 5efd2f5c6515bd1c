package workload

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestNothingIsHeld: where a run cannot be prepared, the image's tree is let go.
func TestNothingIsHeld(t *testing.T) {
	l := newLab(t, "static")
	place := filepath.Join(l.store.Dir(), "prepared", cacheKey(l.image))
	if err := os.MkdirAll(filepath.Dir(place), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(place, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Run(t.Context(), l.store, l.job(t, "true")); err == nil {
		t.Fatal("a file has taken the place of the cache, and nothing was said")
	}
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if target, err := os.Readlink(filepath.Join("/proc/self/fd", e.Name())); err == nil && strings.HasPrefix(target, l.store.Dir()) {
			t.Errorf("%s is still open", target)
		}
	}
}
