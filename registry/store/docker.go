package store

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// dockerImage is one element of a docker archive's manifest.json (Docker
// image specification 1.2).
type dockerImage struct {
	Config   string
	RepoTags []string
	Layers   []string
}

// readDocker lists the images of a docker archive. The archive has no image
// manifests, so one is made from its parts as they are: the same archive
// gives the same digest, whatever compressor this lpm is linked with.
func readDocker(files files, l location) ([]found, error) {
	raw, err := readSmall(files, "manifest.json")
	if err != nil {
		return nil, err
	}
	var list []dockerImage
	if err := json.Unmarshal(raw, &list); err != nil {
		return nil, fmt.Errorf("reading manifest.json: %w", err)
	}
	if len(list) == 0 {
		return nil, errors.New("its manifest.json lists no image")
	}
	var images []found
	for _, d := range list {
		src, desc, err := newDockerSource(files, d)
		if err != nil {
			return nil, err
		}
		names, err := dockerNames(d, l.path)
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			images = append(images, found{name: name, desc: desc, source: src})
		}
	}
	return images, nil
}

func dockerNames(d dockerImage, path string) ([]string, error) {
	if len(d.RepoTags) == 0 {
		name, err := sourceName(path, "")
		return []string{name}, err
	}
	names := make([]string, len(d.RepoTags))
	for i, tag := range d.RepoTags {
		name, err := localName(tag)
		if err != nil {
			return nil, err
		}
		names[i] = name
	}
	return names, nil
}

// dockerSource has the blobs of one image of a docker archive.
type dockerSource struct {
	files    files
	manifest []byte
	members  map[v1.Hash]string
}

func newDockerSource(files files, d dockerImage) (*dockerSource, v1.Descriptor, error) {
	s := &dockerSource{files: files, members: map[v1.Hash]string{}}
	config, err := s.describe(d.Config, types.OCIConfigJSON)
	if err != nil {
		return nil, v1.Descriptor{}, err
	}
	m := v1.Manifest{SchemaVersion: 2, MediaType: types.OCIManifestSchema1, Config: config, Layers: []v1.Descriptor{}}
	for _, name := range d.Layers {
		layer, err := s.describe(name, "")
		if err != nil {
			return nil, v1.Descriptor{}, err
		}
		m.Layers = append(m.Layers, layer)
	}
	if s.manifest, err = json.Marshal(m); err != nil {
		return nil, v1.Descriptor{}, err
	}
	sum := sha256.Sum256(s.manifest)
	return s, v1.Descriptor{
		MediaType: m.MediaType,
		Size:      int64(len(s.manifest)),
		Digest:    v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(sum[:])},
	}, nil
}

// describe hashes a member. A layer's media type is read off its first bytes.
func (s *dockerSource) describe(name string, mediaType types.MediaType) (v1.Descriptor, error) {
	member := path.Clean("/" + name)[1:]
	r, size, err := s.files.open(member)
	if err != nil {
		return v1.Descriptor{}, fmt.Errorf("its manifest.json names %q: %w", name, err)
	}
	defer r.Close()
	head := make([]byte, 4)
	n, err := io.ReadFull(r, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return v1.Descriptor{}, err
	}
	head = head[:n]
	if mediaType == "" {
		mediaType = layerType(head)
	}
	h, _, err := v1.SHA256(io.MultiReader(bytes.NewReader(head), r))
	if err != nil {
		return v1.Descriptor{}, fmt.Errorf("reading %q: %w", name, err)
	}
	s.members[h] = member
	return v1.Descriptor{MediaType: mediaType, Size: size, Digest: h}, nil
}

// layerType tells compressions by their magic numbers (RFC 1952, RFC 8878).
func layerType(head []byte) types.MediaType {
	switch {
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		return types.OCILayer
	case bytes.Equal(head, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		return types.OCILayerZStd
	default:
		return types.OCIUncompressedLayer
	}
}

func (s *dockerSource) document(v1.Descriptor) ([]byte, error) { return s.manifest, nil }

func (s *dockerSource) open(d v1.Descriptor) (io.ReadCloser, error) {
	r, _, err := s.files.open(s.members[d.Digest])
	return r, err
}
