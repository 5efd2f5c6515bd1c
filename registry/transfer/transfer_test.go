package transfer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/least-privilege/lpm/registry/artifact"
	"github.com/least-privilege/lpm/registry/reference"
	"github.com/least-privilege/lpm/registry/store"
)

const noteType types.MediaType = "application/vnd.example.note"

// lab has a store, and a layout with an index of two images.
type lab struct {
	store *store.Store
	dir   string
	root  v1.Descriptor
}

func newLab(t *testing.T) *lab {
	t.Helper()
	work := t.TempDir()
	s, err := store.Open(filepath.Join(work, "store"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	l := &lab{store: s, dir: filepath.Join(work, "layout")}
	index, err := random.Index(1<<20, 2, 2)
	if err != nil {
		t.Fatal(err)
	}
	p, err := layout.Write(l.dir, empty.Index)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.AppendIndex(index, layout.WithAnnotations(map[string]string{annotationTag: "1"})); err != nil {
		t.Fatal(err)
	}
	digest, err := index.Digest()
	if err != nil {
		t.Fatal(err)
	}
	l.root = v1.Descriptor{Digest: digest, MediaType: types.OCIImageIndex}
	return l
}

// source opens the lab's layout, or another.
func (l *lab) source(t *testing.T, dir string) (Source, v1.Descriptor) {
	t.Helper()
	opened, err := l.store.OpenLayout(t.Context(), "oci:"+dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { opened.Close() })
	root, err := opened.Image()
	if err != nil {
		t.Fatal(err)
	}
	return Layout{artifact.Layout{Layout: opened}}, root
}

// counting is a registry that counts what is sent to it.
type counting struct {
	http.Handler
	mu   sync.Mutex
	sent []string
}

func (c *counting) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		c.mu.Lock()
		c.sent = append(c.sent, r.Method+" "+r.URL.Path)
		c.mu.Unlock()
	}
	c.Handler.ServeHTTP(w, r)
}

func serve(t *testing.T, referrers bool) (host string, c *counting) {
	t.Helper()
	c = &counting{Handler: registry.New(registry.WithReferrersSupport(referrers), registry.Logger(log.New(io.Discard, "", 0)))}
	server := httptest.NewServer(c)
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://"), c
}

