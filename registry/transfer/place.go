package transfer

import (
	"context"
	"io"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/least-privilege/lpm/registry/artifact"
	"github.com/least-privilege/lpm/registry/reference"
)

// Registry is a repository of a registry, as a source and as a destination.
type Registry struct {
	*artifact.Remote
	// Tag is the name that the root gets; empty leaves it without one.
	Tag string
}

// OpenRegistry returns the place that a named reference is in.
func OpenRegistry(r reference.Reference, o artifact.RemoteOptions) (Registry, error) {
	remote, err := artifact.NewRemote(r, o)
	return Registry{remote, r.Tag}, err
}

// WriteManifest implements [Destination].
func (r Registry) WriteManifest(ctx context.Context, d v1.Descriptor, raw []byte) error {
	return r.Put(ctx, d.Digest.String(), d.MediaType, raw)
}

// Finish implements [Destination].
func (r Registry) Finish(ctx context.Context, root v1.Descriptor, raw []byte) error {
	if r.Tag == "" {
		return nil
	}
	n, err := parse(raw)
	if err != nil {
		return err
	}
	return r.Put(ctx, r.Tag, n.mediaType, raw)
}

// Store is the store of this machine, as a source.
type Store struct{ artifact.Local }

// Layer implements [Source].
func (s Store) Layer(_ context.Context, d v1.Descriptor) (v1.Layer, error) {
	return stored(d, func() (io.ReadCloser, error) { return s.Open(d.Digest) })
}

// Layout is an OCI image layout, as a source.
type Layout struct{ artifact.Layout }

// Layer implements [Source].
func (l Layout) Layer(_ context.Context, d v1.Descriptor) (v1.Layer, error) {
	return stored(d, func() (io.ReadCloser, error) { return l.Open(d.Digest) })
}

// stored is a layer that is opened when it is read.
func stored(d v1.Descriptor, open func() (io.ReadCloser, error)) (v1.Layer, error) {
	return partial.CompressedToLayer(file{d, open})
}

type file struct {
	d    v1.Descriptor
	open func() (io.ReadCloser, error)
}

func (f file) Digest() (v1.Hash, error)            { return f.d.Digest, nil }
func (f file) Size() (int64, error)                { return f.d.Size, nil }
func (f file) MediaType() (types.MediaType, error) { return f.d.MediaType, nil }
func (f file) Compressed() (io.ReadCloser, error)  { return f.open() }
