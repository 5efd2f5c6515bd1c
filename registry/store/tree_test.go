package store_test

import (
	"archive/tar"
	"context"
	"errors"
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

// TestHalfMade looks at the temporary files while a tree is made elsewhere: what
// is left when lpm is killed then has to be in the tree's own folder, which the
// next to make the tree removes.
func TestHalfMade(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	var during []string
	run := func(_ context.Context, job unpack.Job) error {
		if job.ProgressFile == "" {
			t.Error("the job has no file for its progress")
		}
		entries, err := os.ReadDir(filepath.Join(dir, "tmp"))
		for _, e := range entries {
			during = append(during, e.Name())
		}
		return errors.Join(err, errors.New("cut short"))
	}
	s := reopen(t, dir, store.Options{RangeUnpack: run})
	img := load(t, s, image(t, "hello"), "a:1")
	if _, err := s.TreeWith(t.Context(), img, store.Range, func(int64, int64) {}); err == nil {
		t.Fatal("a tree without a root")
	}
	if len(during) != 1 || !strings.HasPrefix(during[0], "range-"+img.Digest.Hex) {
		t.Errorf("while the tree was made tmp had %q, want one folder of the tree", during)
	}
	wantEmptyTemp(t, s)
}

func TestRangeTree(t *testing.T) {
	run := rangetest.Runner(t)
	dir := filepath.Join(t.TempDir(), "store")
	s := reopen(t, dir, store.Options{RangeUnpack: run})
	owned := File("var/data", "x").With(func(h *tar.Header) { h.Uid, h.Gid, h.Mode = 999, 998, 0o600 })
	private := Dir("private").With(func(h *tar.Header) { h.Uid, h.Gid, h.Mode = 999, 998, 0o700 })
	img := load(t, s, New(t, Gzip(t, Plain(t, owned, private, File("private/f", "")))), "a:1")
	var done, total int64
	tr, err := s.TreeWith(t.Context(), img, store.Range, func(d, n int64) { done, total = d, n })
	if err != nil {
		t.Fatal(err)
	}
	if done != total || total != img.Size {
		t.Errorf("the progress ends at %d of %d, want %d", done, total, img.Size)
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
