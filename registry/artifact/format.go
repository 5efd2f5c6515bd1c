package artifact

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// ociManifest is the part of an OCI image manifest that artifacts use, in the
// order of the specification, so that the bytes written are always the same.
type ociManifest struct {
	SchemaVersion int               `json:"schemaVersion"`
	MediaType     types.MediaType   `json:"mediaType,omitempty"`
	ArtifactType  string            `json:"artifactType,omitempty"`
	Config        v1.Descriptor     `json:"config"`
	Layers        []v1.Descriptor   `json:"layers"`
	Subject       *v1.Descriptor    `json:"subject,omitempty"`
	Annotations   map[string]string `json:"annotations,omitempty"`
}

// effectiveType returns the artifact's type as the specification derives it: the
// artifactType, or the config's media type where there is none.
func (m ociManifest) effectiveType() types.MediaType {
	if m.ArtifactType != "" {
		return types.MediaType(m.ArtifactType)
	}
	return m.Config.MediaType
}

func encodeManifest(m ociManifest) ([]byte, error) {
	raw, err := json.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("encoding the artifact's manifest: %w", err)
	}
	if len(raw) > MaxManifest {
		return nil, fmt.Errorf("artifact manifest of %d bytes: %w", len(raw), ErrTooLarge)
	}
	return raw, nil
}

// decodeManifest reads an image manifest whose layers may be a document.
func decodeManifest(raw []byte) (ociManifest, error) {
	var m ociManifest
	if len(raw) > MaxManifest {
		return m, fmt.Errorf("manifest of %d bytes: %w", len(raw), ErrTooLarge)
	}
	if err := json.Unmarshal(raw, &m); err != nil {
		return m, fmt.Errorf("decoding a manifest: %w", err)
	}
	if m.SchemaVersion != 2 {
		return m, fmt.Errorf("schemaVersion is %d, not 2", m.SchemaVersion)
	}
	if m.MediaType != "" && m.MediaType != types.OCIManifestSchema1 {
		return m, fmt.Errorf("media type is %q, not that of an OCI image manifest", m.MediaType)
	}
	return m, nil
}

// decodeIndex reads a list of manifests: an image's platforms, or referrers.
func decodeIndex(raw []byte) (v1.IndexManifest, error) {
	var index v1.IndexManifest
	if len(raw) > MaxManifest {
		return index, fmt.Errorf("index of %d bytes: %w", len(raw), ErrTooLarge)
	}
	if err := json.Unmarshal(raw, &index); err != nil {
		return index, fmt.Errorf("decoding an index: %w", err)
	}
	if index.SchemaVersion != 2 {
		return index, fmt.Errorf("schemaVersion of an index is %d, not 2", index.SchemaVersion)
	}
	if index.MediaType != "" && !index.MediaType.IsIndex() {
		return index, fmt.Errorf("media type is %q, not that of an index", index.MediaType)
	}
	return index, nil
}

// mediaTypeOf tells an image from an index by the manifest's own words.
func mediaTypeOf(raw []byte) (types.MediaType, error) {
	var m struct {
		MediaType types.MediaType   `json:"mediaType"`
		Manifests []json.RawMessage `json:"manifests"`
	}
	if err := json.Unmarshal(raw, &m); err != nil {
		return "", fmt.Errorf("decoding a manifest: %w", err)
	}
	switch {
	case m.MediaType != "":
		return m.MediaType, nil
	case m.Manifests != nil:
		return types.OCIImageIndex, nil
	default:
		return types.OCIManifestSchema1, nil
	}
}

// IndexError is returned when an artifact is asked for an index: permissions
// belong to the image of one platform.
type IndexError struct{ Digest v1.Hash }

func (e *IndexError) Error() string {
	return e.Digest.String() + " is an index of several platforms, not an image"
}

// Hint says what to name in its place.
func (e *IndexError) Hint() string {
	return "name the image of one platform by its digest, or pull it first"
}

// describeSubject reads the subject from the target, which proves that it is
// there and is an image of one platform.
func describeSubject(ctx context.Context, t Target, subject v1.Hash) (v1.Descriptor, error) {
	raw, err := t.Manifest(ctx, subject)
	if err != nil {
		return v1.Descriptor{}, fmt.Errorf("reading the image: %w", err)
	}
	mediaType, err := mediaTypeOf(raw)
	if err != nil {
		return v1.Descriptor{}, fmt.Errorf("image %s: %w", subject, err)
	}
	if mediaType.IsIndex() {
		return v1.Descriptor{}, &IndexError{subject}
	}
	if !mediaType.IsImage() {
		return v1.Descriptor{}, fmt.Errorf("image %s has media type %q, which is not an image's", subject, mediaType)
	}
	return v1.Descriptor{MediaType: mediaType, Digest: subject, Size: int64(len(raw))}, nil
}

func describe(b Blob) v1.Descriptor {
	return v1.Descriptor{MediaType: b.MediaType, Digest: digestOf(b.Content), Size: int64(len(b.Content))}
}

func digestOf(content []byte) v1.Hash {
	sum := sha256.Sum256(content)
	return v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(sum[:])}
}

// checkDigest returns [ErrCorrupt] unless content has the digest.
func checkDigest(content []byte, want v1.Hash) error {
	if got := digestOf(content); got != want {
		return fmt.Errorf("%s: %w: it is %s", want, ErrCorrupt, got)
	}
	return nil
}

// checkBlob returns an error unless content is the blob that d describes.
func checkBlob(content []byte, d v1.Descriptor) error {
	if int64(len(content)) != d.Size {
		return fmt.Errorf("%s: %w: %d bytes in place of %d", d.Digest, ErrCorrupt, len(content), d.Size)
	}
	return checkDigest(content, d.Digest)
}
