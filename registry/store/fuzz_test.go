package store

import (
	"os"
	"path/filepath"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/least-privilege/lpm/registry/unpack/imagetest"
)

// FuzzLoad feeds any bytes as an archive. Whatever they are, the store stays
// sound, and what was refused leaves nothing behind.
func FuzzLoad(f *testing.F) {
	img := imagetest.New(f, imagetest.Gzip(f, imagetest.Plain(f, imagetest.File("a", "1"))))
	var entries []imagetest.Entry
	for name, data := range imagetest.LayoutFiles(f, []v1.Descriptor{img.Named("app:1")}, img) {
		entries = append(entries, imagetest.File(name, string(data)))
	}
	layout := imagetest.Plain(f, entries...)
	f.Add(layout.Tar)
	f.Add(imagetest.Gzip(f, layout).Blob)
	f.Add(imagetest.Plain(f,
		imagetest.File("manifest.json", `[{"Config":"c","RepoTags":["app:1"],"Layers":["l"]}]`),
		imagetest.File("c", string(img.Blobs[img.Manifest.Config.Digest])),
		imagetest.Symlink("l", "m"), imagetest.Link("m", "l"),
	).Tar)
	f.Add([]byte{0x1f, 0x8b})
	f.Fuzz(func(t *testing.T, data []byte) {
		dir := t.TempDir()
		s, err := Open(filepath.Join(dir, "store"), Options{})
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(dir, "image.tar")
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
		images, loadErr := s.Load(t.Context(), file)
		listed, err := s.Images()
		if err != nil {
			t.Error(err)
		}
		if loadErr != nil && len(listed) > 0 || loadErr == nil && len(listed) == 0 {
			t.Errorf("loaded %v, %v, and the store lists %v", images, loadErr, listed)
		}
		if err := s.Verify(t.Context()); err != nil {
			t.Error(err)
		}
		if left, err := os.ReadDir(s.path("tmp")); err != nil || len(left) > 0 {
			t.Errorf("tmp has %v (%v)", left, err)
		}
		if outside, err := os.ReadDir(dir); err != nil || len(outside) != 2 {
			t.Errorf("beside the store there is %v (%v)", outside, err)
		}
	})
}

// FuzzName holds that a name in the store's form stays as it is, and that
// what the store makes of file names are names.
func FuzzName(f *testing.F) {
	for _, seed := range []string{"nginx", "docker.io/library/nginx:1", "a.b:5000/c/d:e", "x@sha256:" + imagetest.Hash(nil).Hex, "My App.tar.gz", "..", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if once, err := localName(s); err == nil {
			if twice, err := localName(once); err != nil || twice != once {
				t.Errorf("%q became %q, then %q, %v", s, once, twice, err)
			}
		}
		if len(s) < 200 {
			if _, err := localName(nameFromFile(s)); err != nil {
				t.Errorf("%q gave %q: %v", s, nameFromFile(s), err)
			}
		}
	})
}
