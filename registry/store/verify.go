package store

import (
	"context"
	"errors"
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Verify reads every blob that an image or artifact refers to and holds it
// against its digest and size. It returns one [*DamagedError] for each that
// fails, joined, and nil for a sound store.
func (s *Store) Verify(ctx context.Context) error {
	collection, err := s.lock(ctx, lockCollection, shared)
	if err != nil {
		return err
	}
	defer collection.Close()
	index, err := s.readIndex()
	if err != nil {
		return err
	}
	var damaged []error
	for _, d := range index.Manifests {
		if err := s.verify(ctx, d); err != nil {
			damaged = append(damaged, &DamagedError{Ref: refOf(d), Err: err})
		}
	}
	return errors.Join(damaged...)
}

func (s *Store) verify(ctx context.Context, d v1.Descriptor) error {
	m, err := s.Manifest(Image{Digest: d.Digest})
	if err != nil {
		return err
	}
	for _, part := range append(m.Layers, m.Config, d) {
		ok, err := s.hasBlob(ctx, part.Digest, part.Size)
		if err != nil {
			return err
		}
		if !ok {
			return fmt.Errorf("blob %s is missing or changed", part.Digest)
		}
	}
	return nil
}
