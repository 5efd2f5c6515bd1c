package artifact

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

const (
	// listAttempts is how often a lost entry of a fallback tag is written
	// again before giving up.
	listAttempts = 12
	// maxBackoff bounds the pause before a list is written again: settle times
	// two to this power.
	maxBackoff = 4
	// settle is how long another writer that read the tag before this one
	// wrote it may take to overwrite it.
	settle = 150 * time.Millisecond
)

// ErrNotListed is returned when an artifact was stored in a registry but does
// not appear among the referrers of its subject.
var ErrNotListed = errors.New("the registry does not list the artifact, or other writers keep removing it")

// fallbackTag returns the tag that lists referrers where there is no API:
// distribution specification 1.1, "Referrers Tag Schema".
func fallbackTag(subject v1.Hash) string { return subject.Algorithm + "-" + subject.Hex }

// list makes sure that the referrer is listed. The answer of the API decides,
// not the OCI-Subject header of the push.
func (r *Remote) list(ctx context.Context, subject v1.Hash, d v1.Descriptor) error {
	listed, supported, err := r.askAPI(ctx, subject)
	if err != nil {
		return err
	}
	if supported && holds(listed, d.Digest) {
		return nil
	}
	return r.updateFallback(ctx, subject, d)
}

// updateFallback adds an entry to the fallback tag. Registries offer no
// atomic update: two writers can read the same list and the second will then
// drop the entry of the first. So the tag is read again after the write, at
// once and after a pause of random length, and written again as often as
// something is missing: this entry, or one of another writer that was there
// before. Writers that meet wait longer each time, each for a time of its own.
func (r *Remote) updateFallback(ctx context.Context, subject v1.Hash, d v1.Descriptor) error {
	r.tags.Lock()
	defer r.tags.Unlock()
	known := []v1.Descriptor{d}
	for attempt := range listAttempts {
		if attempt > 0 {
			if err := pause(ctx, rand.N(settle<<min(attempt, maxBackoff))); err != nil {
				return err
			}
		}
		index, err := r.readFallback(ctx, subject)
		if err != nil {
			return err
		}
		if merge(&index.Manifests, known) {
			if err := r.writeFallback(ctx, subject, index); err != nil {
				return err
			}
		}
		known = index.Manifests
		stay, err := r.stay(ctx, subject, known)
		if err != nil {
			return err
		}
		if stay {
			return nil
		}
	}
	return fmt.Errorf("tag %s of %s: %w", fallbackTag(subject), r, ErrNotListed)
}

// merge adds the entries that a list lacks, and reports whether there were some.
func merge(list *[]v1.Descriptor, known []v1.Descriptor) bool {
	n := len(*list)
	for _, d := range known {
		if !holds(*list, d.Digest) {
			*list = append(*list, d)
		}
	}
	return len(*list) > n
}

func pause(ctx context.Context, length time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(length):
		return nil
	}
}

// stay reads the tag twice and reports whether the entries were there both
// times.
func (r *Remote) stay(ctx context.Context, subject v1.Hash, entries []v1.Descriptor) (bool, error) {
	for _, length := range []time.Duration{0, settle + rand.N(settle)} {
		if err := pause(ctx, length); err != nil {
			return false, err
		}
		index, err := r.readFallback(ctx, subject)
		if err != nil {
			return false, err
		}
		if merge(&index.Manifests, entries) {
			return false, nil
		}
	}
	return true, nil
}

// readFallback reads the list under the fallback tag; without a tag it is
// empty. A tag that is no index belongs to someone else and is an error.
func (r *Remote) readFallback(ctx context.Context, subject v1.Hash) (v1.IndexManifest, error) {
	empty := v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex}
	raw, err := r.manifest(ctx, fallbackTag(subject), string(types.OCIImageIndex))
	if errors.Is(err, ErrNotFound) {
		return empty, nil
	}
	if err != nil {
		return empty, err
	}
	mediaType, err := mediaTypeOf(raw)
	if err == nil && mediaType != types.OCIImageIndex {
		err = fmt.Errorf("media type is %q, not that of an OCI index", mediaType)
	}
	if err != nil {
		return empty, fmt.Errorf("tag %s of %s: %w", fallbackTag(subject), r, err)
	}
	index, err := decodeIndex(raw)
	if err != nil {
		return empty, fmt.Errorf("tag %s of %s: %w", fallbackTag(subject), r, err)
	}
	return index, nil
}

func (r *Remote) writeFallback(ctx context.Context, subject v1.Hash, index v1.IndexManifest) error {
	if len(index.Manifests) > MaxReferrers {
		return fmt.Errorf("tag %s of %s: %w", fallbackTag(subject), r, ErrTooMany)
	}
	index.MediaType = types.OCIImageIndex
	raw, err := json.Marshal(index)
	if err != nil {
		return fmt.Errorf("encoding the list of referrers: %w", err)
	}
	return r.put(ctx, fallbackTag(subject), types.OCIImageIndex, raw)
}

func holds(list []v1.Descriptor, digest v1.Hash) bool {
	return slices.ContainsFunc(list, func(d v1.Descriptor) bool { return d.Digest == digest })
}
