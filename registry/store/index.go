package store

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Annotations of the descriptors in index.json.
const (
	// annotationName is an image's name, as the image specification defines
	// it for layouts. An image without it lost its name to a newer one.
	annotationName = "org.opencontainers.image.ref.name"
	// annotationIndex is the digest of the index that the image came from.
	annotationIndex = "com.github.least-privilege.lpm.index"
	// annotationSubject marks an artifact, and is the digest of its image.
	annotationSubject = "com.github.least-privilege.lpm.subject"
)

// maxIndex bounds index.json, in bytes; ten thousand images fit.
const maxIndex = 16 << 20

func newIndex() *v1.IndexManifest {
	return &v1.IndexManifest{
		SchemaVersion: 2,
		MediaType:     types.OCIImageIndex,
		Manifests:     []v1.Descriptor{},
	}
}

// readIndex reads index.json. It needs no lock: the file is only ever
// replaced whole.
func (s *Store) readIndex() (*v1.IndexManifest, error) {
	f, err := os.Open(s.path("index.json"))
	if err != nil {
		return nil, fmt.Errorf("reading the store's index: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxIndex+1))
	if err != nil {
		return nil, fmt.Errorf("reading the store's index: %w", err)
	}
	if len(data) > maxIndex {
		return nil, fmt.Errorf("reading the store's index: larger than %d bytes", maxIndex)
	}
	index := newIndex()
	if err := json.Unmarshal(data, index); err != nil {
		return nil, fmt.Errorf("reading the store's index: %w", err)
	}
	return index, nil
}

func (s *Store) writeIndex(index *v1.IndexManifest) error {
	data, err := json.MarshalIndent(index, "", "  ")
	if err != nil {
		return fmt.Errorf("writing the store's index: %w", err)
	}
	if len(data) > maxIndex {
		return fmt.Errorf("writing the store's index: larger than %d bytes", maxIndex)
	}
	if err := s.replaceFile("index.json", data); err != nil {
		return fmt.Errorf("writing the store's index: %w", err)
	}
	return nil
}

// updateIndex changes index.json. An error of change leaves it as it was. The
// caller holds the collection lock.
func (s *Store) updateIndex(ctx context.Context, change func(*v1.IndexManifest) error) error {
	lock, err := s.lock(ctx, lockIndex, exclusive)
	if err != nil {
		return err
	}
	defer lock.Close()
	index, err := s.readIndex()
	if err != nil {
		return err
	}
	if err := change(index); err != nil {
		return err
	}
	return s.writeIndex(index)
}

// isArtifact tells the descriptors of artifacts from those of images.
func isArtifact(d v1.Descriptor) bool { return d.Annotations[annotationSubject] != "" }

// addImage names an image. Another image that had the name stays without
// one; an entry of the same image without a name gives way to this one.
func addImage(index *v1.IndexManifest, img v1.Descriptor) {
	name := img.Annotations[annotationName]
	kept := index.Manifests[:0]
	for _, d := range index.Manifests {
		if isArtifact(d) {
			kept = append(kept, d)
			continue
		}
		if d.Annotations[annotationName] == name {
			d.Annotations = without(d.Annotations, annotationName)
		}
		if d.Digest == img.Digest && d.Annotations[annotationName] == "" {
			continue
		}
		kept = append(kept, d)
	}
	index.Manifests = append(dropDuplicates(kept), img)
}

// dropDuplicates keeps a nameless image only if nothing else names it.
func dropDuplicates(list []v1.Descriptor) []v1.Descriptor {
	held := map[v1.Hash]bool{}
	for _, d := range list {
		if !isArtifact(d) && d.Annotations[annotationName] != "" {
			held[d.Digest] = true
		}
	}
	kept := list[:0]
	for _, d := range list {
		if !isArtifact(d) && d.Annotations[annotationName] == "" {
			if held[d.Digest] {
				continue
			}
			held[d.Digest] = true
		}
		kept = append(kept, d)
	}
	return kept
}

func without(annotations map[string]string, key string) map[string]string {
	m := make(map[string]string, len(annotations))
	for k, v := range annotations {
		if k != key {
			m[k] = v
		}
	}
	if len(m) == 0 {
		return nil
	}
	return m
}
