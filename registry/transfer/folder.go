package transfer

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/registry/artifact"
)

// Names is what the root of an image is called in a layout.
type Names struct {
	// Tag goes into the annotation org.opencontainers.image.ref.name.
	Tag string
	// Full is the image's whole name with its registry and tag, in the
	// annotation that containerd and docker use; empty for none.
	Full string
}

// The annotations of index.json, by the OCI image specification 1.1
// ("Pre-Defined Annotation Keys") and containerd.
const (
	annotationTag  = "org.opencontainers.image.ref.name"
	annotationFull = "io.containerd.image.name"
)

// NamesOf returns the names that a descriptor of an index.json has.
func NamesOf(d v1.Descriptor) Names {
	return Names{Tag: d.Annotations[annotationTag], Full: d.Annotations[annotationFull]}
}

// Folder is an OCI image layout in a folder, as a destination. Blobs are
// written beside and renamed; index.json is replaced at the end, with the root
// and its referrers, so that readers find all of an image or nothing.
type Folder struct {
	dir   string
	names Names

	mu sync.Mutex
	// listed are the referrers that go into index.json.
	listed []v1.Descriptor
}

// NewFolder returns the layout in a folder, which is made if it is missing. One
// that has other things in it is refused.
func NewFolder(dir string, names Names) (*Folder, error) {
	f := &Folder{dir: dir, names: names}
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("opening the layout: %w", err)
	}
	begun := slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return e.Name() == layoutFile })
	if !begun && slices.ContainsFunc(entries, isForeign) {
		return nil, fmt.Errorf("%s is neither empty nor an OCI layout", dir)
	}
	if err := os.MkdirAll(filepath.Join(dir, blobsFolder, "sha256"), 0o755); err != nil {
		return nil, fmt.Errorf("making the layout: %w", err)
	}
	if !begun {
		if err := f.replace(layoutFile, []byte(`{"imageLayoutVersion": "1.0.0"}`)); err != nil {
			return nil, err
		}
	}
	return f, nil
}

const (
	layoutFile  = "oci-layout"
	indexFile   = "index.json"
	blobsFolder = "blobs"
	// newPrefix begins the names of files that are being written.
	newPrefix = ".new-"
)

// isForeign reports whether a folder's entry is of no layout, not even of one
// that another transfer is beginning.
func isForeign(e fs.DirEntry) bool {
	switch e.Name() {
	case layoutFile, indexFile, blobsFolder:
		return false
	}
	return !strings.HasPrefix(e.Name(), newPrefix)
}

func (f *Folder) blob(h v1.Hash) string { return filepath.Join(f.dir, blobsFolder, h.Algorithm, h.Hex) }

// Has implements [Destination]. A layout that another tool has left can lack
// what its manifests name, so that the answer is always no.
func (f *Folder) Has(context.Context, v1.Descriptor) (bool, error) { return false, nil }

// WriteLayer implements [Destination]. A blob that is there and whole stays.
func (f *Folder) WriteLayer(ctx context.Context, layer v1.Layer) error {
	digest, err := layer.Digest()
	if err != nil {
		return err
	}
	if f.whole(ctx, digest) {
		return nil
	}
	r, err := layer.Compressed()
	if err != nil {
		return err
	}
	defer r.Close()
	temp, err := os.CreateTemp(filepath.Dir(f.blob(digest)), newPrefix)
	if err != nil {
		return err
	}
	defer os.Remove(temp.Name()) // it is gone once it was renamed
	sum := sha256.New()
	_, err = io.Copy(io.MultiWriter(temp, sum), ended{ctx, r})
	if got := hex.EncodeToString(sum.Sum(nil)); err == nil && got != digest.Hex {
		err = fmt.Errorf("%s: %w: it is sha256:%s", digest, artifact.ErrCorrupt, got)
	}
	return errors.Join(err, f.settle(temp, f.blob(digest), err == nil))
}

// settle closes a file and, where it is good, gives it its name.
func (f *Folder) settle(temp *os.File, name string, good bool) error {
	if !good {
		return temp.Close()
	}
	err := errors.Join(temp.Chmod(0o644), temp.Sync(), temp.Close())
	if err != nil {
		return err
	}
	return os.Rename(temp.Name(), name)
}

