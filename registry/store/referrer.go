package store

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// AddReferrer records that the artifact desc refers to the image subject, and
// stores blobs in the same step, so that no Prune comes between. What desc
// and its manifest name must be among blobs or in the store. To add the same
// artifact again changes nothing.
//
// Artifacts are records of what people decided. They stay until the image is
// removed by [Store.Remove]; Prune keeps them, also when it frees an image
// that lost its name, so that an update can be compared to what was approved.
//
// Errors: [ErrNotFound] if the image or a blob is not there.
func (s *Store) AddReferrer(ctx context.Context, subject v1.Hash, desc v1.Descriptor, blobs ...[]byte) error {
	collection, err := s.lock(ctx, lockCollection, shared)
	if err != nil {
		return err
	}
	defer collection.Close()
	for _, b := range blobs {
		if _, err := s.putBlob(ctx, b); err != nil {
			return fmt.Errorf("storing an artifact: %w", err)
		}
	}
	if err := s.checkArtifact(ctx, desc); err != nil {
		return fmt.Errorf("storing an artifact: %w", err)
	}
	entry := desc
	entry.Annotations = map[string]string{annotationSubject: subject.String()}
	for k, v := range desc.Annotations {
		if k != annotationSubject && k != annotationName {
			entry.Annotations[k] = v
		}
	}
	return s.updateIndex(ctx, func(index *v1.IndexManifest) error {
		image := func(d v1.Descriptor) bool { return !isArtifact(d) && d.Digest == subject }
		if !slices.ContainsFunc(index.Manifests, image) {
			return &NotFoundError{What: "image", Ref: subject.String()}
		}
		same := func(d v1.Descriptor) bool {
			return d.Digest == desc.Digest && d.Annotations[annotationSubject] == subject.String()
		}
		index.Manifests = append(slices.DeleteFunc(index.Manifests, same), entry)
		return nil
	})
}

// checkArtifact makes sure that the artifact is there whole.
func (s *Store) checkArtifact(ctx context.Context, desc v1.Descriptor) error {
	raw, err := s.ReadBlob(desc.Digest, maxDocument)
	if err != nil {
		return err
	}
	if int64(len(raw)) != desc.Size {
		return fmt.Errorf("artifact %s: %w", desc.Digest, errSize)
	}
	m, err := v1.ParseManifest(bytes.NewReader(raw))
	if err != nil {
		return fmt.Errorf("reading the artifact's manifest: %w", err)
	}
	for _, d := range append(m.Layers, m.Config) {
		ok, err := s.hasBlob(ctx, d.Digest, d.Size)
		if err != nil {
			return err
		}
		if !ok {
			return &NotFoundError{What: "blob", Ref: d.Digest.String()}
		}
	}
	return nil
}

// Referrers lists the artifacts that refer to the image, in the order in which
// they were added. The image may be gone.
func (s *Store) Referrers(subject v1.Hash) ([]v1.Descriptor, error) {
	index, err := s.readIndex()
	if err != nil {
		return nil, err
	}
	found := []v1.Descriptor{}
	for _, d := range index.Manifests {
		if d.Annotations[annotationSubject] == subject.String() {
			d.Annotations = without(d.Annotations, annotationSubject)
			found = append(found, d)
		}
	}
	return found, nil
}

// Subjects lists the images that artifacts refer to, also those that are gone
// themselves.
func (s *Store) Subjects() ([]v1.Hash, error) {
	index, err := s.readIndex()
	if err != nil {
		return nil, err
	}
	subjects := []v1.Hash{}
	for _, d := range index.Manifests {
		if !isArtifact(d) {
			continue
		}
		h, err := v1.NewHash(d.Annotations[annotationSubject])
		if err != nil {
			return nil, fmt.Errorf("reading the store's index: artifact %s: %w", d.Digest, err)
		}
		if !slices.Contains(subjects, h) {
			subjects = append(subjects, h)
		}
	}
	return subjects, nil
}
