package artifact

import (
	"context"
	"fmt"
	"maps"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// memory is a target that believes everything it is told, as a hostile
// registry may seem to.
type memory struct {
	blobs     map[v1.Hash][]byte
	referrers map[v1.Hash][]v1.Descriptor
	fail      error // what Manifest and Blob return, if not nil
}

func newMemory() *memory {
	return &memory{blobs: map[v1.Hash][]byte{}, referrers: map[v1.Hash][]v1.Descriptor{}}
}

func (m *memory) Referrers(_ context.Context, subject v1.Hash) ([]v1.Descriptor, error) {
	return m.referrers[subject], nil
}

func (m *memory) Manifest(_ context.Context, digest v1.Hash) ([]byte, error) {
	if m.fail != nil {
		return nil, m.fail
	}
	raw, ok := m.blobs[digest]
	if !ok {
		return nil, fmt.Errorf("%s: %w", digest, ErrNotFound)
	}
	return raw, checkDigest(raw, digest)
}

func (m *memory) Blob(ctx context.Context, d v1.Descriptor) ([]byte, error) {
	raw, err := m.Manifest(ctx, d.Digest)
	if err != nil {
		return nil, err
	}
	return raw, checkBlob(raw, d)
}

func (m *memory) Write(_ context.Context, a Artifact) error {
	for _, b := range a.Blobs {
		m.put(b.Content)
	}
	m.put(a.Manifest)
	m.referrers[a.Subject] = append(m.referrers[a.Subject], a.Descriptor)
	return nil
}

func (m *memory) put(content []byte) v1.Hash {
	h := digestOf(content)
	m.blobs[h] = content
	return h
}

// image puts an image manifest of its own into the target.
func (m *memory) image(name string) v1.Hash { return m.put(imageManifest(name)) }

// imageManifest is an image with no layers, told apart by its name.
func imageManifest(name string) []byte {
	config := []byte("{}")
	raw, err := encodeManifest(ociManifest{
		SchemaVersion: 2,
		MediaType:     types.OCIManifestSchema1,
		Config:        describe(Blob{types.OCIConfigJSON, config}),
		Layers:        []v1.Descriptor{},
		Annotations:   map[string]string{"name": name},
	})
	if err != nil {
		panic(err)
	}
	return raw
}

// plant stores a referrer's manifest as it is given, with its document, and
// lists it as listed says.
func (m *memory) plant(subject v1.Hash, doc []byte, manifest ociManifest, listed func(*v1.Descriptor)) v1.Hash {
	m.put(doc)
	m.put([]byte("{}"))
	raw, err := encodeManifest(manifest)
	if err != nil {
		panic(err)
	}
	d := v1.Descriptor{MediaType: types.OCIManifestSchema1, Digest: m.put(raw), Size: int64(len(raw)), ArtifactType: manifest.ArtifactType}
	if listed != nil {
		listed(&d)
	}
	m.referrers[subject] = append(m.referrers[subject], d)
	return d.Digest
}

// valid is the manifest of a document of the type, referring to the subject.
func valid(subject v1.Hash, mediaType types.MediaType, doc []byte) ociManifest {
	return ociManifest{
		SchemaVersion: 2,
		MediaType:     types.OCIManifestSchema1,
		ArtifactType:  string(mediaType),
		Config:        describe(Blob{mediaType, []byte("{}")}),
		Layers:        []v1.Descriptor{describe(Blob{mediaType, doc})},
		Subject:       &v1.Descriptor{MediaType: types.OCIManifestSchema1, Digest: subject, Size: 1},
	}
}

func digests(items []Item) []v1.Hash {
	var all []v1.Hash
	for _, item := range items {
		all = append(all, item.Digest)
	}
	return all
}

func sameSet(a, b []v1.Hash) bool {
	set := func(list []v1.Hash) map[v1.Hash]bool {
		s := map[v1.Hash]bool{}
		for _, h := range list {
			s[h] = true
		}
		return s
	}
	return len(a) == len(b) && maps.Equal(set(a), set(b))
}
