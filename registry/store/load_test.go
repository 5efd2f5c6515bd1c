package store_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/least-privilege/lpm/registry/store"
	"github.com/least-privilege/lpm/registry/unpack"
	. "github.com/least-privilege/lpm/registry/unpack/imagetest"
)

// dockerFiles is what `docker save` of version 24 and before writes.
func dockerFiles(t *testing.T, img Image, tags ...string) map[string][]byte {
	t.Helper()
	config := img.Blobs[img.Manifest.Config.Digest]
	files := map[string][]byte{"config.json": config}
	layers := []string{}
	for _, l := range img.Manifest.Layers {
		name := l.Digest.Hex + "/layer.tar"
		files[name] = img.Blobs[l.Digest]
		layers = append(layers, name)
	}
	files["manifest.json"] = Marshal(t, []map[string]any{{"Config": "config.json", "RepoTags": tags, "Layers": layers}})
	return files
}

func otherArch() string {
	if runtime.GOARCH == "arm64" {
		return "amd64"
	}
	return "arm64"
}

// indexOf puts an index of the images into one of them, as another blob.
func indexOf(t *testing.T, images ...Image) (Image, v1.Descriptor) {
	t.Helper()
	index := v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex}
	for _, i := range images {
		index.Manifests = append(index.Manifests, i.Descriptor)
	}
	raw := Marshal(t, index)
	top := Image{Blobs: map[v1.Hash][]byte{Hash(raw): raw}}
	top.Descriptor = v1.Descriptor{MediaType: types.OCIImageIndex, Size: int64(len(raw)), Digest: Hash(raw)}
	return top, top.Named("app:multi")
}

