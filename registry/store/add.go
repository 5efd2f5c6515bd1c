package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"regexp"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/least-privilege/lpm/registry/unpack"
)

// source is where an image's blobs come from: a registry, a layout's folder
// or an archive. What it returns is not trusted.
type source interface {
	// document returns a manifest or index.
	document(v1.Descriptor) ([]byte, error)
	// open opens a config or layer.
	open(v1.Descriptor) (io.ReadCloser, error)
}

// adder copies images from a source into the store. It holds the collection
// lock shared, or its caller does.
type adder struct {
	store        *Store
	source       source
	architecture string
	// chosen says that a person named the architecture, so that an image
	// which is for one alone must be for that one.
	chosen bool
	// contents says that nothing vouches for the layers but the diff_ids in
	// the config, so that layers are read through before they are taken.
	// Elsewhere digests do, and unpacking looks at the diff_ids.
	contents bool
	// parallel is how many layers are copied at once.
	parallel int
	// progress, if set, is told how many bytes of layers are done.
	progress func(done, total int64)
}

// maxLayers bounds the layers of an image.
const maxLayers = 1024

// add copies the image, or the one of an index that fits the architecture,
// and returns the descriptor for the store's index.
func (a *adder) add(ctx context.Context, local string, d v1.Descriptor) (v1.Descriptor, error) {
	raw, d, index, err := a.find(local, d)
	if err != nil {
		return v1.Descriptor{}, err
	}
	m, err := v1.ParseManifest(bytes.NewReader(raw))
	if err != nil {
		return v1.Descriptor{}, fmt.Errorf("reading the image's manifest: %w", err)
	}
	c, err := a.addConfig(ctx, m)
	if err != nil {
		return v1.Descriptor{}, err
	}
	if a.chosen && c.Architecture != a.architecture {
		return v1.Descriptor{}, &PlatformError{Ref: local, Want: a.architecture, Have: []string{"linux/" + c.Architecture}}
	}
	if err := a.addLayers(ctx, m.Layers); err != nil {
		return v1.Descriptor{}, err
	}
	if a.contents {
		for i, l := range m.Layers {
			if err := unpack.Check(ctx, a.store.dir, l, c.RootFS.DiffIDs[i]); err != nil {
				return v1.Descriptor{}, fmt.Errorf("checking layer %d of %d: %w", i+1, len(m.Layers), err)
			}
		}
	}
	// Last, so that a manifest in the store has its blobs.
	if err := a.store.ingest(ctx, d.Digest, int64(len(raw)), bytes.NewReader(raw)); err != nil {
		return v1.Descriptor{}, err
	}
	entry := v1.Descriptor{
		MediaType:   d.MediaType,
		Size:        int64(len(raw)),
		Digest:      d.Digest,
		Platform:    &v1.Platform{OS: "linux", Architecture: c.Architecture, Variant: c.Variant},
		Annotations: map[string]string{annotationName: local},
	}
	if index != "" {
		entry.Annotations[annotationIndex] = index
	}
	return entry, nil
}

// find follows d to an image manifest, through at most one index.
func (a *adder) find(local string, d v1.Descriptor) (raw []byte, image v1.Descriptor, index string, err error) {
	raw, err = a.read(d)
	if err != nil {
		return nil, d, "", err
	}
	if d.MediaType.IsIndex() {
		index = d.Digest.String()
		d, err = a.choose(local, raw)
		if err != nil {
			return nil, d, "", err
		}
		if raw, err = a.read(d); err != nil {
			return nil, d, "", err
		}
	}
	if !d.MediaType.IsImage() {
		return nil, d, "", fmt.Errorf("%s is a %q, not an image", d.Digest, d.MediaType)
	}
	return raw, d, index, nil
}

// read reads a manifest or index, held against its digest and size.
func (a *adder) read(d v1.Descriptor) ([]byte, error) {
	raw, err := a.source.document(d)
	if err != nil {
		return nil, fmt.Errorf("reading manifest %s: %w", d.Digest, err)
	}
	if len(raw) > maxDocument {
		return nil, fmt.Errorf("manifest %s is larger than %d bytes", d.Digest, maxDocument)
	}
	sum := sha256.Sum256(raw)
	if got := hex.EncodeToString(sum[:]); d.Digest.Algorithm != "sha256" || got != d.Digest.Hex {
		return nil, &unpack.MismatchError{What: "blob", Want: d.Digest.String(), Got: "sha256:" + got}
	}
	return raw, nil
}

// choose picks the image of an index that fits the architecture. Entries that
// are not for Linux, such as BuildKit's attestations ("unknown"), are no
// candidates.
func (a *adder) choose(local string, raw []byte) (v1.Descriptor, error) {
	index, err := v1.ParseIndexManifest(bytes.NewReader(raw))
	if err != nil {
		return v1.Descriptor{}, fmt.Errorf("reading the image's index: %w", err)
	}
	return choose(local, a.architecture, index.Manifests)
}

func choose(local, architecture string, list []v1.Descriptor) (v1.Descriptor, error) {
	var have []string
	for _, d := range list {
		if !d.MediaType.IsImage() || d.Platform == nil {
			continue
		}
		if d.Platform.OS == "linux" && d.Platform.Architecture == architecture {
			return d, nil
		}
		if p := d.Platform.String(); !slices.Contains(have, p) && d.Platform.OS != "unknown" {
			have = append(have, p)
		}
	}
	return v1.Descriptor{}, &PlatformError{Ref: local, Want: architecture, Have: have}
}

// plainWord is what architectures and their variants look like (Go's GOARCH).
// Anything else would be an attempt at the terminal that shows it.
var plainWord = regexp.MustCompile(`^[a-z0-9_]{1,32}$`)

// addConfig copies the image's config and checks that it is one lpm can use.
func (a *adder) addConfig(ctx context.Context, m *v1.Manifest) (*v1.ConfigFile, error) {
	if m.Config.MediaType != types.OCIConfigJSON && m.Config.MediaType != types.DockerConfigJSON {
		return nil, fmt.Errorf("config is a %q, so this is an artifact and not an image", m.Config.MediaType)
	}
	if m.Config.Size > maxDocument {
		return nil, fmt.Errorf("config is larger than %d bytes", maxDocument)
	}
	if err := a.copy(ctx, m.Config); err != nil {
		return nil, fmt.Errorf("copying the config: %w", err)
	}
	raw, err := a.store.ReadBlob(m.Config.Digest, maxDocument)
	if err != nil {
		return nil, err
	}
	c, err := v1.ParseConfigFile(bytes.NewReader(raw))
	if err != nil {
		return nil, fmt.Errorf("reading the config: %w", err)
	}
	if c.OS != "linux" || !plainWord.MatchString(c.Architecture) || !plainWord.MatchString(c.Variant+"x") {
		return nil, fmt.Errorf("config is for %q on %q, not for Linux on a named architecture", c.OS, c.Architecture)
	}
	if len(m.Layers) > maxLayers || len(m.Layers) != len(c.RootFS.DiffIDs) {
		return nil, fmt.Errorf("manifest has %d layers (at most %d), and the config %d diff_ids", len(m.Layers), maxLayers, len(c.RootFS.DiffIDs))
	}
	for i, l := range m.Layers {
		plain := l.MediaType == types.OCIUncompressedLayer || l.MediaType == types.DockerUncompressedLayer
		if plain && l.Digest != c.RootFS.DiffIDs[i] {
			return nil, &unpack.MismatchError{What: "diff_id", Want: c.RootFS.DiffIDs[i].String(), Got: l.Digest.String()}
		}
	}
	return c, nil
}
