package artifact

import (
	"context"
	"fmt"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/least-privilege/lpm/manifest"
)

// MaxPermissions is the greatest size of a manifest of permissions, in bytes.
const MaxPermissions = 1 << 20

// Found is a manifest of permissions that refers to an image.
type Found struct {
	// Digest is of the artifact; approvals name it.
	Digest v1.Hash
	// Created is what the artifact claims.
	Created time.Time
	// Manifest is nil when Err is not.
	Manifest *manifest.Manifest
	// Err says why what was attached is no valid manifest.
	Err error
}

// Attach stores m as the newest manifest of permissions of the image subject
// and returns the artifact's digest. Attaching what is the newest already
// changes nothing and returns its digest, so that its approval stays good.
func Attach(ctx context.Context, t Target, subject v1.Hash, m *manifest.Manifest, now time.Time) (v1.Hash, error) {
	if err := m.Validate(); err != nil {
		return v1.Hash{}, fmt.Errorf("manifest to attach: %w", err)
	}
	content, err := m.Canonical()
	if err != nil {
		return v1.Hash{}, fmt.Errorf("manifest to attach: %w", err)
	}
	items, err := List(ctx, t, subject, manifest.MediaType, MaxPermissions)
	if err != nil {
		return v1.Hash{}, err
	}
	for i := len(items) - 1; i >= 0; i-- {
		if items[i].Err != nil {
			continue
		}
		if string(items[i].Content) == string(content) {
			return items[i].Digest, nil
		}
		// Whatever time the others claim, this one comes after them.
		if !now.After(items[i].Created) {
			now = items[i].Created.Add(time.Nanosecond)
		}
		break
	}
	return AttachBlob(ctx, t, subject, Document{MediaType: manifest.MediaType, Content: content, Created: now})
}

// Find returns the manifests of permissions that refer to the image subject,
// oldest first, the invalid ones among them. An error means that the list may
// be incomplete.
func Find(ctx context.Context, t Target, subject v1.Hash) ([]Found, error) {
	items, err := List(ctx, t, subject, manifest.MediaType, MaxPermissions)
	if err != nil {
		return nil, err
	}
	found := make([]Found, 0, len(items))
	for _, item := range items {
		f := Found{Digest: item.Digest, Created: item.Created, Err: item.Err}
		if f.Err == nil {
			f.Manifest, f.Err = parse(item)
		}
		found = append(found, f)
	}
	return found, nil
}

func parse(item Item) (*manifest.Manifest, error) {
	m, err := manifest.Parse(item.Content)
	if err != nil {
		return nil, &Invalid{item.Digest, err}
	}
	return m, nil
}

// Newest returns the last valid manifest of a list that [Find] returned.
func Newest(found []Found) (Found, bool) {
	for i := len(found) - 1; i >= 0; i-- {
		if found[i].Err == nil {
			return found[i], true
		}
	}
	return Found{}, false
}
