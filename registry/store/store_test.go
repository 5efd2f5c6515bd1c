package store_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/klauspost/compress/gzip"

	"github.com/least-privilege/lpm/registry/store"
	. "github.com/least-privilege/lpm/registry/unpack/imagetest"
)

// open makes an empty store.
func open(t *testing.T) *store.Store {
	t.Helper()
	return reopen(t, filepath.Join(t.TempDir(), "store"), store.Options{})
}

func reopen(t *testing.T, dir string, o store.Options) *store.Store {
	t.Helper()
	s, err := store.Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// image is a small image whose content is text.
func image(t testing.TB, text string) Image {
	t.Helper()
	return New(t, Gzip(t, Plain(t, Dir("etc"), File("etc/motd", text))))
}

// load puts the image into the store under the name.
func load(t *testing.T, s *store.Store, img Image, name string) store.Image {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "layout")
	img.Layout(t, dir, name)
	images, err := s.Load(t.Context(), "oci:"+dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(images) != 1 {
		t.Fatalf("loaded %d images, want 1", len(images))
	}
	return images[0]
}

// tarOf is the files as a tar, in the order of their names.
func tarOf(t testing.TB, files map[string][]byte) []byte {
	t.Helper()
	var names []string
	for name := range files {
		names = append(names, name)
	}
	slices.Sort(names)
	var entries []Entry
	for _, name := range names {
		entries = append(entries, File(name, string(files[name])))
	}
	return Plain(t, entries...).Tar
}

func write(t *testing.T, path string, data []byte) string {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func gzipped(t *testing.T, data []byte) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := gzip.NewWriter(&buf)
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// names lists the store's images as "name digest".
func names(t *testing.T, s *store.Store) []string {
	t.Helper()
	images, err := s.Images()
	if err != nil {
		t.Fatal(err)
	}
	list := []string{}
	for _, i := range images {
		list = append(list, i.Name+" "+i.Digest.Hex[:12])
	}
	return list
}

func wantNames(t *testing.T, s *store.Store, want ...string) {
	t.Helper()
	if got := names(t, s); !slices.Equal(got, want) {
		t.Errorf("the store has %q, want %q", got, want)
	}
}

func short(img Image) string { return img.Descriptor.Digest.Hex[:12] }

func TestOpenMakesALayout(t *testing.T) {
	s := open(t)
	info, err := os.Stat(s.Dir())
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the store's folder has mode %v (%v), want 0700", info.Mode(), err)
	}
	for _, name := range []string{"oci-layout", "index.json", "blobs/sha256"} {
		if _, err := os.Stat(filepath.Join(s.Dir(), name)); err != nil {
			t.Error(err)
		}
	}
	load(t, s, image(t, "a"), "a:1")
	again := reopen(t, s.Dir(), store.Options{})
	wantNames(t, again, names(t, s)...)
}

func TestOpenRefusesWhatOthersCanChange(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	var ownership *store.OwnershipError
	if _, err := store.Open(dir, store.Options{}); !errors.As(err, &ownership) {
		t.Errorf("error %v, want an OwnershipError", err)
	}
	if os.Geteuid() != 0 {
		return
	}
	dir = filepath.Join(t.TempDir(), "theirs")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(dir, 1000, 1000); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Open(dir, store.Options{}); !errors.As(err, &ownership) {
		t.Errorf("error %v, want an OwnershipError", err)
	}
}

func TestImageDescription(t *testing.T) {
	s := open(t)
	src := image(t, "text")
	got := load(t, s, src, "example.org/app:1")
	want := store.Image{
		Name: "example.org/app:1", Digest: src.Descriptor.Digest, Size: src.Manifest.Layers[0].Size,
		Created: Built, Architecture: got.Architecture,
	}
	if got != want {
		t.Errorf("image %+v, want %+v", got, want)
	}
	c, err := s.Config(got)
	if err != nil || !slices.Equal(c.Config.Cmd, []string{"/bin/true"}) {
		t.Errorf("config %+v, %v", c, err)
	}
	d, err := s.Descriptor(got)
	if err != nil || d.Digest != src.Descriptor.Digest || d.Size != src.Descriptor.Size || d.MediaType != src.Descriptor.MediaType {
		t.Errorf("descriptor %+v, %v, want that of the source", d, err)
	}
}

func TestResolve(t *testing.T) {
	s := open(t)
	one, two := image(t, "one"), image(t, "two")
	load(t, s, one, "nginx:1")
	load(t, s, one, "example.org/team/app:latest")
	load(t, s, two, "nginx:latest")
	digest := one.Descriptor.Digest.String()
	for _, test := range []struct {
		ref  string
		want string // name, or empty for not found
	}{
		{"nginx:1", "nginx:1"},
		{"nginx", "nginx:latest"},
		{"docker.io/library/nginx:1", "nginx:1"},
		{"index.docker.io/library/nginx", "nginx:latest"},
		{"example.org/team/app", "example.org/team/app:latest"},
		{"nginx@" + digest, "nginx:1"},
		{"nginx:whatever@" + digest, "nginx:1"},
		{"example.org/team/app@" + digest, "example.org/team/app:latest"},
		{digest, "nginx:1"},
		{digest[:20], "nginx:1"},
		{short(one), "nginx:1"},
		{short(two), "nginx:latest"},
		{short(one)[:11], ""},
		{"nginx:2", ""},
		{"app", ""},
		{"redis@" + digest, ""},
		{"nginx@" + Hash(nil).String(), ""},
		{Hash(nil).String(), ""},
		{"", ""},
		{"Not A Name", ""},
		{"../../etc", ""},
	} {
		t.Run(test.ref, func(t *testing.T) {
			img, err := s.Resolve(test.ref)
			if test.want == "" {
				var hint interface{ Hint() string }
				if !errors.Is(err, store.ErrNotFound) || !errors.As(err, &hint) {
					t.Errorf("found %+v, %v, want ErrNotFound with a hint", img, err)
				}
				return
			}
			if err != nil || img.Name != test.want {
				t.Errorf("found %q, %v, want %q", img.Name, err, test.want)
			}
		})
	}
}

func TestNamesMove(t *testing.T) {
	s := open(t)
	one, two := image(t, "one"), image(t, "two")
	load(t, s, one, "app:latest")
	load(t, s, two, "app:latest")
	wantNames(t, s, "app:latest "+short(two), " "+short(one))
	if img, err := s.Resolve(short(one)); err != nil || img.Name != "" {
		t.Errorf("the older image resolves to %+v, %v", img, err)
	}
	load(t, s, one, "app:latest")
	wantNames(t, s, "app:latest "+short(one), " "+short(two))
	load(t, s, two, "app:2")
	wantNames(t, s, "app:2 "+short(two), "app:latest "+short(one))
}

func TestRemove(t *testing.T) {
	s := open(t)
	one, two := image(t, "one"), image(t, "two")
	load(t, s, one, "a:1")
	load(t, s, one, "b:1")
	load(t, s, two, "c:1")
	if err := s.Remove(t.Context(), "a:1"); err != nil {
		t.Fatal(err)
	}
	wantNames(t, s, "b:1 "+short(one), "c:1 "+short(two))
	if err := s.Remove(t.Context(), "a:1"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("removing it again: %v, want ErrNotFound", err)
	}
	load(t, s, one, "a:1")
	if err := s.Remove(t.Context(), one.Descriptor.Digest.String()); err != nil {
		t.Fatal(err)
	}
	wantNames(t, s, "c:1 "+short(two))
}

func TestBlobsAreVerified(t *testing.T) {
	s := open(t)
	h, err := s.PutBlob(t.Context(), []byte("content"))
	if err != nil || h != Hash([]byte("content")) {
		t.Fatalf("PutBlob = %v, %v", h, err)
	}
	read := func() (string, error) {
		r, err := s.Blob(h)
		if err != nil {
			return "", err
		}
		defer r.Close()
		data, err := io.ReadAll(r)
		return string(data), err
	}
	if got, err := read(); got != "content" || err != nil {
		t.Errorf("Blob = %q, %v", got, err)
	}
	if _, err := s.ReadBlob(h, 6); err == nil {
		t.Error("a blob of 7 bytes was read with a limit of 6")
	}
	path := filepath.Join(s.Dir(), "blobs", "sha256", h.Hex)
	write(t, path, []byte("changed"))
	if _, err := read(); err == nil {
		t.Error("a changed blob was read without an error")
	}
	if _, err := s.PutBlob(t.Context(), []byte("content")); err != nil {
		t.Fatal(err)
	}
	if got, err := read(); got != "content" || err != nil {
		t.Errorf("after storing it again, Blob = %q, %v", got, err)
	}
	for _, h := range []v1.Hash{Hash([]byte("none")), {Algorithm: "sha256", Hex: "../../index.json"}, {}} {
		if _, err := s.Blob(h); err == nil {
			t.Errorf("Blob(%v) succeeded", h)
		}
	}
}

func TestVerifyAndRepair(t *testing.T) {
	s := open(t)
	src := image(t, "text")
	load(t, s, src, "a:1")
	if err := s.Verify(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, d := range []v1.Descriptor{src.Manifest.Layers[0], src.Manifest.Config, src.Descriptor} {
		path := filepath.Join(s.Dir(), "blobs", "sha256", d.Digest.Hex)
		write(t, path, bytes.Repeat([]byte("x"), int(d.Size)))
		var damaged *store.DamagedError
		if err := s.Verify(t.Context()); !errors.As(err, &damaged) || damaged.Ref != "a:1" {
			t.Errorf("error %v, want damage to a:1", err)
		}
		load(t, s, src, "a:1")
		if err := s.Verify(t.Context()); err != nil {
			t.Errorf("after loading it again: %v", err)
		}
	}
}

func TestFolders(t *testing.T) {
	s := open(t)
	hex := strings.Repeat("a", 64)
	for _, test := range []struct {
		name string
		make func() (string, error)
		want string // below the store, or empty for an error
	}{
		{"volume", func() (string, error) { return s.VolumeDir("redis", "data") }, "volumes/redis/data"},
		{"volume of a long name", func() (string, error) { return s.VolumeDir("example.org:5000/team/app", "var-lib") }, "volumes/example.org:5000%2Fteam%2Fapp/var-lib"},
		{"volume that climbs", func() (string, error) { return s.VolumeDir("redis", "../x") }, ""},
		{"volume that is dot-dot", func() (string, error) { return s.VolumeDir("redis", "..") }, ""},
		{"volume without a name", func() (string, error) { return s.VolumeDir("redis", "") }, ""},
		{"repository that climbs", func() (string, error) { return s.VolumeDir("..", "x") }, ""},
		{"no repository", func() (string, error) { return s.VolumeDir("", "x") }, ""},
		{"prepared", func() (string, error) { return s.PreparedDir(hex + "-range-1") }, "prepared/" + hex + "-range-1"},
		{"prepared for no image", func() (string, error) { return s.PreparedDir("x") }, ""},
		{"prepared that climbs", func() (string, error) { return s.PreparedDir(hex + "-/../..") }, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := test.make()
			if test.want == "" {
				if err == nil {
					t.Errorf("made %q, want an error", got)
				}
				return
			}
			if want := filepath.Join(s.Dir(), test.want); got != want || err != nil {
				t.Fatalf("made %q, %v, want %q", got, err, want)
			}
			if info, err := os.Stat(got); err != nil || info.Mode().Perm() != 0o700 {
				t.Errorf("folder: %v, %v, want mode 0700", info, err)
			}
		})
	}
}

// dockerLink is an entry of an archive that stands for another.
func dockerLink(name, target string) Entry {
	return Entry{Header: tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: target}}
}
