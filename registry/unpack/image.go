package unpack

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/apex/log"
	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// maxDocument bounds manifests and configs, in bytes. Registries commonly
// refuse manifests over 4 MiB.
const maxDocument = 4 << 20

// quietExtractor silences umoci, which logs names from the layer, unescaped,
// to standard error. Nothing else in lpm uses that logger.
var quietExtractor = sync.OnceFunc(func() { log.SetLevel(log.FatalLevel) })

// unpackImage makes job.Dest out of the image's layers.
func unpackImage(ctx context.Context, job Job) error {
	quietExtractor()
	limits := job.Limits.fill()
	layers, err := readLayers(job, limits)
	if err != nil {
		return err
	}
	if err := os.Mkdir(job.Dest, 0o755); err != nil {
		if errors.Is(err, fs.ErrExist) {
			err = errDestExists
		}
		return fmt.Errorf("making the tree %s: %w", job.Dest, err)
	}
	// The mode above went through the umask.
	if err := os.Chmod(job.Dest, 0o755); err != nil {
		return fmt.Errorf("making the tree: %w", err)
	}
	x := &extraction{root: job.Dest, kind: job.Kind, limits: limits}
	p, err := newProgress(job, layers)
	if err != nil {
		return err
	}
	defer p.close()
	for i, l := range layers {
		l.read = p.read
		if err := x.layer(ctx, l); err != nil {
			return fmt.Errorf("unpacking layer %d of %d: %w", i+1, len(layers), err)
		}
	}
	if job.SizeFile == "" {
		return nil
	}
	if err := os.WriteFile(job.SizeFile, fmt.Appendln(nil, x.bytes), 0o644); err != nil {
		return fmt.Errorf("noting the tree's size: %w", err)
	}
	return nil
}

// Check reads a layer's blob in layout to its end, and holds it against the
// digest of its descriptor and its tar stream against diffID. It extracts
// nothing.
//
// Errors: [*MismatchError]; [*LimitError] where the stream is larger than the
// default [Limits] allow; others for a blob that its compression's reader
// cannot read.
func Check(ctx context.Context, layout string, d v1.Descriptor, diffID v1.Hash) error {
	path, err := blobPath(layout, d.Digest)
	if err != nil {
		return err
	}
	s, err := openLayer(ctx, layer{desc: d, diffID: diffID, path: path}, Limits{}.fill().Ratio)
	if err != nil {
		return err
	}
	defer s.Close()
	return s.finish()
}

// layer is one layer of an image and where its blob is.
type layer struct {
	desc   v1.Descriptor
	diffID v1.Hash
	path   string
	// read, when set, is told how many more bytes of the blob were read.
	read func(n int)
}

// readLayers reads the image's manifest and config, both held against their
// digests, and returns its layers from the lowest up.
func readLayers(job Job, limits Limits) ([]layer, error) {
	raw, err := readDocument(job.Layout, job.Manifest)
	if err != nil {
		return nil, fmt.Errorf("reading the image's manifest: %w", err)
	}
	m, err := v1.ParseManifest(bytes.NewReader(raw))
	if err != nil {
		return nil, fmt.Errorf("reading the image's manifest: %w", err)
	}
	raw, err = readDocument(job.Layout, m.Config.Digest)
	if err != nil {
		return nil, fmt.Errorf("reading the image's config: %w", err)
	}
	c, err := v1.ParseConfigFile(bytes.NewReader(raw))
	if err != nil {
		return nil, fmt.Errorf("reading the image's config: %w", err)
	}
	if len(m.Layers) > limits.Layers {
		return nil, &LimitError{Limit: "layers", Max: int64(limits.Layers)}
	}
	if len(m.Layers) != len(c.RootFS.DiffIDs) {
		return nil, fmt.Errorf("image has %d layers, and its config %d diff_ids", len(m.Layers), len(c.RootFS.DiffIDs))
	}
	layers := make([]layer, len(m.Layers))
	for i, d := range m.Layers {
		path, err := blobPath(job.Layout, d.Digest)
		if err != nil {
			return nil, err
		}
		layers[i] = layer{desc: d, diffID: c.RootFS.DiffIDs[i], path: path}
	}
	return layers, nil
}

// blobPath is where layout keeps the blob. Only SHA-256 is read, the one
// algorithm that every OCI registry must support.
func blobPath(layout string, h v1.Hash) (string, error) {
	if h.Algorithm != "sha256" {
		return "", fmt.Errorf("digest %q: only sha256 is supported", h)
	}
	// A Hash made by hand could hold a path.
	if raw, err := hex.DecodeString(h.Hex); err != nil || len(raw) != sha256.Size {
		return "", fmt.Errorf("digest %q is malformed", h)
	}
	return filepath.Join(layout, "blobs", h.Algorithm, h.Hex), nil
}

// readDocument reads a small blob whole and holds it against its digest.
func readDocument(layout string, h v1.Hash) ([]byte, error) {
	path, err := blobPath(layout, h)
	if err != nil {
		return nil, err
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxDocument+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxDocument {
		return nil, &LimitError{Limit: "bytes of a manifest or config", Max: maxDocument}
	}
	sum := sha256.Sum256(data)
	if got := hex.EncodeToString(sum[:]); got != h.Hex {
		return nil, &MismatchError{What: "blob", Want: h.String(), Got: "sha256:" + got}
	}
	return data, nil
}
