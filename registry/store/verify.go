package store

import (
	"context"
	"errors"
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Verified is what [Store.VerifyAll] has found.
type Verified struct {
	// Images counts the images and the artifacts that belong to them.
	Images int `json:"images"`
	// Bytes is how much was read, each blob once for each that refers to it.
	Bytes   int64    `json:"bytes"`
	Damaged []Damage `json:"damaged"`
}

// Damage is an image or artifact with a blob that is missing or changed.
type Damage struct {
	// Ref is its name, or its digest if it has none.
	Ref string `json:"ref"`
	// Reason names the blob.
	Reason string `json:"reason"`
	err    error
}

// Verify reads every blob that an image or artifact refers to and holds it
// against its digest and size. It returns one [*DamagedError] for each that
// fails, joined, and nil for a sound store.
func (s *Store) Verify(ctx context.Context) error {
	v, err := s.VerifyAll(ctx, func(int64, int64) {})
	if err != nil {
		return err
	}
	var damaged []error
	for _, d := range v.Damaged {
		damaged = append(damaged, &DamagedError{Ref: d.Ref, Err: d.err})
	}
	return errors.Join(damaged...)
}

// VerifyAll is Verify, with an account of what was read. update is told of
// bytes read and of bytes to read. An error is of the reading itself: of ctx, or
// of an index that cannot be read.
func (s *Store) VerifyAll(ctx context.Context, update func(done, total int64)) (Verified, error) {
	found := Verified{Damaged: []Damage{}}
	collection, err := s.lock(ctx, lockCollection, shared)
	if err != nil {
		return found, err
	}
	defer collection.Close()
	index, err := s.readIndex()
	if err != nil {
		return found, err
	}
	var total int64
	for _, d := range index.Manifests {
		total += s.sizeOf(d)
	}
	for _, d := range index.Manifests {
		found.Images++
		err := s.verify(ctx, d)
		if ctx.Err() != nil {
			return found, context.Cause(ctx)
		}
		if err != nil {
			found.Damaged = append(found.Damaged, Damage{Ref: refOf(d), Reason: err.Error(), err: err})
		}
		found.Bytes += s.sizeOf(d)
		update(found.Bytes, total)
	}
	return found, nil
}

// sizeOf returns the bytes that an image's descriptors promise.
func (s *Store) sizeOf(d v1.Descriptor) int64 {
	size := d.Size
	m, err := s.Manifest(Image{Digest: d.Digest})
	if err != nil {
		return size
	}
	size += m.Config.Size
	for _, l := range m.Layers {
		size += l.Size
	}
	return size
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
