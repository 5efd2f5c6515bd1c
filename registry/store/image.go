package store

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Image is an image in the store, for one platform.
type Image struct {
	// Name is "repository:tag" or "repository@digest"; empty when a newer
	// image took the name.
	Name string `json:"name"`
	// Digest is that of the platform's image manifest, never of an index.
	Digest v1.Hash `json:"digest"`
	// Size is the sum of the layers as they are stored, in bytes.
	Size int64 `json:"size"`
	// Created is when the image was built, by its own account; zero if it
	// does not say.
	Created      time.Time `json:"created"`
	Architecture string    `json:"architecture"`
}

// ref is the image's name, or its digest when it has none.
func (i Image) ref() string {
	if i.Name != "" {
		return i.Name
	}
	return i.Digest.String()
}

// Images lists the images by name, those without one last. An image with
// several names is listed under each.
func (s *Store) Images() ([]Image, error) {
	index, err := s.readIndex()
	if err != nil {
		return nil, err
	}
	images := []Image{}
	for _, d := range index.Manifests {
		if isArtifact(d) {
			continue
		}
		img, err := s.describe(d)
		if err != nil {
			return nil, err
		}
		images = append(images, img)
	}
	slices.SortFunc(images, func(a, b Image) int {
		if (a.Name == "") != (b.Name == "") {
			return cmp.Compare(len(b.Name), len(a.Name))
		}
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Digest.Hex, b.Digest.Hex))
	})
	return images, nil
}

// describe reads what an Image says beyond its descriptor.
func (s *Store) describe(d v1.Descriptor) (Image, error) {
	img := Image{Name: d.Annotations[annotationName], Digest: d.Digest}
	m, err := s.Manifest(img)
	if err != nil {
		return Image{}, err
	}
	c, err := s.Config(img)
	if err != nil {
		return Image{}, err
	}
	for _, l := range m.Layers {
		img.Size += l.Size
	}
	img.Created = c.Created.Time
	img.Architecture = c.Architecture
	return img, nil
}

// Manifest reads the image's manifest, held against its digest.
func (s *Store) Manifest(img Image) (*v1.Manifest, error) {
	raw, err := s.ReadBlob(img.Digest, maxDocument)
	if err != nil {
		return nil, &DamagedError{Ref: img.ref(), Err: err}
	}
	m, err := v1.ParseManifest(bytes.NewReader(raw))
	if err != nil {
		return nil, &DamagedError{Ref: img.ref(), Err: fmt.Errorf("reading the manifest: %w", err)}
	}
	return m, nil
}

// Config reads the image's config, held against its digest.
func (s *Store) Config(img Image) (*v1.ConfigFile, error) {
	m, err := s.Manifest(img)
	if err != nil {
		return nil, err
	}
	raw, err := s.ReadBlob(m.Config.Digest, maxDocument)
	if err != nil {
		return nil, &DamagedError{Ref: img.ref(), Err: err}
	}
	c, err := v1.ParseConfigFile(bytes.NewReader(raw))
	if err != nil {
		return nil, &DamagedError{Ref: img.ref(), Err: fmt.Errorf("reading the config: %w", err)}
	}
	return c, nil
}

// Descriptor is the descriptor of the image's manifest, as an artifact names
// it for its subject.
func (s *Store) Descriptor(img Image) (v1.Descriptor, error) {
	index, err := s.readIndex()
	if err != nil {
		return v1.Descriptor{}, err
	}
	for _, d := range index.Manifests {
		if !isArtifact(d) && d.Digest == img.Digest {
			return v1.Descriptor{MediaType: d.MediaType, Size: d.Size, Digest: d.Digest}, nil
		}
	}
	return v1.Descriptor{}, &NotFoundError{What: "image", Ref: img.ref()}
}
