// Package approval signs what a person decided about a manifest of permissions.
//
// An [Approval] binds the digest of an image, the digest of the manifest
// artifact, the permissions themselves, the decision on each of them and the
// reviewer's key. It is an in-toto Statement v1 in a DSSE envelope in a
// sigstore bundle v0.3, kept as a referrer of the image, so that cosign can
// verify it too. What a container may do is what its manifest asks for and a
// trusted key approved: [Effective] computes it, and refuses in doubt.
//
// A statement is accepted by its predicate type and its signer together. The
// newest statement of a trusted key decides; a revocation voids everything
// that was decided before it, whoever of the trusted signed it.
package approval

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/least-privilege/lpm/manifest"
	"github.com/least-privilege/lpm/registry/artifact"
)

// Decision is what the reviewer decided.
type Decision string

const (
	// Approve lets the image run with the granted permissions.
	Approve Decision = "approve"
	// Revoke voids every approval of the image that is not newer.
	Revoke Decision = "revoke"
)

// Approval is one decision of one reviewer.
type Approval struct {
	Decision Decision
	// Repository is the full name the image was reviewed under, such as
	// "docker.io/library/nginx"; or empty when it has none. It orders
	// approvals into the history of one thing and binds nothing.
	Repository string
	// ImageDigest is of the image's platform manifest.
	ImageDigest v1.Hash
	// ManifestDigest is of the artifact that holds the permissions.
	ManifestDigest v1.Hash
	// PermissionsDigest is of the canonical form of the permissions.
	PermissionsDigest v1.Hash
	// Granted and Denied are ids of permissions, sorted. Granted are all that
	// are left once those in Denied, and what depends on them, are taken out
	// of the manifest. Both are empty in a revocation.
	Granted, Denied []string
	// Accepted are those of Granted that the reviewer named one by one. Every
	// special permission in Granted is among them.
	Accepted []string
	// ShownAgainst is the digest of the permissions that were approved before
	// and to which the reviewer was shown the difference; zero when the
	// whole request was shown.
	ShownAgainst v1.Hash
	Reviewer     Reviewer
	// Time is when it was decided. Expires is when it ends; zero is never.
	Time, Expires time.Time
}

// Reviewer is who decided.
type Reviewer struct {
	// Key is the id of the public key; see [PublicKey.ID]. [Sign] sets it.
	Key string
	// Name is what the reviewer is called; it proves nothing.
	Name string
}

// Choice is what a person chose about a request.
type Choice struct {
	// Denied are ids of optional permissions that are not granted.
	Denied []string
	// Accepted are ids of special permissions that are granted, each named.
	Accepted []string
	// Whole tells that the whole request was shown, also where there is
	// something to show the difference to; otherwise ShownAgainst is as in
	// [Approval].
	Whole        bool
	ShownAgainst v1.Hash
	Name         string
	// Expires ends the approval; zero is never.
	Expires time.Time
}

// SpecialError is returned when special permissions would be granted that
// the reviewer did not name.
type SpecialError struct{ IDs []string }

func (e *SpecialError) Error() string {
	return "each special permission must be accepted by name: " + strings.Join(e.IDs, ", ")
}

// Hint shows how to accept the first.
func (e *SpecialError) Hint() string {
	return fmt.Sprintf("read what they mean with lpm inspect, then name each: --accept %s", e.IDs[0])
}

// New makes the approval of what was found for the image, ready to be signed.
// Denying a permission that is required or not asked for is an error, and so
// is granting a special one that is not accepted ([SpecialError]).
func New(image v1.Hash, repository string, found artifact.Found, c Choice, now time.Time) (*Approval, error) {
	if found.Err != nil {
		return nil, fmt.Errorf("approving an invalid manifest: %w", found.Err)
	}
	if !c.Expires.IsZero() && !c.Expires.After(now) {
		return nil, errors.New("the approval would have ended before it began")
	}
	granted, err := grant(found.Manifest, c.Denied)
	if err != nil {
		return nil, err
	}
	if missing := unaccepted(granted, c.Accepted); len(missing) > 0 {
		return nil, &SpecialError{missing}
	}
	permissions, err := digestOf(found.Manifest)
	if err != nil {
		return nil, err
	}
	a := &Approval{
		Decision:          Approve,
		Repository:        repository,
		ImageDigest:       image,
		ManifestDigest:    found.Digest,
		PermissionsDigest: permissions,
		Granted:           ids(granted),
		Denied:            sorted(c.Denied),
		Accepted:          sorted(c.Accepted),
		ShownAgainst:      c.ShownAgainst,
		Reviewer:          Reviewer{Name: c.Name},
		Time:              now.UTC(),
		Expires:           c.Expires,
	}
	if !a.Expires.IsZero() {
		a.Expires = a.Expires.UTC()
	}
	for _, id := range a.Accepted {
		if _, ok := slices.BinarySearch(a.Granted, id); !ok {
			return nil, fmt.Errorf("permission %q is accepted but not granted", id)
		}
	}
	return a, nil
}

// NewRevocation makes the revocation of an approval and of all that came
// before it for the same image. If the clock has been set back, it still
// comes after the approval.
func NewRevocation(of *Approval, name string, now time.Time) *Approval {
	at := now.UTC()
	if at.Before(of.Time) {
		at = of.Time
	}
	return &Approval{
		Decision:          Revoke,
		Repository:        of.Repository,
		ImageDigest:       of.ImageDigest,
		ManifestDigest:    of.ManifestDigest,
		PermissionsDigest: of.PermissionsDigest,
		Reviewer:          Reviewer{Name: name},
		Time:              at,
	}
}

// grant returns the permissions of m without the denied.
func grant(m *manifest.Manifest, denied []string) ([]manifest.Permission, error) {
	narrowed, err := m.Without(denied...)
	if err != nil {
		return nil, fmt.Errorf("denying permissions: %w", err)
	}
	return narrowed.Permissions(), nil
}

// unaccepted returns the special permissions that are not accepted.
func unaccepted(granted []manifest.Permission, accepted []string) []string {
	var missing []string
	for _, p := range granted {
		if p.Level == manifest.Special && !slices.Contains(accepted, p.ID) {
			missing = append(missing, p.ID)
		}
	}
	return sorted(missing)
}

func ids(permissions []manifest.Permission) []string {
	all := make([]string, 0, len(permissions))
	for _, p := range permissions {
		all = append(all, p.ID)
	}
	return sorted(all)
}

func sorted(list []string) []string {
	list = slices.Clone(list)
	slices.Sort(list)
	return slices.Compact(list)
}

func digestOf(m *manifest.Manifest) (v1.Hash, error) {
	text, err := m.Digest()
	if err != nil {
		return v1.Hash{}, fmt.Errorf("digest of the permissions: %w", err)
	}
	return parseDigest(text)
}

func parseDigest(text string) (v1.Hash, error) {
	h, err := v1.NewHash(text)
	if err != nil || h.Algorithm != "sha256" {
		return v1.Hash{}, fmt.Errorf("%q is not a sha256 digest", text)
	}
	return h, nil
}
