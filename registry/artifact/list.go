package artifact

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"golang.org/x/sync/errgroup"
)

// Item is one referrer of an image.
type Item struct {
	// Digest is of the artifact's manifest.
	Digest v1.Hash
	// Created is what the artifact claims; zero when it claims nothing. It
	// orders artifacts and decides nothing.
	Created time.Time
	// Content is the document, when Err is nil.
	Content []byte
	// Raw is the bytes of the artifact's manifest, when they could be read.
	Raw []byte
	// Err says why this referrer is not a valid document of its type. It is
	// kept, so that a person sees that something was attached that is none.
	Err error
}

// Invalid is the error of a referrer whose content is wrong, as opposed to
// one that could not be read.
type Invalid struct {
	Digest v1.Hash
	Err    error
}

func (e *Invalid) Error() string { return fmt.Sprintf("artifact %s: %v", e.Digest, e.Err) }

// Unwrap returns what is wrong with the artifact.
func (e *Invalid) Unwrap() error { return e.Err }

// List returns the referrers of subject that have the media type, oldest
// first. Those with a content that is wrong, or that is not what its digest
// names, are in the list with their Err. An error means that the list may be
// incomplete: nothing must be decided on what was found.
//
// No document larger than limit bytes, or than [MaxDocument], is read.
func List(ctx context.Context, t Source, subject v1.Hash, mediaType types.MediaType, limit int64) ([]Item, error) {
	listed, err := t.Referrers(ctx, subject)
	if err != nil {
		return nil, fmt.Errorf("listing what refers to %s: %w", subject, err)
	}
	if len(listed) > MaxReferrers {
		return nil, fmt.Errorf("listing what refers to %s: %w", subject, ErrTooMany)
	}
	seen := make(map[v1.Hash]bool)
	listed = slices.DeleteFunc(slices.Clone(listed), func(d v1.Descriptor) bool {
		drop := seen[d.Digest] || !mayHaveType(d, mediaType)
		seen[d.Digest] = true
		return drop
	})
	items, err := readAll(ctx, t, subject, listed, mediaType, min(limit, MaxDocument))
	if err != nil {
		return nil, err
	}
	slices.SortFunc(items, func(a, b Item) int {
		return cmp.Or(a.Created.Compare(b.Created), cmp.Compare(a.Digest.Hex, b.Digest.Hex))
	})
	return items, nil
}

// readAll reads the referrers that are listed, several at once.
func readAll(ctx context.Context, t Source, subject v1.Hash, listed []v1.Descriptor, mediaType types.MediaType, limit int64) ([]Item, error) {
	all, wanted := make([]Item, len(listed)), make([]bool, len(listed))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallel)
	if _, counts := t.(*within); counts {
		g.SetLimit(1)
	}
	for i, d := range listed {
		g.Go(func() (err error) {
			all[i], wanted[i], err = read(ctx, t, subject, d.Digest, mediaType, limit)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	var items []Item
	for i, item := range all {
		if wanted[i] {
			items = append(items, item)
		}
	}
	return items, nil
}

// mayHaveType tells whether a listed referrer is worth reading. Registries
// disagree on what artifactType means: some leave it out, some put the
// config's media type there even if the manifest says otherwise.
func mayHaveType(d v1.Descriptor, mediaType types.MediaType) bool {
	if d.MediaType != "" && d.MediaType != types.OCIManifestSchema1 {
		return false
	}
	switch d.ArtifactType {
	case "", string(mediaType), EmptyConfig:
		return true
	}
	return false
}

// read returns the referrer with the digest. It is not wanted when its own
// manifest says that it is of another type. The error is nil for whatever the
// referrer's author could have caused.
func read(ctx context.Context, t Source, subject, digest v1.Hash, mediaType types.MediaType, limit int64) (item Item, wanted bool, err error) {
	item.Digest = digest
	invalid := func(err error) (Item, bool, error) {
		item.Err = &Invalid{digest, err}
		return item, true, nil
	}
	item.Raw, err = t.Manifest(ctx, digest)
	if err != nil {
		if isContentError(err) {
			return invalid(fmt.Errorf("reading its manifest: %w", err))
		}
		return item, false, fmt.Errorf("reading the manifest of artifact %s: %w", digest, err)
	}
	m, err := decodeManifest(item.Raw)
	if err != nil {
		return invalid(err)
	}
	if m.effectiveType() != mediaType {
		return item, false, nil
	}
	item.Created, err = created(m)
	if err != nil {
		return invalid(err)
	}
	layer, err := checkManifest(m, subject, mediaType, limit)
	if err != nil {
		return invalid(err)
	}
	content, err := document(ctx, t, layer)
	if err != nil {
		if isContentError(err) {
			return invalid(fmt.Errorf("reading its document: %w", err))
		}
		return item, false, fmt.Errorf("reading the document of artifact %s: %w", digest, err)
	}
	item.Content = content
	return item, true, nil
}

// document returns what a layer holds. A descriptor can have it within itself,
// which saves a request.
func document(ctx context.Context, t Source, layer v1.Descriptor) ([]byte, error) {
	if len(layer.Data) > 0 {
		if w, counts := t.(*within); counts {
			if err := w.spend(layer.Size); err != nil {
				return nil, err
			}
		}
		return layer.Data, checkBlob(layer.Data, layer)
	}
	return t.Blob(ctx, layer)
}

// checkManifest returns the descriptor of the one layer.
func checkManifest(m ociManifest, subject v1.Hash, mediaType types.MediaType, limit int64) (v1.Descriptor, error) {
	var none v1.Descriptor
	switch {
	case m.Subject == nil:
		return none, errors.New("it has no subject")
	case m.Subject.Digest != subject:
		return none, fmt.Errorf("its subject is %s", m.Subject.Digest)
	case m.Config.MediaType != mediaType && m.Config.MediaType != EmptyConfig:
		return none, fmt.Errorf("its config is %q", m.Config.MediaType)
	case len(m.Layers) != 1:
		return none, fmt.Errorf("it has %d layers, not one", len(m.Layers))
	}
	layer := m.Layers[0]
	switch {
	case layer.MediaType != mediaType:
		return none, fmt.Errorf("its layer is %q", layer.MediaType)
	case layer.Size < 0 || layer.Size > limit:
		return none, fmt.Errorf("its document has %d bytes, of at most %d: %w", layer.Size, limit, ErrTooLarge)
	}
	return layer, nil
}

// created reads the annotation. Years beyond 9000 are refused, since nothing
// could be attached after them.
func created(m ociManifest) (time.Time, error) {
	text, ok := m.Annotations[createdAnnotation]
	if !ok {
		return time.Time{}, nil
	}
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return time.Time{}, errors.New("its time of creation is not in RFC 3339")
	}
	if at.Year() > 9000 {
		return time.Time{}, errors.New("its time of creation is absurd")
	}
	return at, nil
}

// isContentError tells what an author of referrers can cause (a listed
// artifact that is not there, is something else, or is too large) from a
// target that could not be read.
func isContentError(err error) bool {
	return errors.Is(err, ErrNotFound) || errors.Is(err, ErrCorrupt) || errors.Is(err, ErrTooLarge)
}
