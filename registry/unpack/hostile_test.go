package unpack_test

import (
	"archive/tar"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/least-privilege/lpm/registry/unpack"
	. "github.com/least-privilege/lpm/registry/unpack/imagetest"
)

// guarded returns a job whose tree has a file beside it and one above, and a
// check that they are as they were.
func guarded(t *testing.T, img Image) (unpack.Job, func(*testing.T)) {
	t.Helper()
	j := job(t, unpack.Single, img)
	work := filepath.Dir(j.Dest)
	for _, dir := range []string{work, filepath.Dir(work)} {
		if err := os.WriteFile(filepath.Join(dir, "canary"), []byte("alive"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return j, func(t *testing.T) {
		t.Helper()
		for dir, want := range map[string][]string{
			work:               {"canary", "root"},
			filepath.Dir(work): {"canary", "layout", "work"},
		} {
			entries, err := os.ReadDir(dir)
			if err != nil {
				t.Errorf("the folder around the tree: %v", err)
				continue
			}
			for _, e := range entries {
				if !slices.Contains(want, e.Name()) {
					t.Errorf("%q appeared outside the tree", e.Name())
				}
			}
			data, err := os.ReadFile(filepath.Join(dir, "canary"))
			if err != nil || string(data) != "alive" {
				t.Errorf("the file outside the tree holds %q (%v)", data, err)
			}
			if info, err := os.Stat(filepath.Join(dir, "canary")); err == nil && info.Mode().Perm() != 0o600 {
				t.Errorf("the file outside the tree has mode %v", info.Mode())
			}
		}
	}
}

// TestHostileLayersAreRefused has what no honest tool writes.
func TestHostileLayersAreRefused(t *testing.T) {
	typed := func(typeflag byte, name string) Entry {
		return Entry{Header: tar.Header{Typeflag: typeflag, Name: name}}
	}
	for _, test := range []struct {
		name    string
		entries []Entry
	}{
		{"a name that climbs", []Entry{File("../canary", "dead")}},
		{"a name that climbs further", []Entry{File("a/../../../canary", "dead")}},
		{"an absolute name that climbs", []Entry{File("/../canary", "dead")}},
		{"a name that ends in dot-dot", []Entry{Dir("a"), Dir("a/..")}},
		{"a folder that is dot-dot", []Entry{Dir("../")}},
		{"a hard link to the outside", []Entry{Link("a", "../canary")}},
		{"a hard link to the root", []Entry{Link("a", "/")}},
		{"a hard link to nothing", []Entry{Link("a", "")}},
		{"a symbolic link to nothing", []Entry{Symlink("a", "")}},
		{"a whiteout that climbs", []Entry{File("../.wh.canary", "")}},
		{"a whiteout of dot-dot", []Entry{File(".wh...", "")}},
		{"a whiteout of dot-dot in a folder", []Entry{Dir("a"), File("a/.wh...", "")}},
		{"a whiteout of dot", []Entry{File(".wh..", "")}},
		{"a whiteout without a name", []Entry{File("a/.wh.", "")}},
		{"a whiteout of dot-dot that is a folder", []Entry{Dir(".wh.../")}},
		{"the type of continuous files", []Entry{typed(tar.TypeCont, "a")}},
		{"a type nobody knows", []Entry{typed('Z', "a")}},
	} {
		t.Run(test.name, func(t *testing.T) {
			j, check := guarded(t, New(t, Plain(t, test.entries...)))
			err := unpack.Run(t.Context(), j)
			var unsafe *unpack.UnsafeError
			if !errors.As(err, &unsafe) {
				t.Errorf("error %v, want an UnsafeError", err)
			}
			if _, err := os.Lstat(j.Dest); !os.IsNotExist(err) {
				t.Error("the tree was left behind")
			}
			check(t)
		})
	}
}

// TestHostileLayersStayInside has what is allowed, or fails, but must not
// reach what is outside.
func TestHostileLayersStayInside(t *testing.T) {
	for _, test := range []struct {
		name   string
		layers [][]Entry
		// want is a line of the tree, or empty for an error.
		want string
	}{
		{"writing through a relative link", [][]Entry{{Symlink("out", "../.."), File("out/canary", "dead")}}, `canary -rw-r--r-- "dead"`},
		{"writing through an absolute link", [][]Entry{{Symlink("out", "/work"), File("out/canary", "dead")}}, `work/canary -rw-r--r-- "dead"`},
		{"writing through the link of a layer before", [][]Entry{{Symlink("out", "../..")}, {File("out/canary", "dead")}}, `canary -rw-r--r-- "dead"`},
		{"writing through a chain of links", [][]Entry{{Dir("d"), Symlink("d/a", "../b"), Symlink("b", "../../.."), File("d/a/canary", "dead")}}, `canary -rw-r--r-- "dead"`},
		{"a file over a link does not follow it", [][]Entry{{Symlink("f", "../canary"), File("f", "mine")}}, `f -rw-r--r-- "mine"`},
		{"a folder over a link does not follow it", [][]Entry{{Symlink("d", ".."), Dir("d").With(func(h *tar.Header) { h.Mode = 0o777 }), File("d/canary", "x")}}, `d/canary -rw-r--r-- "x"`},
		{"a hard link through a link", [][]Entry{{Symlink("out", "../.."), Link("a", "out/canary")}}, ""},
		{"a hard link to a link that leads out", [][]Entry{{Symlink("s", "../canary"), Link("h", "s")}}, "h -> ../canary"},
		{"writing to a hard link of a link that leads out", [][]Entry{{Symlink("s", "../canary"), Link("h", "s"), File("h", "mine")}}, `h -rw-r--r-- "mine"`},
		{"a hard link to a folder", [][]Entry{{Dir("d"), Link("h", "d")}}, ""},
		{"a hard link to itself", [][]Entry{{File("a", ""), Link("a", "a")}}, ""},
		{"a hard link before its target", [][]Entry{{Link("a", "b"), File("b", "")}}, ""},
		{"a whiteout through a link", [][]Entry{{Symlink("out", "../..")}, {File("out/.wh.canary", "")}}, "out -> ../.."},
		{"an opaque whiteout through a link", [][]Entry{{Symlink("out", "../..")}, {File("out/.wh..wh..opq", "")}}, ". drwxr-xr-x"},
		{"an opaque whiteout of the root", [][]Entry{{File("a", "")}, {File(".wh..wh..opq", ""), File("b", "")}}, `b -rw-r--r-- ""`},
		{"links in a circle", [][]Entry{{Symlink("a", "b"), Symlink("b", "a"), File("a/f", "")}}, ""},
		{"the root replaced by a link", [][]Entry{{Symlink(".", "/etc")}}, ""},
		{"the root replaced by a file", [][]Entry{{File("./", "x").With(func(h *tar.Header) { h.Name = "." })}}, ""},
		{"the mode of a link's target", [][]Entry{{Symlink("s", "../canary").With(func(h *tar.Header) { h.Mode = 0o777 })}}, "s -> ../canary"},
		{"a name that is a terminal's command", [][]Entry{{File("\x1b]0;x\x07", "")}}, "\x1b]0;x\x07 -rw-r--r-- \"\""},
	} {
		t.Run(test.name, func(t *testing.T) {
			var layers []Layer
			for _, entries := range test.layers {
				layers = append(layers, Plain(t, entries...))
			}
			j, check := guarded(t, New(t, layers...))
			err := unpack.Run(t.Context(), j)
			check(t)
			if test.want == "" {
				if err == nil {
					t.Errorf("no error; the tree is %q", list(t, j.Dest))
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := list(t, j.Dest); !slices.Contains(got, test.want) {
				t.Errorf("tree %q lacks %q", got, test.want)
			}
		})
	}
}

// TestWrongBytesAreRefused has blobs that are not what they are said to be.
func TestWrongBytesAreRefused(t *testing.T) {
	layer := func(t *testing.T) Layer {
		return Plain(t, File("a", strings.Repeat("text ", 1000)), File("b", "last"))
	}
	store := func(j unpack.Job, d v1.Descriptor, data []byte) error {
		return os.WriteFile(filepath.Join(j.Layout, "blobs", "sha256", d.Digest.Hex), data, 0o600)
	}
	t.Run("another diff_id", func(t *testing.T) {
		l := Gzip(t, layer(t))
		other := Hash([]byte("other"))
		l.DiffID = &other
		wantMismatch(t, job(t, unpack.Single, New(t, l)), "diff_id")
	})
	t.Run("bytes behind the compressed stream", func(t *testing.T) {
		l := Gzip(t, layer(t))
		img := New(t, l)
		j := job(t, unpack.Single, img)
		if err := store(j, img.Manifest.Layers[0], append(slices.Clone(l.Blob), Gzip(t, Plain(t)).Blob...)); err != nil {
			t.Fatal(err)
		}
		wantMismatch(t, j, "blob")
	})
	t.Run("a changed manifest", func(t *testing.T) {
		img := New(t, layer(t))
		j := job(t, unpack.Single, img)
		if err := store(j, img.Descriptor, Marshal(t, v1.Manifest{})); err != nil {
			t.Fatal(err)
		}
		wantMismatch(t, j, "blob")
	})
	t.Run("a changed config", func(t *testing.T) {
		img := New(t, layer(t))
		j := job(t, unpack.Single, img)
		if err := store(j, img.Manifest.Config, Marshal(t, v1.ConfigFile{})); err != nil {
			t.Fatal(err)
		}
		wantMismatch(t, j, "blob")
	})
	for name, compress := range map[string]func(testing.TB, Layer) Layer{
		"plain": func(_ testing.TB, l Layer) Layer { return l }, "gzip": Gzip, "zstd": Zstd,
	} {
		t.Run("cut short, "+name, func(t *testing.T) {
			l := compress(t, layer(t))
			img := New(t, l)
			for n := 0; n < len(l.Blob); n += max(1, len(l.Blob)/40) {
				j := job(t, unpack.Single, img)
				if err := store(j, img.Manifest.Layers[0], l.Blob[:n]); err != nil {
					t.Fatal(err)
				}
				if err := unpack.Run(t.Context(), j); err == nil {
					t.Errorf("a layer of %d bytes was accepted with %d", len(l.Blob), n)
				}
				if _, err := os.Lstat(j.Dest); !os.IsNotExist(err) {
					t.Errorf("cut at %d, the tree was left behind", n)
				}
			}
		})
	}
	t.Run("a media type nobody knows", func(t *testing.T) {
		l := layer(t)
		l.MediaType = "application/vnd.example.layer"
		if err := unpack.Run(t.Context(), job(t, unpack.Single, New(t, l))); err == nil {
			t.Error("no error")
		}
	})
	t.Run("plain where gzip is promised", func(t *testing.T) {
		l := layer(t)
		l.MediaType = types.OCILayer
		if err := unpack.Run(t.Context(), job(t, unpack.Single, New(t, l))); err == nil {
			t.Error("no error")
		}
	})
}

func wantMismatch(t *testing.T, j unpack.Job, what string) {
	t.Helper()
	err := unpack.Run(t.Context(), j)
	var mismatch *unpack.MismatchError
	if !errors.As(err, &mismatch) || mismatch.What != what {
		t.Errorf("error %v, want a mismatch of the %s", err, what)
	}
	if _, err := os.Lstat(j.Dest); !os.IsNotExist(err) {
		t.Error("the tree was left behind")
	}
}
