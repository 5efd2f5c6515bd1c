package store_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/least-privilege/lpm/registry/store"
	"github.com/least-privilege/lpm/registry/unpack/imagetest"
)

func TestQuota(t *testing.T) {
	dir := t.TempDir()
	imagetest.New(t, imagetest.Plain(t, imagetest.File("big", strings.Repeat("x", 300<<10)))).Layout(t, filepath.Join(dir, "big"), "big:1")
	imagetest.New(t, imagetest.Plain(t, imagetest.File("small", "x"))).Layout(t, filepath.Join(dir, "small"), "small:1")
	s, err := store.Open(filepath.Join(dir, "store"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.SetQuota(200 << 10); err != nil {
		t.Fatal(err)
	}
	load := func(name string) error {
		_, err := s.Load(t.Context(), filepath.Join(dir, name))
		return err
	}
	var full *store.QuotaError
	if err := load("big"); !errors.As(err, &full) || full.Quota != 200<<10 || full.Need < 300<<10 {
		t.Fatalf("an image larger than the quota: %v", err)
	}
	if _, err := s.Resolve("big:1"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("it is there: %v", err)
	}
	if err := load("small"); err != nil {
		t.Fatalf("an image that fits: %v", err)
	}

	// It fits as it travels, and not unpacked as well.
	if err := s.SetQuota(450 << 10); err != nil {
		t.Fatal(err)
	}
	if err := load("big"); err != nil {
		t.Fatal(err)
	}
	img, err := s.Resolve("big:1")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Tree(t.Context(), img, store.Single); !errors.As(err, &full) {
		t.Fatalf("unpacking past the quota: %v", err)
	}
	if left, err := os.ReadDir(filepath.Join(s.Dir(), "trees")); err != nil || len(left) != 0 {
		t.Errorf("something is left of it: %v, %v", left, err)
	}
	if err := s.SetQuota(0); err != nil {
		t.Fatal(err)
	}
	tree, err := s.Tree(t.Context(), img, store.Single)
	if err != nil {
		t.Fatal(err)
	}
	if err := tree.Close(); err != nil {
		t.Fatal(err)
	}
	u, err := s.Usage(t.Context())
	if err != nil || u.Trees != 300<<10 || u.Blobs < 300<<10 || u.Quota != 0 {
		t.Errorf("usage %+v, %v", u, err)
	}

	// What is there stays, and no more comes.
	if err := s.SetQuota(1); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Resolve("big:1"); err != nil {
		t.Error(err)
	}
	if err := s.Remove(t.Context(), "small:1"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Prune(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := load("small"); !errors.As(err, &full) {
		t.Errorf("past a quota of one byte: %v", err)
	}
	if err := os.WriteFile(filepath.Join(s.Dir(), "quota"), []byte("much"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := load("small"); err == nil || errors.As(err, &full) {
		t.Errorf("with a quota that is no number: %v", err)
	}
}
