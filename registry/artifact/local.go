package artifact

import (
	"context"
	"errors"
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/least-privilege/lpm/registry/store"
)

// Local is the store on this machine as a [Target].
type Local struct{ store *store.Store }

// NewLocal returns the store as a target.
func NewLocal(s *store.Store) Local { return Local{s} }

// Referrers implements [Target].
func (l Local) Referrers(_ context.Context, subject v1.Hash) ([]v1.Descriptor, error) {
	return l.store.Referrers(subject)
}

// Manifest implements [Target].
func (l Local) Manifest(_ context.Context, digest v1.Hash) ([]byte, error) {
	return l.read(digest, MaxManifest)
}

// Blob implements [Target].
func (l Local) Blob(_ context.Context, d v1.Descriptor) ([]byte, error) {
	if d.Size < 0 || d.Size > MaxDocument {
		return nil, fmt.Errorf("blob %s of %d bytes: %w", d.Digest, d.Size, ErrTooLarge)
	}
	// With one byte more than stated, a longer blob is told by its length.
	content, err := l.read(d.Digest, d.Size+1)
	if err != nil {
		return nil, err
	}
	return content, checkBlob(content, d)
}

// read translates the store's errors to those of targets.
func (l Local) read(digest v1.Hash, limit int64) ([]byte, error) {
	content, err := l.store.ReadBlob(digest, limit)
	return content, translated(err)
}

// Write implements [Target].
func (l Local) Write(ctx context.Context, a Artifact) error {
	blobs := make([][]byte, 0, len(a.Blobs)+1)
	for _, b := range a.Blobs {
		blobs = append(blobs, b.Content)
	}
	err := l.store.AddReferrer(ctx, a.Subject, a.Descriptor, append(blobs, a.Manifest)...)
	if errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("%w: %w", ErrNotFound, err)
	}
	return err
}
