package store_test

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/least-privilege/lpm/registry/store"
	"github.com/least-privilege/lpm/registry/unpack"
	. "github.com/least-privilege/lpm/registry/unpack/imagetest"
	"github.com/least-privilege/lpm/registry/unpack/rangetest"
)

// tree opens a tree that is closed with the test.
func tree(t *testing.T, s *store.Store, img store.Image, kind store.TreeKind) *store.Tree {
	t.Helper()
	tr, err := s.Tree(t.Context(), img, kind)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tr.Close() })
	return tr
}

func motd(t *testing.T, tr *store.Tree) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(tr.Path, "etc/motd"))
	if err != nil {
		t.Error(err)
	}
	return string(data)
}

func TestTreeIsMadeOnce(t *testing.T) {
	s := open(t)
	img := load(t, s, image(t, "hello"), "a:1")
	one := tree(t, s, img, store.Single)
	if got := motd(t, one); got != "hello" {
		t.Errorf("the tree's file holds %q", got)
	}
	// What is added to the tree would be gone if it were made again.
	write(t, filepath.Join(one.Path, "mark"), nil)
	two := tree(t, s, img, store.Single)
	if two.Path != one.Path {
		t.Errorf("trees %q and %q, want one", one.Path, two.Path)
	}
	if _, err := os.Stat(filepath.Join(two.Path, "mark")); err != nil {
		t.Error("the tree was made again")
	}
	wantEmptyTemp(t, s)
}

func TestTreeFailsWhole(t *testing.T) {
	s := open(t)
	hostile := New(t, Plain(t, File("ok", "")), Plain(t, File("../escape", "")))
	img := load(t, s, hostile, "a:1")
	var unsafe *unpack.UnsafeError
	if _, err := s.Tree(t.Context(), img, store.Single); !errors.As(err, &unsafe) {
		t.Errorf("error %v, want an UnsafeError", err)
	}
	wantEmptyTemp(t, s)
	if trees, err := os.ReadDir(filepath.Join(s.Dir(), "trees")); err != nil || len(trees) != 0 {
		t.Errorf("trees has %v (%v), want nothing", trees, err)
	}
	if _, err := s.Tree(t.Context(), img, store.Single); !errors.As(err, &unsafe) {
		t.Errorf("second try: error %v, want an UnsafeError", err)
	}
}

func TestTreeRespectsLimits(t *testing.T) {
	s := reopen(t, filepath.Join(t.TempDir(), "s"), store.Options{Limits: unpack.Limits{Bytes: 3}})
	img := load(t, s, image(t, "four"), "a:1")
	var limit *unpack.LimitError
	if _, err := s.Tree(t.Context(), img, store.Single); !errors.As(err, &limit) {
		t.Errorf("error %v, want a LimitError", err)
	}
}

func TestTreeRefuses(t *testing.T) {
	s := open(t)
	img := load(t, s, image(t, "x"), "a:1")
	if _, err := s.Tree(t.Context(), img, store.Range); !errors.Is(err, store.ErrNoRange) {
		t.Errorf("a range tree without a namespace: %v, want ErrNoRange", err)
	}
	if _, err := s.Tree(t.Context(), img, unpack.Remove); err == nil {
		t.Error("a tree of kind remove was made")
	}
	gone := store.Image{Digest: Hash([]byte("gone"))}
	if _, err := s.Tree(t.Context(), gone, store.Single); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a tree of no image: %v, want ErrNotFound", err)
	}
	if _, err := s.Tree(t.Context(), store.Image{Digest: v1.Hash{Algorithm: "sha256", Hex: "../.."}}, store.Single); err == nil {
		t.Error("a tree of a path was made")
	}
}

func TestTreesAtOnce(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	img := load(t, reopen(t, dir, store.Options{}), image(t, "hello"), "a:1")
	var wait sync.WaitGroup
	for range 8 {
		// A store of its own, as in another process.
		s := reopen(t, dir, store.Options{})
		wait.Go(func() {
			tr, err := s.Tree(t.Context(), img, store.Single)
			if err != nil {
				t.Error(err)
				return
			}
			defer tr.Close()
			if got := motd(t, tr); got != "hello" {
				t.Errorf("the tree's file holds %q", got)
			}
		})
	}
	wait.Wait()
}

