package store

import (
	"errors"
	"regexp"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// shortDigest is the beginning of a SHA-256 digest, with or without its
// algorithm. Twelve digits is what tools print.
var shortDigest = regexp.MustCompile(`^(?:sha256:)?([0-9a-f]{12,64})$`)

// Resolve finds the image that a person means: name[:tag],
// name[:tag]@sha256:…, sha256:…, or the first 12 or more digits of a digest.
// A digest may be the image's own or that of the index it came from. A name
// goes before a digest that reads the same.
//
// Errors: [ErrNotFound], [*AmbiguousError].
func (s *Store) Resolve(ref string) (Image, error) {
	index, err := s.readIndex()
	if err != nil {
		return Image{}, err
	}
	images := slices.DeleteFunc(index.Manifests, isArtifact)
	d, err := resolve(images, ref)
	if err != nil {
		return Image{}, err
	}
	return s.describe(d)
}

func resolve(images []v1.Descriptor, ref string) (v1.Descriptor, error) {
	notFound := &NotFoundError{What: "image", Ref: ref}
	repository, rest, err := splitName(ref)
	if err == nil {
		for _, d := range images {
			if d.Annotations[annotationName] == repository+rest {
				return d, nil
			}
		}
		if digest, ok := strings.CutPrefix(rest, "@"); ok {
			d, err := byDigest(images, digest, repository)
			if errors.Is(err, ErrNotFound) {
				return d, notFound
			}
			return d, err
		}
	}
	if m := shortDigest.FindStringSubmatch(ref); m != nil {
		d, err := byDigest(images, "sha256:"+m[1], "")
		if errors.Is(err, ErrNotFound) {
			return d, notFound
		}
		return d, err
	}
	return v1.Descriptor{}, notFound
}

// byDigest finds the one image whose digest, or whose index's, begins with
// prefix, and whose name, if repository is given, is in it.
func byDigest(images []v1.Descriptor, prefix, repository string) (v1.Descriptor, error) {
	var found []v1.Descriptor
	for _, d := range images {
		if !strings.HasPrefix(d.Digest.String(), prefix) && !strings.HasPrefix(d.Annotations[annotationIndex], prefix) {
			continue
		}
		if repository != "" && !inRepository(d.Annotations[annotationName], repository) {
			continue
		}
		if !slices.ContainsFunc(found, func(f v1.Descriptor) bool { return f.Digest == d.Digest }) {
			found = append(found, d)
		}
	}
	switch len(found) {
	case 0:
		return v1.Descriptor{}, &NotFoundError{What: "image", Ref: prefix}
	case 1:
		return found[0], nil
	}
	err := &AmbiguousError{Ref: prefix}
	for _, d := range found {
		err.Digests = append(err.Digests, d.Digest.String())
	}
	return v1.Descriptor{}, err
}

// inRepository says whether the local name is one of the repository.
func inRepository(local, repository string) bool {
	rest, ok := strings.CutPrefix(local, repository)
	return ok && rest != "" && (rest[0] == ':' || rest[0] == '@')
}
