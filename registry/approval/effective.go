package approval

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/least-privilege/lpm/manifest"
	"github.com/least-privilege/lpm/registry/approval/seal"
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
	// Digest is of the artifact that carries the bundle.
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
func Find(ctx context.Context, t artifact.Target, image v1.Hash, trust Trust) ([]Statement, error) {
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
			s.Approval, s.Err = verifyFor(image, item.Content, trust)
		}
		found = append(found, s)
	}
	slices.SortStableFunc(found, func(a, b Statement) int { return a.time().Compare(b.time()) })
	return found, nil
}

func (s Statement) time() time.Time {
	if s.Approval == nil {
		return time.Time{}
	}
	return s.Approval.Time
}

func verifyFor(image v1.Hash, bundle []byte, trust Trust) (*Approval, error) {
	a, err := Verify(bundle, trust)
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
	// Approval is the statement that decides.
	Approval *Approval
	// Statement is the digest of the artifact that carries it, and Bundle
	// what it holds.
	Statement v1.Hash
	Bundle    []byte
	// Manifest is what was asked for without what was denied.
	Manifest *manifest.Manifest
}

// Effective returns what the image may do under the manifest that was found
// for it. The newest approval of this manifest by a trusted key decides, even
// if it has ended: it took the place of those before it. The error is a
// [*Refusal] when there is no approval in force.
func Effective(ctx context.Context, t artifact.Target, image v1.Hash, found artifact.Found, trust Trust, now time.Time) (*Grant, error) {
	if found.Err != nil {
		return nil, found.Err
	}
	if len(trust.keys) == 0 {
		return nil, &Refusal{Reason: ErrNoTrust, Image: image}
	}
	statements, err := Find(ctx, t, image, trust)
	if err != nil {
		return nil, err
	}
	deciding, err := decide(statements, image, found.Digest, now)
	if err != nil {
		return nil, err
	}
	narrowed, err := deciding.Approval.apply(found.Manifest)
	if err != nil {
		return nil, fmt.Errorf("approval %s: %w", deciding.Digest, err)
	}
	return &Grant{Approval: deciding.Approval, Statement: deciding.Digest, Bundle: deciding.Bundle, Manifest: narrowed}, nil
}

// decide returns the statement in force, of statements in order of time.
func decide(statements []Statement, image, manifestDigest v1.Hash, now time.Time) (*Statement, error) {
	refuse := func(reason error, s *Statement) (*Statement, error) {
		r := &Refusal{Reason: reason, Image: image}
		if s != nil {
			r.Approval = s.Approval
		}
		for _, other := range statements {
			if other.Err != nil && !errors.Is(other.Err, ErrOtherStatement) {
				r.Ignored = append(r.Ignored, other)
			}
		}
		return nil, r
	}
	var newest, revocation *Statement
	for i := range statements {
		s := &statements[i]
		switch {
		case s.Err != nil:
		case s.Approval.Decision == Revoke:
			revocation = s
		case s.Approval.ManifestDigest == manifestDigest:
			newest = s
		}
	}
	switch {
	case newest == nil:
		return refuse(ErrNotApproved, nil)
	case revocation != nil && !newest.Approval.Time.After(revocation.Approval.Time):
		return refuse(ErrRevoked, revocation)
	case newest.Approval.Time.After(now.Add(seal.Skew)):
		return refuse(ErrNotYetValid, newest)
	case !newest.Approval.Expires.IsZero() && !now.Before(newest.Approval.Expires):
		return refuse(ErrExpired, newest)
	}
	return newest, nil
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