func TestRangeTree(t *testing.T) {
	run := rangetest.Runner(t)
	dir := filepath.Join(t.TempDir(), "store")
	s := reopen(t, dir, store.Options{RangeUnpack: run})
	owned := File("var/data", "x").With(func(h *tar.Header) { h.Uid, h.Gid, h.Mode = 999, 998, 0o600 })
	private := Dir("private").With(func(h *tar.Header) { h.Uid, h.Gid, h.Mode = 999, 998, 0o700 })
	img := load(t, s, New(t, Gzip(t, Plain(t, owned, private, File("private/f", "")))), "a:1")
	tr, err := s.Tree(t.Context(), img, store.Range)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(tr.Path, "var/data"))
	if err != nil {
		t.Fatal(err)
	}
	st := info.Sys().(*syscall.Stat_t)
	if got, want := [2]int{int(st.Uid), int(st.Gid)}, rangetest.Outside(t, 999, 998); got != want {
		t.Errorf("the file belongs to %v, want %v", got, want)
	}
	single := tree(t, s, img, store.Single)
	if single.Path == tr.Path {
		t.Error("both kinds of tree are one")
	}
	if err := tr.Close(); err != nil {
		t.Fatal(err)
	}
	single.Close()

	// A job that was killed leaves files that only the namespace can remove.
	left := filepath.Join(dir, "tmp", "range-left")
	if err := os.Mkdir(left, 0o700); err != nil {
		t.Fatal(err)
	}
	job := unpack.Job{Kind: unpack.Range, Layout: dir, Manifest: img.Digest, Dest: filepath.Join(left, "root")}
	if err := run(t.Context(), job); err != nil {
		t.Fatal(err)
	}

	if err := s.Remove(t.Context(), "a:1"); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() != 0 {
		without := reopen(t, dir, store.Options{})
		if _, err := without.Prune(t.Context()); !errors.Is(err, store.ErrNoRange) {
			t.Errorf("pruning without a namespace: %v, want ErrNoRange", err)
		}
	}
	report, err := s.Prune(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	wantEmptyTemp(t, s)
	if trees, err := os.ReadDir(filepath.Join(dir, "trees")); err != nil || len(trees) != 0 {
		t.Errorf("trees has %v (%v) after %+v, want nothing", trees, err, report)
	}
}

// artifact makes an artifact's manifest and content.
func artifact(t *testing.T, subject v1.Descriptor, text string) (v1.Descriptor, [][]byte) {
	t.Helper()
	const mediaType = "application/vnd.example.v1+json"
	config, content := []byte("{}"), []byte(fmt.Sprintf("%q", text))
	m := v1.Manifest{
		SchemaVersion: 2, MediaType: subject.MediaType, ArtifactType: mediaType, Subject: &subject,
		Config: v1.Descriptor{MediaType: mediaType, Size: int64(len(config)), Digest: Hash(config)},
		Layers: []v1.Descriptor{{MediaType: mediaType, Size: int64(len(content)), Digest: Hash(content)}},
	}
	raw := Marshal(t, m)
	return v1.Descriptor{
		MediaType: subject.MediaType, Size: int64(len(raw)), Digest: Hash(raw), ArtifactType: mediaType,
		Annotations: map[string]string{"org.opencontainers.image.created": "2026-03-01T12:00:00Z"},
	}, [][]byte{config, content, raw}
}

func TestReferrers(t *testing.T) {
	s := open(t)
	src := image(t, "x")
	load(t, s, src, "a:1")
	subject := src.Descriptor.Digest
	if got, err := s.Referrers(subject); err != nil || len(got) != 0 {
		t.Errorf("Referrers = %v, %v, want none", got, err)
	}
	one, oneBlobs := artifact(t, src.Descriptor, "one")
	two, twoBlobs := artifact(t, src.Descriptor, "two")
	for range 2 {
		if err := s.AddReferrer(t.Context(), subject, one, oneBlobs...); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.AddReferrer(t.Context(), subject, two, twoBlobs...); err != nil {
		t.Fatal(err)
	}
	got, err := s.Referrers(subject)
	if err != nil || len(got) != 2 || got[0].Digest != one.Digest || got[1].Digest != two.Digest {
		t.Fatalf("Referrers = %+v, %v, want both in order", got, err)
	}
	if fmt.Sprint(got[0]) != fmt.Sprint(one) {
		t.Errorf("descriptor %+v, want what was added, %+v", got[0], one)
	}
	wantNames(t, s, "a:1 "+short(src))

	other := Hash([]byte("no image"))
	if err := s.AddReferrer(t.Context(), other, one, oneBlobs...); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("an artifact of no image: %v, want ErrNotFound", err)
	}
	three, blobs := artifact(t, src.Descriptor, "three")
	for i, missing := range []string{"content", "manifest"} {
		if err := s.AddReferrer(t.Context(), subject, three, append([][]byte{}, blobs[2-2*i:3-2*i]...)...); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("an artifact without its %s: %v, want ErrNotFound", missing, err)
		}
	}
}

func TestArtifactsOutliveTheirImage(t *testing.T) {
	s := open(t)
	one, two := image(t, "one"), image(t, "two")
	load(t, s, one, "a:latest")
	desc, blobs := artifact(t, one.Descriptor, "approval")
	if err := s.AddReferrer(t.Context(), one.Descriptor.Digest, desc, blobs...); err != nil {
		t.Fatal(err)
	}
	load(t, s, two, "a:latest")
	report, err := s.Prune(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(report.Images) != 1 || report.Images[0] != one.Descriptor.Digest {
		t.Errorf("pruned %v, want the older image", report.Images)
	}
	subjects, err := s.Subjects()
	if err != nil || len(subjects) != 1 || subjects[0] != one.Descriptor.Digest {
		t.Errorf("Subjects = %v, %v, want the older image", subjects, err)
	}
	if got, err := s.ReadBlob(Hash(blobs[1]), 100); err != nil || string(got) != string(blobs[1]) {
		t.Errorf("the artifact's content is %q, %v", got, err)
	}
	// Removed by name, an image takes its artifacts with it.
	desc, blobs = artifact(t, two.Descriptor, "other")
	if err := s.AddReferrer(t.Context(), two.Descriptor.Digest, desc, blobs...); err != nil {
		t.Fatal(err)
	}
	if err := s.Remove(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Referrers(two.Descriptor.Digest); err != nil || len(got) != 0 {
		t.Errorf("Referrers = %v, %v, want none", got, err)
	}
}

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
