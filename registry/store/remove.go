package store

import (
	"context"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Remove takes a name off its image. With its last name the image goes, and
// with it the artifacts that refer to it; a digest in place of a name takes
// all names at once. What they took is freed by [Store.Prune].
//
// Errors: [ErrNotFound], [*AmbiguousError].
func (s *Store) Remove(ctx context.Context, ref string) error {
	collection, err := s.lock(ctx, lockCollection, shared)
	if err != nil {
		return err
	}
	defer collection.Close()
	return s.updateIndex(ctx, func(index *v1.IndexManifest) error {
		images := slices.DeleteFunc(slices.Clone(index.Manifests), isArtifact)
		target, err := resolve(images, ref)
		if err != nil {
			return err
		}
		byName := false
		if local, err := localName(ref); err == nil {
			byName = target.Annotations[annotationName] == local
		}
		index.Manifests = slices.DeleteFunc(index.Manifests, func(d v1.Descriptor) bool {
			if isArtifact(d) || d.Digest != target.Digest {
				return false
			}
			return !byName || d.Annotations[annotationName] == target.Annotations[annotationName]
		})
		dropArtifacts(index, target.Digest)
		return nil
	})
}

// dropArtifacts removes the artifacts of an image that is no longer listed.
func dropArtifacts(index *v1.IndexManifest, image v1.Hash) {
	listed := func(d v1.Descriptor) bool { return !isArtifact(d) && d.Digest == image }
	if slices.ContainsFunc(index.Manifests, listed) {
		return
	}
	index.Manifests = slices.DeleteFunc(index.Manifests, func(d v1.Descriptor) bool {
		return d.Annotations[annotationSubject] == image.String()
	})
}
