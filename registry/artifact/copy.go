package artifact

import (
	"context"
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Copy copies the valid referrers of subject that have the media type from
// one place to another, byte for byte, so that digests stay the same. It
// returns how many the second target did not have before. Referrers that are
// not valid are left behind.
func Copy(ctx context.Context, from Source, to Target, subject v1.Hash, mediaType types.MediaType, limit int64) (int, error) {
	items, err := List(ctx, from, subject, mediaType, limit)
	if err != nil {
		return 0, err
	}
	have, err := List(ctx, to, subject, mediaType, limit)
	if err != nil {
		return 0, err
	}
	present := make(map[v1.Hash]bool)
	for _, item := range have {
		present[item.Digest] = item.Err == nil
	}
	copied := 0
	for _, item := range items {
		if item.Err != nil || present[item.Digest] {
			continue
		}
		a, err := rebuild(ctx, from, subject, item)
		if isContentError(err) {
			continue
		}
		if err != nil {
			return copied, err
		}
		if err := to.Write(ctx, a); err != nil {
			return copied, fmt.Errorf("copying artifact %s: %w", item.Digest, err)
		}
		copied++
	}
	return copied, nil
}

// rebuild makes an artifact of an item that was read.
func rebuild(ctx context.Context, from Source, subject v1.Hash, item Item) (Artifact, error) {
	m, err := decodeManifest(item.Raw)
	if err != nil {
		return Artifact{}, fmt.Errorf("artifact %s: %w", item.Digest, err)
	}
	if m.Config.Size < 0 || m.Config.Size > MaxManifest {
		return Artifact{}, fmt.Errorf("config of artifact %s: %w", item.Digest, ErrTooLarge)
	}
	config := []byte("{}")
	if m.Config.Digest != digestOf(config) {
		config, err = from.Blob(ctx, m.Config)
	}
	if err != nil {
		return Artifact{}, fmt.Errorf("reading the config of artifact %s: %w", item.Digest, err)
	}
	return Artifact{
		Subject: subject,
		Descriptor: v1.Descriptor{
			MediaType:    types.OCIManifestSchema1,
			ArtifactType: string(m.effectiveType()),
			Digest:       item.Digest,
			Size:         int64(len(item.Raw)),
			Annotations:  m.Annotations,
		},
		Manifest: item.Raw,
		Blobs: []Blob{
			{MediaType: m.Config.MediaType, Content: config},
			{MediaType: m.Layers[0].MediaType, Content: item.Content},
		},
	}, nil
}
