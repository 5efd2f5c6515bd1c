// Package transfer copies images with all that refers to them.
//
// An image is a graph: an index names the images of its platforms, an image its
// config and its layers, and referrers (manifests of permissions, records,
// approvals, and what other tools attach) name what they are about. The graph
// is copied byte for byte, from its leaves to its root, so that digests stay
// the same and a place never has what names something that it lacks; last comes
// the tag. What is copied is held against its digest on the way, but not
// judged: an approval counts where it is used, by the keys that are trusted
// there.
package transfer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sync/errgroup"

	"github.com/least-privilege/lpm/registry/artifact"
	"github.com/least-privilege/lpm/registry/client"
)

// Source is a place to copy from.
type Source interface {
	artifact.Source
	// Layer returns a blob of any size. Reading it fails at its end where it is
	// not what its digest names.
	Layer(ctx context.Context, d v1.Descriptor) (v1.Layer, error)
}

// Destination is a place to copy to.
type Destination interface {
	// Has reports whether there is a manifest with all that it names.
	Has(ctx context.Context, d v1.Descriptor) (bool, error)
	// WriteLayer stores a blob, whole or not at all.
	WriteLayer(ctx context.Context, layer v1.Layer) error
	// WriteManifest stores a manifest by its digest.
	WriteManifest(ctx context.Context, d v1.Descriptor, raw []byte) error
	// Enlist makes a manifest found as a referrer of its subject.
	Enlist(ctx context.Context, subject v1.Hash, d v1.Descriptor) error
	// Finish gives the root the name that the destination is of. Before that,
	// nothing of a new image can be found by a name.
	Finish(ctx context.Context, root v1.Descriptor, raw []byte) error
}

// Bounds of one transfer.
const (
	// maxManifests is how many manifests an image may have with its platforms
	// and referrers.
	maxManifests = 16 * artifact.MaxReferrers
	// maxDepth is how deep they may be nested: referrers of referrers, indexes
	// in indexes.
	maxDepth = 8
	// parallel is how many blobs of an image are copied at a time.
	parallel = 4
)

// ErrTooDeep is returned for manifests that are nested too deep, or too many.
var ErrTooDeep = fmt.Errorf("more than %d manifests, or nested more than %d deep", maxManifests, maxDepth)

// Result says what was copied.
type Result struct {
	// Digest is of the root: an image, or an index of several.
	Digest v1.Hash `json:"digest"`
	// Images are how many images it has, Referrers how many manifests refer to
	// them, or to each other.
	Images    int `json:"images"`
	Referrers int `json:"referrers"`
	// Written is how many manifests the destination did not have.
	Written int `json:"written"`
}

// Copy copies the graph below root. progress, where not nil, is told how many
// bytes of blobs were read, and of how many that are known of by then. The
// destination is left without the root where the error is not nil, and what it
// has got by then is not found by a name; to copy again goes on from there.
func Copy(ctx context.Context, from Source, to Destination, root v1.Descriptor, progress func(done, total int64)) (*Result, error) {
	c := &copier{from: from, to: to, seen: map[v1.Hash]bool{}, result: Result{Digest: root.Digest}}
	c.meter.tell = progress
	raw, err := c.manifest(ctx, root, 0, false)
	if err != nil {
		return nil, err
	}
	if err := to.Finish(ctx, root, raw); err != nil {
		return nil, err
	}
	return &c.result, nil
}

// copier is the state of one transfer.
type copier struct {
	from   Source
	to     Destination
	seen   map[v1.Hash]bool
	result Result
	meter  meter
}

// manifest copies what a manifest names, the manifest, and what refers to it.
func (c *copier) manifest(ctx context.Context, d v1.Descriptor, depth int, refers bool) ([]byte, error) {
	if c.seen[d.Digest] {
		return nil, nil
	}
	if c.seen[d.Digest] = true; depth > maxDepth || len(c.seen) > maxManifests {
		return nil, fmt.Errorf("manifest %s: %w", d.Digest, ErrTooDeep)
	}
	raw, err := c.from.Manifest(ctx, d.Digest)
	if err != nil {
		return nil, fmt.Errorf("reading manifest %s: %w", d.Digest, err)
	}
	m, err := parse(raw)
	if err != nil {
		return nil, fmt.Errorf("manifest %s: %w", d.Digest, err)
	}
	d.MediaType, d.Size = m.mediaType, int64(len(raw))
	has, err := c.to.Has(ctx, d)
	if err != nil {
		return nil, fmt.Errorf("looking for manifest %s: %w", d.Digest, err)
	}
	for _, child := range m.manifests {
		if _, err := c.manifest(ctx, child, depth+1, refers); err != nil {
			return nil, err
		}
	}
	if !has {
		if err := c.blobs(ctx, m.blobs); err != nil {
			return nil, fmt.Errorf("copying what manifest %s names: %w", d.Digest, err)
		}
		if err := c.to.WriteManifest(ctx, d, raw); err != nil {
			return nil, fmt.Errorf("writing manifest %s: %w", d.Digest, err)
		}
		c.result.Written++
	}
	if m.isImage && !refers {
		c.result.Images++
	}
	return raw, c.referrers(ctx, d, depth)
}

// referrers copies what refers to a manifest. What is listed as such is a hint:
// the manifest's own subject decides.
func (c *copier) referrers(ctx context.Context, of v1.Descriptor, depth int) error {
	list, err := c.from.Referrers(ctx, of.Digest)
	if err != nil {
		return fmt.Errorf("listing what refers to %s: %w", of.Digest, err)
	}
	if len(list) > artifact.MaxReferrers {
		return fmt.Errorf("listing what refers to %s: %w", of.Digest, artifact.ErrTooMany)
	}
	// A registry lists in any order, and a layout of the same image is to be the
	// same.
	list = slices.SortedFunc(slices.Values(list), func(a, b v1.Descriptor) int { return strings.Compare(a.Digest.String(), b.Digest.String()) })
	for _, d := range list {
		if c.seen[d.Digest] {
			continue
		}
		raw, err := c.from.Manifest(ctx, d.Digest)
		if errors.Is(err, artifact.ErrNotFound) {
			continue // a list can outlive what it names
		}
		if err != nil {
			return fmt.Errorf("reading what refers to %s: %w", of.Digest, err)
		}
		m, err := parse(raw)
		if err != nil || m.subject != of.Digest {
			continue // it is listed, and is about something else
		}
		d.MediaType, d.Size, d.ArtifactType, d.Annotations = m.mediaType, int64(len(raw)), m.artifactType, m.annotations
		if _, err := c.manifest(ctx, d, depth+1, true); err != nil {
			return err
		}
		if err := c.to.Enlist(ctx, of.Digest, d); err != nil {
			return fmt.Errorf("listing %s as what refers to %s: %w", d.Digest, of.Digest, err)
		}
		c.result.Referrers++
	}
	return nil
}

// blobs copies the config and the layers of an image.
func (c *copier) blobs(ctx context.Context, list []v1.Descriptor) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallel)
	for _, d := range list {
		c.meter.expect(d.Size)
	}
	for _, d := range list {
		g.Go(func() error {
			err := client.Whole(ctx, func() error {
				layer, err := c.from.Layer(ctx, d)
				if err != nil {
					return err
				}
				return c.to.WriteLayer(ctx, c.meter.watch(layer, d))
			})
			if err != nil {
				return fmt.Errorf("blob %s: %w", d.Digest, err)
			}
			return nil
		})
	}
	return g.Wait()
}
