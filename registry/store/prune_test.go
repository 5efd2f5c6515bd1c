package store_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/least-privilege/lpm/registry/store"
	. "github.com/least-privilege/lpm/registry/unpack/imagetest"
)

func TestPrune(t *testing.T) {
	s := open(t)
	shared := Gzip(t, Plain(t, File("shared", "by both")))
	keep := New(t, shared, Plain(t, File("keep", "")))
	gone := New(t, shared, Plain(t, File("gone", strings.Repeat("x", 10000))))
	kept := load(t, s, keep, "keep:1")
	removed := load(t, s, gone, "gone:1")
	for _, img := range []store.Image{kept, removed} {
		tr, err := s.Tree(t.Context(), img, store.Single)
		if err != nil {
			t.Fatal(err)
		}
		tr.Close()
		if _, err := s.PreparedDir(img.Digest.Hex + "-x"); err != nil {
			t.Fatal(err)
		}
	}
	volume, err := s.VolumeDir("gone", "data")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.PutBlob(t.Context(), []byte("nobody's")); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(s.Dir(), "tmp", "blob-123"), []byte("left by a killed process"))
	if err := s.Remove(t.Context(), "gone:1"); err != nil {
		t.Fatal(err)
	}

	report, err := s.Prune(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	// The manifest, the config and one layer of gone, and nobody's blob.
	if report.Blobs != 4 || report.Trees != 1 || report.Prepared != 1 || report.Bytes < 10000 {
		t.Errorf("report %+v", report)
	}
	wantEmptyTemp(t, s)
	for path, want := range map[string]bool{
		"trees/" + kept.Digest.Hex + "-single":            true,
		"trees/" + removed.Digest.Hex + "-single":         false,
		"prepared/" + kept.Digest.Hex + "-x":              true,
		"prepared/" + removed.Digest.Hex + "-x":           false,
		"locks/tree-" + removed.Digest.Hex + "-single":    false,
		"blobs/sha256/" + Hash([]byte("nobody's")).Hex:    false,
		"blobs/sha256/" + Hash(shared.Blob).Hex:           true,
		"blobs/sha256/" + gone.Manifest.Config.Digest.Hex: false,
	} {
		if _, err := os.Stat(filepath.Join(s.Dir(), path)); (err == nil) != want {
			t.Errorf("%s: %v, want it there: %v", path, err, want)
		}
	}
	if _, err := os.Stat(volume); err != nil {
		t.Errorf("the volume went: %v", err)
	}
	if err := s.Verify(t.Context()); err != nil {
		t.Error(err)
	}
	report, err = s.Prune(t.Context())
	if err != nil || report.Blobs+report.Trees+report.Prepared+int(report.Bytes) != 0 {
		t.Errorf("second prune: %+v, %v, want nothing", report, err)
	}
}

func TestPruneSparesWhatIsUsed(t *testing.T) {
	s := open(t)
	img := load(t, s, image(t, "hello"), "a:1")
	prepared, err := s.PreparedDir(img.Digest.Hex)
	if err != nil {
		t.Fatal(err)
	}
	tr, err := s.Tree(t.Context(), img, store.Single)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Remove(t.Context(), "a:1"); err != nil {
		t.Fatal(err)
	}
	report, err := s.Prune(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(report.InUse) != 1 || report.InUse[0] != img.Digest || report.Trees != 0 {
		t.Errorf("report %+v, want the tree in use", report)
	}
	if got := motd(t, tr); got != "hello" {
		t.Errorf("the tree's file holds %q", got)
	}
	if _, err := os.Stat(prepared); err != nil {
		t.Errorf("the prepared folder went: %v", err)
	}

	// A child that got the lock's descriptor keeps the tree by itself.
	fd, err := syscall.Dup(int(tr.LockFile().Fd()))
	if err != nil {
		t.Fatal(err)
	}
	inherited := os.NewFile(uintptr(fd), "inherited")
	if err := tr.Close(); err != nil {
		t.Fatal(err)
	}
	if report, err := s.Prune(t.Context()); err != nil || report.Trees != 0 {
		t.Errorf("report %+v, %v, want the tree in use", report, err)
	}
	if err := inherited.Close(); err != nil {
		t.Fatal(err)
	}
	if report, err := s.Prune(t.Context()); err != nil || report.Trees != 1 || report.Prepared != 1 {
		t.Errorf("report %+v, %v, want the tree gone", report, err)
	}
}

func TestPruneKeepsNamelessImagesInUse(t *testing.T) {
	s := open(t)
	one := image(t, "one")
	img := load(t, s, one, "a:1")
	tr := tree(t, s, img, store.Single)
	load(t, s, image(t, "two"), "a:1")
	if report, err := s.Prune(t.Context()); err != nil || len(report.Images) != 0 {
		t.Errorf("report %+v, %v, want no image gone", report, err)
	}
	if _, err := s.Resolve(short(one)); err != nil {
		t.Error(err)
	}
	tr.Close()
	if report, err := s.Prune(t.Context()); err != nil || len(report.Images) != 1 || report.Trees != 1 {
		t.Errorf("report %+v, %v, want the image gone", report, err)
	}
}

func TestPruneStopsAtDamage(t *testing.T) {
	s := open(t)
	src := image(t, "x")
	load(t, s, src, "a:1")
	write(t, filepath.Join(s.Dir(), "blobs", "sha256", src.Descriptor.Digest.Hex), []byte("{}"))
	var damaged *store.DamagedError
	if _, err := s.Prune(t.Context()); !errors.As(err, &damaged) {
		t.Errorf("error %v, want a DamagedError", err)
	}
	if _, err := s.ReadBlob(src.Manifest.Config.Digest, 1<<20); err != nil {
		t.Errorf("a part of the damaged image went: %v", err)
	}
	load(t, s, src, "a:1")
	if _, err := s.Prune(t.Context()); err != nil {
		t.Errorf("after loading it again: %v", err)
	}
}

func TestPruneWaitsNoLongerThanItsContext(t *testing.T) {
	s := open(t)
	f, err := os.OpenFile(filepath.Join(s.Dir(), "locks", "collection"), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	// Somebody is loading.
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_SH); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Prune(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want the context's", err)
	}
}
