package artifact

import (
	"context"
	"errors"
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/least-privilege/lpm/manifest"
)

// ByDigest returns the manifest of permissions that is attached under a digest
// of its own, whichever image it is for, the newest or not. The error is
// [ErrNotFound] where the target has nothing of the digest, or something else.
// For a manifest that is not valid it is an [*Invalid], and [ErrCorrupt] for
// content that is not what the digest names.
func ByDigest(ctx context.Context, t Source, digest v1.Hash) (*manifest.Manifest, error) {
	none := fmt.Errorf("manifest of permissions %s: %w", digest, ErrNotFound)
	raw, err := t.Manifest(ctx, digest)
	if errors.Is(err, ErrNotFound) || errors.Is(err, ErrTooLarge) {
		return nil, none
	}
	if err != nil {
		return nil, fmt.Errorf("reading artifact %s: %w", digest, err)
	}
	m, err := decodeManifest(raw)
	if err != nil || m.Subject == nil || m.effectiveType() != manifest.MediaType {
		return nil, none
	}
	item, _, err := read(ctx, t, m.Subject.Digest, digest, manifest.MediaType, MaxPermissions)
	if err != nil {
		return nil, err
	}
	if item.Err != nil {
		return nil, item.Err
	}
	return parse(item)
}
