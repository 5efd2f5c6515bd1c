package approval

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/least-privilege/lpm/manifest"
	"github.com/least-privilege/lpm/registry/artifact"
)

// Annotations of the artifact that carries a bundle, by which cosign and
// people browsing a registry know what it is.
const (
	contentAnnotation   = "dev.sigstore.bundle.content"
	predicateAnnotation = "dev.sigstore.bundle.predicateType"
)

// Save keeps a signed approval as a referrer of its image and returns the
// digest of the artifact.
func Save(ctx context.Context, t artifact.Target, a *Approval, bundle []byte) (v1.Hash, error) {
	return artifact.AttachBlob(ctx, t, a.ImageDigest, artifact.Document{
		MediaType: BundleMediaType,
		Config:    artifact.EmptyConfig,
		Content:   bundle,
		Created:   a.Time,
		Annotations: map[string]string{
			contentAnnotation:   "dsse-envelope",
			predicateAnnotation: PredicateType,
		},
	})
}

// Statement is a bundle found on an image.
type Statement struct {
	// Digest is of the artifact that carries the bundle; zero for one that is
	// remembered.
	Digest v1.Hash
	// Bundle is the bundle's bytes, when they could be read.
	Bundle []byte
	// Approval is nil when Err is not.
	Approval *Approval
	// Err says why the bundle does not count.
	Err error
}

// Find returns the bundles that refer to the image, oldest decision first;
// those that do not count have an Err. When a bundle cannot be read whole the
// error is not nil: it might be a revocation.
func Find(ctx context.Context, t artifact.Target, image v1.Hash, quorum Quorum) ([]Statement, error) {
	items, err := artifact.List(ctx, t, image, BundleMediaType, MaxBundle)
	if err != nil {
		return nil, err
	}
	var found []Statement
	for _, item := range items {
		if errors.Is(item.Err, artifact.ErrCorrupt) || errors.Is(item.Err, artifact.ErrNotFound) {
			return nil, fmt.Errorf("reading approvals: %w", item.Err)
		}
		s := Statement{Digest: item.Digest, Bundle: item.Content, Err: item.Err}
		if s.Err == nil {
			s.Approval, s.Err = verifyFor(image, item.Content, quorum)
		}
		found = append(found, s)
	}
	sortByTime(found)
	return found, nil
}

func (s Statement) time() time.Time {
	if s.Approval == nil {
		return time.Time{}
	}
	return s.Approval.Time
}

func verifyFor(image v1.Hash, bundle []byte, quorum Quorum) (*Approval, error) {
	a, err := Verify(bundle, quorum)
	if err != nil {
		return nil, err
	}
	if a.ImageDigest != image {
		return nil, fmt.Errorf("%w: it is of image %s", ErrWrongSubject, a.ImageDigest)
	}
	return a, nil
}

// Grant is what an image may do.
type Grant struct {
	// Approval is the newest of those that decide.
	Approval *Approval
	// Deciding are the statements that decide, the newest first: one, or as
	// many as the rules of trust want.
	Deciding []Statement
	// Denied is what any of them denied, sorted.
	Denied []string
	// Manifest is what was asked for without what was denied.
	Manifest *manifest.Manifest
}

// Effective returns what the image may do under the manifest that was found
// for it. quorum is that of the image's repository, and remembered are
// statements on the image that are known from elsewhere, such as those of
// [Ledger.Statements]: a registry that hides a revocation, or a newer approval,
// gains nothing by it.
//
// Of each key its newest approval of this manifest counts, and of those the
// newest decide, as many as are required, even if one has ended: it took the
// place of those before it. What one of them denied is denied. The error is a
// [*Refusal] when there is no approval in force.
func Effective(ctx context.Context, t artifact.Target, image v1.Hash, found artifact.Found, quorum Quorum, now time.Time, remembered ...Statement) (*Grant, error) {
	if found.Err != nil {
		return nil, found.Err
	}
	if len(quorum.keys) == 0 && len(quorum.elsewhere) == 0 {
		return nil, &Refusal{Reason: ErrNoTrust, Image: image}
	}
	statements, err := Find(ctx, t, image, quorum)
	if err != nil {
		return nil, err
	}
	statements = join(statements, remembered)
	deciding, err := decide(statements, image, found.Digest, quorum, now)
	if err != nil {
		return nil, err
	}
	g := &Grant{Approval: deciding[0].Approval, Deciding: deciding}
	for _, s := range deciding {
		if _, err := s.Approval.apply(found.Manifest); err != nil {
			return nil, fmt.Errorf("approval %s: %w", s.Digest, err)
		}
		g.Denied = append(g.Denied, s.Approval.Denied...)
	}
	g.Denied = sorted(g.Denied)
	if g.Manifest, err = found.Manifest.Without(g.Denied...); err != nil {
		return nil, fmt.Errorf("denying permissions: %w", err)
	}
	return g, nil
}

// join adds the statements that are remembered and not found.
func join(found, remembered []Statement) []Statement {
	for _, r := range remembered {
		if !slices.ContainsFunc(found, func(s Statement) bool { return bytes.Equal(s.Bundle, r.Bundle) }) {
			found = append(found, r)
		}
	}
	sortByTime(found)
	return found
}

func sortByTime(statements []Statement) {
	slices.SortStableFunc(statements, func(a, b Statement) int { return a.time().Compare(b.time()) })
}

// Fits proves that an approval is of the image and of the manifest that was
// found for it, and grants no more than that asks for. The error wraps
// [ErrWrongSubject], or is a [*SpecialError].
func (a *Approval) Fits(image v1.Hash, found artifact.Found) error {
	switch {
	case found.Err != nil:
		return found.Err
	case a.Decision != Approve:
		return fmt.Errorf("%w: it is a revocation", ErrWrongSubject)
	case a.ImageDigest != image:
		return fmt.Errorf("%w: it is of image %s", ErrWrongSubject, a.ImageDigest)
	case a.ManifestDigest != found.Digest:
		return fmt.Errorf("%w: it is of manifest %s", ErrWrongSubject, a.ManifestDigest)
	}
	_, err := a.apply(found.Manifest)
	return err
}

// apply returns the manifest without what was denied, after it has proved
// that these are the permissions the reviewer decided on, every one.
func (a *Approval) apply(m *manifest.Manifest) (*manifest.Manifest, error) {
	digest, err := digestOf(m)
	if err != nil {
		return nil, err
	}
	if digest != a.PermissionsDigest {
		return nil, fmt.Errorf("%w: it is of other permissions than the manifest's", ErrWrongSubject)
	}
	narrowed, err := m.Without(a.Denied...)
	if err != nil {
		return nil, fmt.Errorf("denying permissions: %w", err)
	}
	granted := narrowed.Permissions()
	// The catalogue that names permissions may have changed since: then what
	// was read and decided on is not what would be granted now.
	if !slices.Equal(ids(granted), a.Granted) {
		return nil, fmt.Errorf("%w: the permissions have other names than when they were approved", ErrWrongSubject)
	}
	if missing := unaccepted(granted, a.Accepted); len(missing) > 0 {
		return nil, &SpecialError{missing}
	}
	return narrowed, nil
}