func TestLoad(t *testing.T) {
	img, other := image(t, "one"), image(t, "two")
	plain := New(t, Plain(t, File("a", "1")), Plain(t, File("b", "2")))
	foreign := NewFor(t, otherArch(), v1.Config{}, Plain(t, File("a", "foreign")))
	attestation := foreign
	attestation.Descriptor.Platform = &v1.Platform{OS: "unknown", Architecture: "unknown"}
	multi, multiEntry := indexOf(t, attestation, foreign, img)

	layout := LayoutFiles(t, []v1.Descriptor{img.Named("app:1")}, img)
	docker := dockerFiles(t, plain, "app:1", "example.org/app:1")
	both := dockerFiles(t, img, "ignored:1")
	for name, data := range layout {
		both[name] = data
	}
	containerd := img.Named("1")
	containerd.Annotations["io.containerd.image.name"] = "docker.io/library/app:1"

	for _, test := range []struct {
		name   string
		files  map[string][]byte
		source func(dir string, pack func(name string, compress bool) string) string
		want   []string // name and, unless the loader makes it, digest
	}{
		{"an OCI folder", layout, func(dir string, _ func(string, bool) string) string { return "oci:" + dir }, []string{"app:1 " + short(img)}},
		{"an OCI folder by its path", layout, func(dir string, _ func(string, bool) string) string { return dir }, []string{"app:1 " + short(img)}},
		{"an OCI folder and a tag", LayoutFiles(t, []v1.Descriptor{img.Named("1"), other.Named("2")}, img, other),
			func(dir string, _ func(string, bool) string) string { return "oci:" + dir + ":2" }, []string{"my-app:2 " + short(other)}},
		{"all images of a folder", LayoutFiles(t, []v1.Descriptor{img.Named("1"), other.Named("x:2")}, img, other),
			func(dir string, _ func(string, bool) string) string { return "oci:" + dir }, []string{"my-app:1 " + short(img), "x:2 " + short(other)}},
		{"an image without a name", LayoutFiles(t, []v1.Descriptor{img.Descriptor}, img),
			func(dir string, _ func(string, bool) string) string { return dir }, []string{"my-app:latest " + short(img)}},
		{"containerd's full name", LayoutFiles(t, []v1.Descriptor{containerd}, img),
			func(dir string, _ func(string, bool) string) string { return dir }, []string{"app:1 " + short(img)}},
		{"an OCI tar", layout, func(_ string, pack func(string, bool) string) string { return pack("x.tar", false) }, []string{"app:1 " + short(img)}},
		{"an OCI tar with gzip", layout, func(_ string, pack func(string, bool) string) string { return "oci:" + pack("x.tar.gz", true) }, []string{"app:1 " + short(img)}},
		{"an OCI tar that names no image", LayoutFiles(t, []v1.Descriptor{img.Descriptor}, img),
			func(_ string, pack func(string, bool) string) string { return pack("Web_1.tar.gz", true) }, []string{"web_1:latest " + short(img)}},
		{"an index of platforms", LayoutFiles(t, []v1.Descriptor{multiEntry}, multi, foreign, img),
			func(dir string, _ func(string, bool) string) string { return dir }, []string{"app:multi " + short(img)}},
		{"platforms side by side", LayoutFiles(t, []v1.Descriptor{foreign.Named("app:side"), img.Named("app:side")}, foreign, img),
			func(dir string, _ func(string, bool) string) string { return dir }, []string{"app:side " + short(img)}},
		{"an image for another machine", LayoutFiles(t, []v1.Descriptor{foreign.Named("app:1")}, foreign),
			func(dir string, _ func(string, bool) string) string { return dir }, []string{"app:1 " + short(foreign)}},
		{"a docker archive", docker, func(_ string, pack func(string, bool) string) string { return "docker-archive:" + pack("x.tar", false) }, []string{"app:1", "example.org/app:1"}},
		{"a docker archive by its path", docker, func(_ string, pack func(string, bool) string) string { return pack("x.tar", false) }, []string{"app:1", "example.org/app:1"}},
		{"a docker archive with gzip", docker, func(_ string, pack func(string, bool) string) string { return pack("x.tgz", true) }, []string{"app:1", "example.org/app:1"}},
		{"a docker archive without tags", dockerFiles(t, plain), func(_ string, pack func(string, bool) string) string { return pack("my.app.tar", false) }, []string{"my.app:latest"}},
		{"a docker archive of compressed layers", dockerFiles(t, img, "app:1"), func(_ string, pack func(string, bool) string) string { return pack("x.tar", false) }, []string{"app:1"}},
		{"both in one, as docker 25 writes", both, func(_ string, pack func(string, bool) string) string { return "docker-archive:" + pack("x.tar", false) }, []string{"app:1 " + short(img)}},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := open(t)
			dir := filepath.Join(t.TempDir(), "My App")
			WriteFolder(t, dir, test.files)
			source := test.source(dir, func(name string, compress bool) string {
				data := tarOf(t, test.files)
				if compress {
					data = gzipped(t, data)
				}
				return write(t, filepath.Join(t.TempDir(), name), data)
			})
			images, err := s.Load(t.Context(), source)
			if err != nil {
				t.Fatal(err)
			}
			if len(images) != len(test.want) {
				t.Fatalf("loaded %d images, want %d", len(images), len(test.want))
			}
			for i, line := range names(t, s) {
				if !strings.HasPrefix(line, test.want[i]) {
					t.Errorf("the store has %q, want %q", line, test.want[i])
				}
			}
			if err := s.Verify(t.Context()); err != nil {
				t.Error(err)
			}
			wantEmptyTemp(t, s)
			for _, img := range images {
				tree, err := s.Tree(t.Context(), img, store.Single)
				if err != nil {
					t.Fatal(err)
				}
				if err := tree.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

func wantEmptyTemp(t *testing.T, s *store.Store) {
	t.Helper()
	left, err := os.ReadDir(filepath.Join(s.Dir(), "tmp"))
	if err != nil || len(left) > 0 {
		t.Errorf("tmp has %v (%v), want nothing", left, err)
	}
}

// TestDockerDigestIsStable has the digest of an image made from an archive:
// it must not change from one load, or one lpm, to the next, since approvals
// are bound to it.
func TestDockerDigestIsStable(t *testing.T) {
	plain := Plain(t, File("a", "1"))
	img := NewFor(t, "amd64", v1.Config{}, plain)
	s := open(t)
	files := dockerFiles(t, img, "app:1")
	got, err := s.Load(t.Context(), write(t, filepath.Join(t.TempDir(), "x.tar"), tarOf(t, files)))
	if err != nil {
		t.Fatal(err)
	}
	m, err := s.Manifest(got[0])
	if err != nil {
		t.Fatal(err)
	}
	if m.Layers[0].Digest != Hash(plain.Tar) {
		t.Errorf("the layer %s is not the archive's own", m.Layers[0].Digest)
	}
	const want = "sha256:3c3226c3e1a17a68a3b7a1477c208019d3e7bddb5a623e291ea0a2f525315f23"
	if got[0].Digest.String() != want {
		t.Errorf("digest %s, want %s", got[0].Digest, want)
	}
}

func TestOldDockerLinksLayers(t *testing.T) {
	img := New(t, Plain(t, File("a", "1")))
	files := dockerFiles(t, img, "app:1")
	real := img.Manifest.Layers[0].Digest.Hex + "/layer.tar"
	entries := []Entry{File("abc/real.tar", string(files[real])), dockerLink(real, "../abc/real.tar")}
	for _, name := range []string{"config.json", "manifest.json"} {
		entries = append(entries, File(name, string(files[name])))
	}
	s := open(t)
	if _, err := s.Load(t.Context(), write(t, filepath.Join(t.TempDir(), "x.tar"), Plain(t, entries...).Tar)); err != nil {
		t.Fatal(err)
	}
	if err := s.Verify(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestLoadRefuses has sources that are wrong; the store stays as it was.
func TestLoadRefuses(t *testing.T) {
	img := image(t, "one")
	foreign := NewFor(t, otherArch(), v1.Config{}, Plain(t))
	multi, multiEntry := indexOf(t, foreign)
	artifact := img
	artifact.Manifest.Config.MediaType = "application/vnd.example+json"
	raw := Marshal(t, artifact.Manifest)
	escape := NewFor(t, "amd64\x1b[2J", v1.Config{}, Plain(t))
	artifact.Blobs = map[v1.Hash][]byte{Hash(raw): raw}
	artifact.Descriptor = v1.Descriptor{MediaType: types.OCIManifestSchema1, Size: int64(len(raw)), Digest: Hash(raw)}

	layout := func(change func(map[string][]byte)) map[string][]byte {
		files := LayoutFiles(t, []v1.Descriptor{img.Named("app:1")}, img)
		change(files)
		return files
	}
	blob := func(d v1.Descriptor) string { return "blobs/sha256/" + d.Digest.Hex }
	docker := func(change func(map[string][]byte)) map[string][]byte {
		files := dockerFiles(t, img, "app:1")
		change(files)
		return files
	}
	layerFile := img.Manifest.Layers[0].Digest.Hex + "/layer.tar"
	plain := New(t, Plain(t, File("a", "1")))
	swapped := dockerFiles(t, plain, "app:1")
	swapped[plain.Manifest.Layers[0].Digest.Hex+"/layer.tar"] = Plain(t, File("a", "evil")).Tar

	var format *store.FormatError
	var platform *store.PlatformError
	var mismatch *unpack.MismatchError
	for _, test := range []struct {
		name   string
		files  map[string][]byte
		prefix string
		suffix string
		as     any
	}{
		{"nothing in it", map[string][]byte{"x": nil}, "", "", &format},
		{"no layout", docker(func(map[string][]byte) {}), "oci:", "", &format},
		{"no archive", layout(func(map[string][]byte) {}), "docker-archive:", "", &format},
		{"no such tag", layout(func(map[string][]byte) {}), "oci:", ":2", &format},
		{"an index that is no JSON", layout(func(f map[string][]byte) { f["index.json"] = []byte("{") }), "", "", &format},
		{"a layout of a version to come", layout(func(f map[string][]byte) { f["oci-layout"] = []byte(`{"imageLayoutVersion":"2.0.0"}`) }), "", "", &format},
		{"a layout without its mark", layout(func(f map[string][]byte) { delete(f, "oci-layout") }), "", "", &format},
		{"an empty index", layout(func(f map[string][]byte) { f["index.json"] = []byte("{}") }), "", "", &format},
		{"no manifest", layout(func(f map[string][]byte) { delete(f, blob(img.Descriptor)) }), "", "", &format},
		{"no config", layout(func(f map[string][]byte) { delete(f, blob(img.Manifest.Config)) }), "", "", &format},
		{"no layer", layout(func(f map[string][]byte) { delete(f, blob(img.Manifest.Layers[0])) }), "", "", &format},
		{"a changed manifest", layout(func(f map[string][]byte) { f[blob(img.Descriptor)] = []byte("{}") }), "", "", &mismatch},
		{"a changed layer", layout(func(f map[string][]byte) {
			b := slices.Clone(f[blob(img.Manifest.Layers[0])])
			b[len(b)/2] ^= 1
			f[blob(img.Manifest.Layers[0])] = b
		}), "", "", &mismatch},
		{"a layer cut short", layout(func(f map[string][]byte) {
			b := f[blob(img.Manifest.Layers[0])]
			f[blob(img.Manifest.Layers[0])] = b[:len(b)-1]
		}), "", "", &format},
		{"a layer too long", layout(func(f map[string][]byte) {
			f[blob(img.Manifest.Layers[0])] = append(slices.Clone(f[blob(img.Manifest.Layers[0])]), 0)
		}), "", "", &format},
		{"only other machines", LayoutFiles(t, []v1.Descriptor{multiEntry}, multi, foreign), "", "", &platform},
		{"an architecture that is a terminal's command", LayoutFiles(t, []v1.Descriptor{escape.Named("app:1")}, escape), "", "", &format},
		{"an artifact", LayoutFiles(t, []v1.Descriptor{artifact.Named("app:1")}, artifact, img), "", "", &format},
		{"a docker archive without its layer", docker(func(f map[string][]byte) { delete(f, layerFile) }), "", "", &format},
		{"a docker archive without its config", docker(func(f map[string][]byte) { delete(f, "config.json") }), "", "", &format},
		{"a docker archive whose list is no list", docker(func(f map[string][]byte) { f["manifest.json"] = []byte("{}") }), "", "", &format},
		{"a docker archive of another layer", swapped, "", "", &mismatch},
		{"a docker archive with a wrong tag", dockerFiles(t, img, "Not A Tag"), "", "", &format},
	} {
		for _, packed := range []bool{false, true} {
			name := test.name + ", folder"
			if packed {
				name = test.name + ", tar"
			}
			t.Run(name, func(t *testing.T) {
				s := open(t)
				before := names(t, s)
				source := filepath.Join(t.TempDir(), "source")
				if packed {
					write(t, source, tarOf(t, test.files))
				} else {
					WriteFolder(t, source, test.files)
				}
				_, err := s.Load(t.Context(), test.prefix+source+test.suffix)
				if err == nil || !errors.As(err, test.as) {
					t.Errorf("error %v, want a %T", err, test.as)
				}
				wantNames(t, s, before...)
				wantEmptyTemp(t, s)
			})
		}
	}
}

func TestLoadRefusesWhatIsCutShort(t *testing.T) {
	img := New(t, Plain(t, File("a", strings.Repeat("text", 500))))
	whole := tarOf(t, LayoutFiles(t, []v1.Descriptor{img.Named("app:1")}, img))
	dir := t.TempDir()
	s := open(t)
	// The two blocks of zeros at the end may be missing, tools disagree, and
	// in the block before them the last file may be whole already.
	end := len(whole) - 3*512
	for n := 0; n < end; n += 511 {
		_, err := s.Load(t.Context(), write(t, filepath.Join(dir, "x.tar"), whole[:n]))
		var format *store.FormatError
		if !errors.As(err, &format) {
			t.Fatalf("cut at %d of %d: error %v, want a FormatError", n, len(whole), err)
		}
	}
	packed := gzipped(t, whole)
	for n := 0; n < len(packed)/2; n += 97 {
		if _, err := s.Load(t.Context(), write(t, filepath.Join(dir, "x.tar"), packed[:n])); err == nil {
			t.Fatalf("gzip cut at %d of %d: no error", n, len(packed))
		}
	}
	wantNames(t, s)
	wantEmptyTemp(t, s)
	if _, err := s.Load(t.Context(), write(t, filepath.Join(dir, "x.tar"), whole)); err != nil {
		t.Error(err)
	}
}

func TestLoadOfNothing(t *testing.T) {
	if _, err := open(t).Load(t.Context(), "/does/not/exist"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error %v, want os.ErrNotExist", err)
	}
}

func TestLoadStopsWithContext(t *testing.T) {
	s := open(t)
	dir := filepath.Join(t.TempDir(), "x")
	image(t, "one").Layout(t, dir, "app:1")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Load(ctx, dir); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want the context's", err)
	}
	wantNames(t, s)
}
