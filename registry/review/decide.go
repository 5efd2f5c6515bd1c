package review

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/least-privilege/lpm/manifest"
	"github.com/least-privilege/lpm/registry/approval"
)

// UntrustedKeyError is returned for a decision that would count for nothing
// here, because the key it would be signed with is not trusted.
type UntrustedKeyError struct{ ID string }

func (e *UntrustedKeyError) Error() string {
	return fmt.Sprintf("key %.12s is not trusted, so that its decisions count for nothing here", e.ID)
}

// Hint names the command that gives trust.
func (e *UntrustedKeyError) Hint() string {
	return "trust its public half with: lpm key trust FILE.pub"
}

// ErrNothingApproved is returned when there is nothing to revoke.
var ErrNothingApproved = errors.New("nothing is approved for it")

// Approve signs the person's choice and keeps it beside the image and in the
// ledger.
func (r Records) Approve(ctx context.Context, q *Request, c approval.Choice, key *approval.PrivateKey, now time.Time) (*approval.Approval, error) {
	if q.Last != nil {
		c.ShownAgainst = q.Last.PermissionsDigest
	}
	a, err := approval.New(q.Subject.Digest, q.Subject.Repository, q.Found, c, now)
	if err != nil {
		return nil, err
	}
	return r.keep(ctx, a, key, q.Found.Manifest)
}

// Revoke voids every approval of the image by any trusted key.
func (r Records) Revoke(ctx context.Context, s Subject, name string, key *approval.PrivateKey, now time.Time) (*approval.Approval, error) {
	statements, err := approval.Find(ctx, r.Target, s.Digest, r.Trust)
	if err != nil {
		return nil, fmt.Errorf("looking for the approval of %s: %w", s.Name, err)
	}
	var newest *approval.Approval
	for _, statement := range statements {
		if statement.Err == nil {
			newest = statement.Approval
		}
	}
	if newest == nil || newest.Decision == approval.Revoke {
		return nil, fmt.Errorf("%s: %w", s.Name, ErrNothingApproved)
	}
	return r.keep(ctx, approval.NewRevocation(newest, name, now), key, nil)
}

func (r Records) keep(ctx context.Context, a *approval.Approval, key *approval.PrivateKey, m *manifest.Manifest) (*approval.Approval, error) {
	id := key.Public().ID()
	if !slices.ContainsFunc(r.Trust.Keys(), func(k approval.PublicKey) bool { return k.ID() == id }) {
		return nil, &UntrustedKeyError{ID: id}
	}
	bundle, err := approval.Sign(key, a)
	if err != nil {
		return nil, fmt.Errorf("signing the decision: %w", err)
	}
	// What is kept is what others will read.
	signed, err := approval.Verify(bundle, r.Trust)
	if err != nil {
		return nil, fmt.Errorf("reading the signed decision back: %w", err)
	}
	if _, err := approval.Save(ctx, r.Target, signed, bundle); err != nil {
		return nil, fmt.Errorf("keeping the decision: %w", err)
	}
	if err := r.Ledger.Record(signed, bundle, m); err != nil {
		return nil, err
	}
	return signed, nil
}
