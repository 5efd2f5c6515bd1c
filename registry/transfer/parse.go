package transfer

import (
	"encoding/json"
	"errors"
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// node is what a manifest says of the graph.
type node struct {
	mediaType types.MediaType
	isImage   bool
	// manifests are the children of an index, blobs those of an image.
	manifests, blobs []v1.Descriptor
	// subject is the zero value where there is none.
	subject      v1.Hash
	artifactType string
	annotations  map[string]string
}

// parse reads an image manifest or an index, in the format of OCI or of docker
// (schema 2).
func parse(raw []byte) (node, error) {
	var m struct {
		SchemaVersion int               `json:"schemaVersion"`
		MediaType     types.MediaType   `json:"mediaType"`
		ArtifactType  string            `json:"artifactType"`
		Config        *v1.Descriptor    `json:"config"`
		Layers        []v1.Descriptor   `json:"layers"`
		Manifests     []v1.Descriptor   `json:"manifests"`
		Subject       *v1.Descriptor    `json:"subject"`
		Annotations   map[string]string `json:"annotations"`
	}
	if err := json.Unmarshal(raw, &m); err != nil {
		return node{}, fmt.Errorf("decoding it: %w", err)
	}
	if m.SchemaVersion != 2 {
		return node{}, fmt.Errorf("its schemaVersion is %d, not 2", m.SchemaVersion)
	}
	n := node{mediaType: m.MediaType, artifactType: m.ArtifactType, annotations: m.Annotations}
	switch {
	case n.mediaType != "":
	case m.Config != nil:
		n.mediaType = types.OCIManifestSchema1
	default:
		n.mediaType = types.OCIImageIndex
	}
	if m.Subject != nil {
		n.subject = m.Subject.Digest
	}
	switch {
	case n.mediaType.IsIndex():
		n.manifests = m.Manifests
	case n.mediaType.IsImage() && m.Config == nil:
		return node{}, errors.New("it is an image's and names no config")
	case n.mediaType.IsImage():
		n.isImage = true
		if n.artifactType == "" {
			n.artifactType = string(m.Config.MediaType)
		}
		n.blobs = append(n.blobs, *m.Config)
		for _, d := range m.Layers {
			// Layers that must not be given away are where their URLs say.
			if d.MediaType.IsDistributable() || len(d.URLs) == 0 {
				n.blobs = append(n.blobs, d)
			}
		}
	default:
		return node{}, fmt.Errorf("its media type %q is neither an image's nor an index's", n.mediaType)
	}
	return n, n.check()
}

// check refuses descriptors that cannot be of anything.
func (n node) check() error {
	for _, list := range [][]v1.Descriptor{n.manifests, n.blobs} {
		for _, d := range list {
			if _, err := v1.NewHash(d.Digest.String()); err != nil || d.Digest.Algorithm != "sha256" || d.Size < 0 {
				return fmt.Errorf("it names %q of %d bytes, which cannot be", d.Digest, d.Size)
			}
		}
	}
	return nil
}