// whole reports whether a blob is there with its bytes.
func (f *Folder) whole(ctx context.Context, digest v1.Hash) bool {
	file, err := os.Open(f.blob(digest))
	if err != nil {
		return false
	}
	defer file.Close()
	sum := sha256.New()
	_, err = io.Copy(sum, ended{ctx, file})
	return err == nil && hex.EncodeToString(sum.Sum(nil)) == digest.Hex
}

// WriteManifest implements [Destination].
func (f *Folder) WriteManifest(ctx context.Context, d v1.Descriptor, raw []byte) error {
	return f.WriteLayer(ctx, static.NewLayer(raw, d.MediaType))
}

// Enlist implements [Destination].
func (f *Folder) Enlist(_ context.Context, _ v1.Hash, d v1.Descriptor) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.listed = append(f.listed, v1.Descriptor{
		MediaType: d.MediaType, Digest: d.Digest, Size: d.Size, ArtifactType: d.ArtifactType, Annotations: d.Annotations,
	})
	return nil
}

// Finish implements [Destination].
func (f *Folder) Finish(_ context.Context, root v1.Descriptor, raw []byte) error {
	n, err := parse(raw)
	if err != nil {
		return err
	}
	named := v1.Descriptor{MediaType: n.mediaType, Digest: root.Digest, Size: int64(len(raw)), Annotations: map[string]string{}}
	for key, value := range map[string]string{annotationTag: f.names.Tag, annotationFull: f.names.Full} {
		if value != "" {
			named.Annotations[key] = value
		}
	}
	// Two that copy into one layout take turns here.
	lock, err := os.Open(f.dir)
	if err != nil {
		return fmt.Errorf("opening the layout: %w", err)
	}
	defer lock.Close()
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil && !errors.Is(err, unix.EOPNOTSUPP) {
		return fmt.Errorf("locking the layout: %w", err)
	}
	index, err := f.index()
	if err != nil {
		return err
	}
	index.Manifests = slices.DeleteFunc(index.Manifests, func(d v1.Descriptor) bool {
		same := func(other v1.Descriptor) bool { return other.Digest == d.Digest }
		return slices.ContainsFunc(f.listed, same) || d.Digest == named.Digest && d.Annotations[annotationTag] == "" ||
			f.names.Tag != "" && d.Annotations[annotationTag] == f.names.Tag && d.Annotations[annotationFull] == f.names.Full
	})
	index.Manifests = append(append(index.Manifests, named), f.listed...)
	text, err := json.Marshal(index)
	if err != nil {
		return fmt.Errorf("encoding index.json: %w", err)
	}
	if len(text) > artifact.MaxManifest {
		return fmt.Errorf("index.json: %w", artifact.ErrTooLarge)
	}
	return f.replace(indexFile, text)
}

// index reads index.json; a missing one is empty.
func (f *Folder) index() (*v1.IndexManifest, error) {
	raw, err := os.ReadFile(filepath.Join(f.dir, indexFile))
	if errors.Is(err, fs.ErrNotExist) {
		return &v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the layout: %w", err)
	}
	index, err := v1.ParseIndexManifest(bytes.NewReader(raw))
	if err != nil {
		return nil, fmt.Errorf("reading index.json of the layout: %w", err)
	}
	return index, nil
}

// replace writes a file, whole or not at all.
func (f *Folder) replace(name string, content []byte) error {
	temp, err := os.CreateTemp(f.dir, newPrefix)
	if err != nil {
		return fmt.Errorf("writing the layout: %w", err)
	}
	defer os.Remove(temp.Name())
	_, err = temp.Write(content)
	if err = errors.Join(err, f.settle(temp, filepath.Join(f.dir, name), err == nil)); err != nil {
		return fmt.Errorf("writing the layout: %w", err)
	}
	return nil
}

// ended stops reading when its context is done.
type ended struct {
	ctx context.Context
	r   io.Reader
}

func (e ended) Read(p []byte) (int, error) {
	if err := e.ctx.Err(); err != nil {
		return 0, err
	}
	return e.r.Read(p)
}
