package store_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/least-privilege/lpm/registry/store"
	. "github.com/least-privilege/lpm/registry/unpack/imagetest"
)

// A store of the first version, which said nothing of versions and of the sizes
// of trees, becomes one of this version when it is opened, by whoever does.
func TestUpgrade(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	s := reopen(t, dir, store.Options{})
	load(t, s, New(t, Plain(t, File("a", strings.Repeat("x", 5000)))), "app:1")
	img, err := s.Resolve("app:1")
	if err != nil {
		t.Fatal(err)
	}
	tr := tree(t, s, img, store.Single)
	size := filepath.Join(filepath.Dir(tr.Path), "size")
	for _, file := range []string{size, filepath.Join(dir, "version")} {
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
	}
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() {
			s, err := store.Open(dir, store.Options{})
			if err != nil {
				t.Error(err)
				return
			}
			if u, err := s.Usage(t.Context()); err != nil || u.Trees != 5000 {
				t.Errorf("usage %+v, %v", u, err)
			}
		})
	}
	wait.Wait()
	if text, err := os.ReadFile(filepath.Join(dir, "version")); err != nil || string(text) != "2\n" {
		t.Errorf("version %q, %v", text, err)
	}
	if err := s.Verify(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestOtherVersions(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	reopen(t, dir, store.Options{})
	for text, unknown := range map[string]bool{"2\n": false, "3\n": true, "99": true, "0": true, "two": false} {
		if err := os.WriteFile(filepath.Join(dir, "version"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := store.Open(dir, store.Options{})
		var version *store.VersionError
		if errors.As(err, &version) != unknown || (err == nil) != (text == "2\n") {
			t.Errorf("%q: %v", text, err)
		}
	}
}
