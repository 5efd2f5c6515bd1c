// Package imagetest builds small images for tests.
//
// Layers are written entry by entry, with nothing checked, so that a test can
// make hostile ones.
package imagetest

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// Built is the time that images of this package say they were built.
var Built = time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)

// Layer is a layer as it is stored and as its tar stream.
type Layer struct {
	MediaType types.MediaType
	// Blob is what is stored, Tar the same before compression.
	Blob, Tar []byte
	// DiffID overrides the digest of Tar in the config.
	DiffID *v1.Hash
}

// File is a regular file's entry with mode 0644.
func File(name, content string) Entry {
	return Entry{Header: tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644}, Content: content}
}

// Dir is a folder's entry with mode 0755.
func Dir(name string) Entry {
	return Entry{Header: tar.Header{Typeflag: tar.TypeDir, Name: name, Mode: 0o755}}
}

// Symlink is a symbolic link's entry.
func Symlink(name, target string) Entry {
	return Entry{Header: tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: target, Mode: 0o777}}
}

// Link is a hard link's entry.
func Link(name, target string) Entry {
	return Entry{Header: tar.Header{Typeflag: tar.TypeLink, Name: name, Linkname: target, Mode: 0o644}}
}

// Entry is one entry of a layer.
type Entry struct {
	tar.Header
	Content string
}

// With returns the entry changed by f.
func (e Entry) With(f func(*tar.Header)) Entry {
	f(&e.Header)
	return e
}

// Plain is a layer that is not compressed.
func Plain(t testing.TB, entries ...Entry) Layer {
	t.Helper()
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, e := range entries {
		h := e.Header
		h.Size = int64(len(e.Content))
		if h.ModTime.IsZero() && h.Typeflag != tar.TypeXGlobalHeader {
			h.ModTime = Built
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatalf("writing entry %q: %v", e.Name, err)
		}
		if _, err := w.Write([]byte(e.Content)); err != nil {
			t.Fatalf("writing entry %q: %v", e.Name, err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return Layer{MediaType: types.OCIUncompressedLayer, Blob: buf.Bytes(), Tar: buf.Bytes()}
}

// Gzip is l compressed with gzip.
func Gzip(t testing.TB, l Layer) Layer {
	t.Helper()
	var buf bytes.Buffer
	w := gzip.NewWriter(&buf)
	if _, err := w.Write(l.Tar); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return Layer{MediaType: types.OCILayer, Blob: buf.Bytes(), Tar: l.Tar, DiffID: l.DiffID}
}

// Zstd is l compressed with zstd.
func Zstd(t testing.TB, l Layer) Layer {
	t.Helper()
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return Layer{MediaType: types.OCILayerZStd, Blob: w.EncodeAll(l.Tar, nil), Tar: l.Tar, DiffID: l.DiffID}
}

// Image is an image and all its blobs.
type Image struct {
	// Descriptor is that of its manifest.
	Descriptor v1.Descriptor
	Manifest   v1.Manifest
	// Blobs has the manifest, the config and the layers.
	Blobs map[v1.Hash][]byte
}

// New makes an image of the layers, for this machine's architecture.
func New(t testing.TB, layers ...Layer) Image {
	t.Helper()
	return NewFor(t, runtime.GOARCH, v1.Config{Cmd: []string{"/bin/true"}}, layers...)
}

// NewFor makes an image with the architecture and config.
func NewFor(t testing.TB, architecture string, config v1.Config, layers ...Layer) Image {
	t.Helper()
	img := Image{Blobs: map[v1.Hash][]byte{}}
	c := v1.ConfigFile{
		OS: "linux", Architecture: architecture, Created: v1.Time{Time: Built},
		Config: config, RootFS: v1.RootFS{Type: "layers", DiffIDs: []v1.Hash{}},
	}
	img.Manifest = v1.Manifest{SchemaVersion: 2, MediaType: types.OCIManifestSchema1, Layers: []v1.Descriptor{}}
	for _, l := range layers {
		diffID := Hash(l.Tar)
		if l.DiffID != nil {
			diffID = *l.DiffID
		}
		c.RootFS.DiffIDs = append(c.RootFS.DiffIDs, diffID)
		img.Manifest.Layers = append(img.Manifest.Layers, img.put(l.MediaType, l.Blob))
	}
	img.Manifest.Config = img.put(types.OCIConfigJSON, Marshal(t, c))
	img.Descriptor = img.put(types.OCIManifestSchema1, Marshal(t, img.Manifest))
	img.Descriptor.Platform = &v1.Platform{OS: "linux", Architecture: architecture}
	return img
}

func (i Image) put(mediaType types.MediaType, blob []byte) v1.Descriptor {
	h := Hash(blob)
	i.Blobs[h] = blob
	return v1.Descriptor{MediaType: mediaType, Size: int64(len(blob)), Digest: h}
}

// Hash is the SHA-256 digest of data.
func Hash(data []byte) v1.Hash {
	sum := sha256.Sum256(data)
	return v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(sum[:])}
}

// Marshal is v as JSON.
func Marshal(t testing.TB, v any) []byte {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// Named is the image's descriptor with the layout annotation for its name.
func (i Image) Named(name string) v1.Descriptor {
	d := i.Descriptor
	d.Annotations = map[string]string{"org.opencontainers.image.ref.name": name}
	return d
}

// LayoutFiles has the files of an OCI layout with the blobs of all images and
// an index.json of the entries.
func LayoutFiles(t testing.TB, entries []v1.Descriptor, images ...Image) map[string][]byte {
	t.Helper()
	files := map[string][]byte{
		"oci-layout": []byte(`{"imageLayoutVersion":"1.0.0"}`),
		"index.json": Marshal(t, v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex, Manifests: entries}),
	}
	for _, img := range images {
		for h, blob := range img.Blobs {
			files["blobs/"+h.Algorithm+"/"+h.Hex] = blob
		}
	}
	return files
}

// WriteFolder writes the files beneath dir.
func WriteFolder(t testing.TB, dir string, files map[string][]byte) {
	t.Helper()
	for name, data := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// Layout writes an OCI layout with the one image to dir.
func (i Image) Layout(t testing.TB, dir, name string) {
	t.Helper()
	WriteFolder(t, dir, LayoutFiles(t, []v1.Descriptor{i.Named(name)}, i))
}