func open(t *testing.T, text string) Registry {
	t.Helper()
	ref, err := reference.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	r, err := OpenRegistry(ref, artifact.RemoteOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// annotate attaches notes to the images of an index in a registry, and one to
// a note, and returns how many.
func annotate(t *testing.T, r Registry, root v1.Hash) int {
	t.Helper()
	raw, err := r.Manifest(t.Context(), root)
	if err != nil {
		t.Fatal(err)
	}
	n, err := parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	note := func(about v1.Hash, text string) v1.Hash {
		d, err := artifact.AttachBlob(t.Context(), r, about, artifact.Document{MediaType: noteType, Content: []byte(text), Created: time.Unix(0, 0)})
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	for i, d := range n.manifests {
		first := note(d.Digest, fmt.Sprintf("note %d", i))
		if i == 0 {
			note(first, "a note on a note")
		}
	}
	return len(n.manifests) + 1
}

// TestEverywhere takes an index of two images through a registry of each kind,
// a folder and a tar, and wants all of it at the end.
func TestEverywhere(t *testing.T) {
	for _, referrers := range []bool{true, false} {
		t.Run(fmt.Sprintf("referrers API %v", referrers), func(t *testing.T) {
			l := newLab(t)
			host, sent := serve(t, referrers)
			from, root := l.source(t, l.dir)
			first := open(t, host+"/first/app:1")
			if _, err := Copy(t.Context(), from, first, root, nil); err != nil {
				t.Fatal(err)
			}
			notes := annotate(t, first, root.Digest)

			work := t.TempDir()
			folder, err := NewFolder(filepath.Join(work, "folder"), Names{Tag: "1"})
			if err != nil {
				t.Fatal(err)
			}
			archive, err := NewArchive(filepath.Join(work, "app.tar"), Names{Tag: "1"})
			if err != nil {
				t.Fatal(err)
			}
			var at Source = first
			var done, total int64
			for _, to := range []struct {
				name   string
				place  Destination
				reopen func() (Source, v1.Descriptor)
			}{
				{"folder", folder, func() (Source, v1.Descriptor) { return l.source(t, filepath.Join(work, "folder")) }},
				{"tar", archive, func() (Source, v1.Descriptor) { return l.source(t, filepath.Join(work, "app.tar")) }},
				{"registry", open(t, host+"/second/app:2"), func() (Source, v1.Descriptor) { return open(t, host+"/second/app:2"), root }},
			} {
				r, err := Copy(t.Context(), at, to.place, root, func(d, t int64) { done, total = d, t })
				if err != nil {
					t.Fatalf("to the %s: %v", to.name, err)
				}
				if r.Digest != root.Digest || r.Images != 2 || r.Referrers != notes {
					t.Errorf("to the %s: %+v", to.name, r)
				}
				if done > total {
					t.Errorf("to the %s: %d of %d bytes", to.name, done, total)
				}
				at, root = to.reopen()
			}
			if err := archive.Close(); err != nil {
				t.Error(err)
			}
			if left, _ := filepath.Glob(filepath.Join(work, ".*")); len(left) > 0 {
				t.Errorf("left: %q", left)
			}

			// Once more: nothing but the tag is sent.
			sent.sent = nil
			if r, err := Copy(t.Context(), at, open(t, host+"/second/app:2"), root, nil); err != nil || r.Written != 0 {
				t.Errorf("again: %+v, %v", r, err)
			}
			if !slices.Equal(sent.sent, []string{"PUT /v2/second/app/manifests/2"}) {
				t.Errorf("sent again: %q", sent.sent)
			}
		})
	}
}

// TestDamage: whatever a byte of a layout becomes, no place ends up with an
// image that has it.
func TestDamage(t *testing.T) {
	l := newLab(t)
	blobs, err := filepath.Glob(filepath.Join(l.dir, "blobs", "sha256", "*"))
	if err != nil || len(blobs) < 7 {
		t.Fatalf("%d blobs, %v", len(blobs), err)
	}
	for _, damage := range []struct {
		name   string
		change func(data []byte) []byte
	}{
		{"changed", func(data []byte) []byte { data[len(data)/2] ^= 1; return data }},
		{"cut short", func(data []byte) []byte { return data[:len(data)-1] }},
		{"longer", func(data []byte) []byte { return append(data, 0) }},
		{"empty", func([]byte) []byte { return nil }},
		{"gone", nil},
	} {
		for i, name := range blobs {
			t.Run(fmt.Sprintf("%s %d", damage.name, i), func(t *testing.T) {
				good, err := os.ReadFile(name)
				if err != nil {
					t.Fatal(err)
				}
				if damage.change == nil {
					err = os.Remove(name)
				} else {
					err = os.WriteFile(name, damage.change(slices.Clone(good)), 0o644)
				}
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() {
					if err := os.WriteFile(name, good, 0o644); err != nil {
						t.Error(err)
					}
				})
				from, root := l.source(t, l.dir)
				dir := filepath.Join(t.TempDir(), "to")
				folder, err := NewFolder(dir, Names{Tag: "1"})
				if err != nil {
					t.Fatal(err)
				}
				host, _ := serve(t, true)
				remote := open(t, host+"/app:1")
				for place, to := range map[string]Destination{"folder": folder, "registry": remote} {
					_, err := Copy(t.Context(), from, to, root, nil)
					if !errors.Is(err, artifact.ErrCorrupt) && !errors.Is(err, artifact.ErrNotFound) {
						t.Errorf("to the %s: %v", place, err)
					}
				}
				if _, err := os.Lstat(filepath.Join(dir, indexFile)); !errors.Is(err, os.ErrNotExist) {
					t.Errorf("the folder has an index: %v", err)
				}
				// Asked by another client: a connection whose upload has failed can
				// give that error to the request that comes next (net/http).
				if _, err := open(t, host+"/app:1").Root(t.Context(), reference.Reference{Tag: "1"}); !errors.Is(err, artifact.ErrNotFound) {
					t.Errorf("the registry has the tag: %v", err)
				}
			})
		}
	}
}

// TestInterrupted: a transfer that is stopped leaves nothing that is taken for
// an image.
func TestInterrupted(t *testing.T) {
	l := newLab(t)
	from, root := l.source(t, l.dir)
	work := t.TempDir()
	archive, err := NewArchive(filepath.Join(work, "app.tar"), Names{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	_, err = Copy(ctx, from, archive, root, func(done, _ int64) {
		if done > 1<<20 {
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error: %v", err)
	}
	if err := archive.Close(); err != nil {
		t.Error(err)
	}
	if left, err := os.ReadDir(work); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

// TestOneLayout: of many that copy into one layout at a time none loses its
// image.
func TestOneLayout(t *testing.T) {
	l := newLab(t)
	dir := filepath.Join(t.TempDir(), "to")
	const writers = 20
	var wg sync.WaitGroup
	for i := range writers {
		from, root := l.source(t, l.dir)
		wg.Go(func() {
			folder, err := NewFolder(dir, Names{Tag: fmt.Sprint(i)})
			if err == nil {
				_, err = Copy(t.Context(), from, folder, root, nil)
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for i := range writers {
		opened, err := l.store.OpenLayout(t.Context(), fmt.Sprintf("oci:%s:%d", dir, i))
		if err != nil {
			t.Fatal(err)
		}
		if d, err := opened.Image(); err != nil || d.Digest != l.root.Digest {
			t.Errorf("%d: %v, %v", i, d.Digest, err)
		}
		if err := opened.Close(); err != nil {
			t.Error(err)
		}
	}
}

// liar is a source that lists and nests what it likes.
type liar struct {
	Source
	manifests map[v1.Hash][]byte
	referrers []v1.Descriptor
}

func (l *liar) add(text string) v1.Hash {
	h, _, err := v1.SHA256(strings.NewReader(text))
	if err != nil {
		panic(err)
	}
	l.manifests[h] = []byte(text)
	return h
}

func (l *liar) Manifest(_ context.Context, h v1.Hash) ([]byte, error) {
	if raw, ok := l.manifests[h]; ok {
		return raw, nil
	}
	return nil, artifact.ErrNotFound
}

func (l *liar) Referrers(context.Context, v1.Hash) ([]v1.Descriptor, error) { return l.referrers, nil }

func TestHostile(t *testing.T) {
	indexOf := func(h v1.Hash) string {
		return fmt.Sprintf(`{"schemaVersion": 2, "mediaType": %q, "manifests": [{"mediaType": %q, "digest": %q, "size": 1}]}`, types.OCIImageIndex, types.OCIImageIndex, h)
	}
	const leaf = `{"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": []}`
	for _, test := range []struct {
		name string
		root func(l *liar) v1.Hash
		want string
	}{
		{"nested too deep", func(l *liar) v1.Hash {
			h := l.add(leaf)
			for range maxDepth + 1 {
				h = l.add(indexOf(h))
			}
			return h
		}, ErrTooDeep.Error()},
		{"a digest that is a path", func(l *liar) v1.Hash {
			return l.add(`{"schemaVersion": 2, "manifests": [{"digest": "sha256:../../../etc/passwd", "size": 1}]}`)
		}, "decoding it"},
		{"a size below zero", func(l *liar) v1.Hash {
			return l.add(strings.Replace(indexOf(l.add(leaf)), `"size": 1`, `"size": -1`, 1))
		}, "cannot be"},
		{"neither image nor index", func(l *liar) v1.Hash {
			return l.add(`{"schemaVersion": 2, "mediaType": "text/html"}`)
		}, "neither"},
		{"no JSON", func(l *liar) v1.Hash { return l.add("<html>") }, "decoding it"},
		{"docker's first schema", func(l *liar) v1.Hash { return l.add(`{"schemaVersion": 1}`) }, "schemaVersion"},
		{"an image without a config", func(l *liar) v1.Hash {
			return l.add(`{"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json"}`)
		}, "no config"},
		{"too many referrers", func(l *liar) v1.Hash {
			l.referrers = make([]v1.Descriptor, artifact.MaxReferrers+1)
			return l.add(leaf)
		}, artifact.ErrTooMany.Error()},
		{"referrers of something else", func(l *liar) v1.Hash {
			l.referrers = []v1.Descriptor{{Digest: l.add(leaf + " ")}, {Digest: v1.Hash{Algorithm: "sha256", Hex: strings.Repeat("0", 64)}}}
			return l.add(leaf)
		}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			folder, err := NewFolder(filepath.Join(t.TempDir(), "to"), Names{})
			if err != nil {
				t.Fatal(err)
			}
			l := &liar{manifests: map[v1.Hash][]byte{}}
			r, err := Copy(t.Context(), l, folder, v1.Descriptor{Digest: test.root(l)}, nil)
			switch {
			case test.want == "":
				if err != nil || r.Referrers != 0 {
					t.Errorf("%+v, %v", r, err)
				}
			case err == nil || !strings.Contains(err.Error(), test.want):
				t.Errorf("error: %v", err)
			}
		})
	}
}

func TestFolderOfSomethingElse(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "thesis.tex"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := NewFolder(dir, Names{}); err == nil || !strings.Contains(err.Error(), "neither empty nor an OCI layout") {
		t.Errorf("error: %v", err)
	}
}

// What a killed process has left of a tar goes when the tar is made again, and
// what another process is making stays.
func TestLeftArchive(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "app.tar")
	folder := func(name string, age time.Duration) string {
		at := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Join(at, "blobs"), 0o700); err != nil {
			t.Fatal(err)
		}
		when := time.Now().Add(-age)
		if err := os.Chtimes(at, when, when); err != nil {
			t.Fatal(err)
		}
		return at
	}
	left := folder(".app.tar.new-1", time.Hour)
	for _, stays := range []string{folder(".app.tar.new-2", 0), folder(".other.tar.new-1", time.Hour), folder("app.tar.d", time.Hour)} {
		defer func() {
			if _, err := os.Stat(stays); err != nil {
				t.Error(err)
			}
		}()
	}
	other, err := NewArchive(path, Names{})
	if err != nil {
		t.Fatal(err)
	}
	when := time.Now().Add(-time.Hour)
	if err := os.Chtimes(other.dir, when, when); err != nil {
		t.Fatal(err)
	}
	a, err := NewArchive(path, Names{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(left); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("what was left is there: %v", err)
	}
	if _, err := os.Stat(other.dir); err != nil {
		t.Errorf("another's: %v", err)
	}
	if err := errors.Join(other.Close(), a.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(a.dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("it is there after Close: %v", err)
	}
}
