package artifact

import (
	"context"
	"fmt"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/least-privilege/lpm/registry/reference"
)

// PlatformError is returned when an index has no image for the architecture.
type PlatformError struct {
	Architecture string
	// Available lists the platforms that the index has.
	Available []string
}

func (e *PlatformError) Error() string {
	return fmt.Sprintf("there is no image for linux/%s among %q", e.Architecture, strings.Join(e.Available, ", "))
}

// Resolve returns the digest of the platform manifest that a reference names
// in the repository: an index is resolved to its image for linux on the
// architecture ("amd64" or "arm64"). When the reference has a digest, what
// the registry answers is held against it.
func (r *Remote) Resolve(ctx context.Context, ref reference.Reference, architecture string) (v1.Hash, error) {
	raw, err := r.named(ctx, ref)
	if err != nil {
		return v1.Hash{}, fmt.Errorf("resolving %s: %w", ref, err)
	}
	digest := digestOf(raw)
	mediaType, err := mediaTypeOf(raw)
	if err != nil {
		return v1.Hash{}, fmt.Errorf("resolving %s: %w", ref, err)
	}
	switch {
	case mediaType.IsImage():
		return digest, nil
	case mediaType.IsIndex():
		return choosePlatform(raw, architecture)
	}
	return v1.Hash{}, fmt.Errorf("resolving %s: media type %q is neither an image nor an index", ref, mediaType)
}

func choosePlatform(raw []byte, architecture string) (v1.Hash, error) {
	index, err := decodeIndex(raw)
	if err != nil {
		return v1.Hash{}, err
	}
	missing := &PlatformError{Architecture: architecture}
	for _, d := range index.Manifests {
		if d.Platform == nil || !d.MediaType.IsImage() {
			continue
		}
		// Attestations of builders sit in indexes as platform unknown/unknown.
		if d.Platform.OS == "linux" && d.Platform.Architecture == architecture {
			return d.Digest, nil
		}
		missing.Available = append(missing.Available, d.Platform.OS+"/"+d.Platform.Architecture)
	}
	return v1.Hash{}, missing
}
