package review

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/least-privilege/lpm/manifest"
	"github.com/least-privilege/lpm/registry/approval"
	"github.com/least-privilege/lpm/registry/artifact"
)

// UntrustedKeyError is returned for a decision that would count for nothing
// here, because the key it would be signed with is not trusted.
type UntrustedKeyError struct {
	ID string
	// Repository is set where the key is trusted, but not for this.
	Repository string
}

func (e *UntrustedKeyError) Error() string {
	if e.Repository != "" {
		return fmt.Sprintf("key %.12s is not one of those that decide about %s here", e.ID, e.Repository)
	}
	return fmt.Sprintf("key %.12s is not trusted, so that its decisions count for nothing here", e.ID)
}

// Hint names the command that gives trust.
func (e *UntrustedKeyError) Hint() string {
	if e.Repository != "" {
		return "the rules beside the trusted keys say whose decisions count; see: lpm key list"
	}
	return "trust its public half with: lpm key trust FILE.pub"
}

// ErrNothingApproved is returned when there is nothing to revoke.
var ErrNothingApproved = errors.New("nothing is approved for it")

// Approve signs the person's choice and keeps it beside the image and in the
// ledger. Where the request is no longer what is there, nothing is signed and
// the error is a [*ChangedError].
func (r Records) Approve(ctx context.Context, q *Request, c approval.Choice, key *approval.PrivateKey, now time.Time) (*approval.Approval, error) {
	if q.Last != nil && !c.Whole {
		c.ShownAgainst = q.Last.PermissionsDigest
	}
	a, err := approval.New(q.Subject.Digest, q.Subject.Repository, q.Found, c, now)
	if err != nil {
		return nil, err
	}
	if err := r.unchanged(ctx, q, now); err != nil {
		return nil, err
	}
	return r.keep(ctx, a, key, q.Found.Manifest)
}

// Revoke voids every approval of the image by any trusted key.
func (r Records) Revoke(ctx context.Context, s Subject, name string, key *approval.PrivateKey, now time.Time) (*approval.Approval, error) {
	quorum := r.Trust.For(s.Repository)
	statements, err := approval.Find(ctx, r.Target, s.Digest, quorum)
	if err != nil {
		return nil, fmt.Errorf("looking for the approval of %s: %w", s.Name, err)
	}
	// What is remembered lets the image run too.
	remembered, err := r.Ledger.Statements(s.Repository, s.Digest, quorum)
	if err != nil {
		return nil, fmt.Errorf("looking for the approval of %s: %w", s.Name, err)
	}
	var newest *approval.Approval
	for _, statement := range append(statements, remembered...) {
		if statement.Err == nil && (newest == nil || !statement.Approval.Time.Before(newest.Time)) {
			newest = statement.Approval
		}
	}
	if newest == nil || newest.Decision == approval.Revoke {
		return nil, fmt.Errorf("%s: %w", s.Name, ErrNothingApproved)
	}
	return r.keep(ctx, approval.NewRevocation(newest, name, now), key, nil)
}

// Draft returns the statement of the person's choice for another tool to sign
// with the private half of key; [Records.Keep] takes what that tool made of it.
// As for [Records.Approve], the request has to be what is there.
func (r Records) Draft(ctx context.Context, q *Request, c approval.Choice, key approval.PublicKey, now time.Time) ([]byte, error) {
	if q.Last != nil && !c.Whole {
		c.ShownAgainst = q.Last.PermissionsDigest
	}
	a, err := approval.New(q.Subject.Digest, q.Subject.Repository, q.Found, c, now)
	if err != nil {
		return nil, err
	}
	if err := r.mayDecide(key.ID(), a.Repository); err != nil {
		return nil, err
	}
	if err := r.unchanged(ctx, q, now); err != nil {
		return nil, err
	}
	return approval.Draft(key, a)
}

// Keep keeps an approval of the request that was signed elsewhere, in the form
// in which [approval.Import] takes it. It has to be of this image and manifest, by a key whose decisions count.
func (r Records) Keep(ctx context.Context, q *Request, signed []byte) (*approval.Approval, error) {
	bundle, a, err := approval.Import(signed, r.Trust.For(q.Subject.Repository))
	if err != nil {
		return nil, err
	}
	if err := a.Fits(q.Subject.Digest, q.Found); err != nil {
		return nil, err
	}
	return a, r.save(ctx, q.Subject.Repository, a, bundle, q.Found.Manifest)
}

func (r Records) keep(ctx context.Context, a *approval.Approval, key *approval.PrivateKey, m *manifest.Manifest) (*approval.Approval, error) {
	if err := r.mayDecide(key.Public().ID(), a.Repository); err != nil {
		return nil, err
	}
	bundle, err := approval.Sign(key, a)
	if err != nil {
		return nil, fmt.Errorf("signing the decision: %w", err)
	}
	// What is kept is what others will read.
	signed, err := approval.Verify(bundle, r.Trust.For(a.Repository))
	if err != nil {
		return nil, fmt.Errorf("reading the signed decision back: %w", err)
	}
	return signed, r.save(ctx, a.Repository, signed, bundle, m)
}

// mayDecide holds a key against those whose decisions count.
func (r Records) mayDecide(key, repository string) error {
	if r.Trust.For(repository).Has(key) {
		return nil
	}
	untrusted := &UntrustedKeyError{ID: key}
	if slices.ContainsFunc(r.Trust.Keys(), func(k approval.PublicKey) bool { return k.ID() == key }) {
		untrusted.Repository = repository
	}
	return untrusted
}

// save keeps a decision here, and then publishes it where that is wanted.
func (r Records) save(ctx context.Context, repository string, a *approval.Approval, bundle []byte, m *manifest.Manifest) error {
	if _, err := approval.Save(ctx, r.Target, a, bundle); err != nil {
		return fmt.Errorf("keeping the decision: %w", err)
	}
	if err := r.Ledger.Record(repository, a, bundle, m); err != nil {
		return err
	}
	if r.Publish == nil {
		return nil
	}
	if _, err := approval.Save(ctx, r.Publish, a, bundle); err != nil {
		return &NotPublishedError{err}
	}
	return nil
}

// NotPublishedError is returned for a decision that counts here, and that a
// registry did not take.
type NotPublishedError struct{ Err error }

func (e *NotPublishedError) Error() string {
	return fmt.Sprintf("it is decided here, and not published: %v", e.Err)
}

// Unwrap returns what went wrong.
func (e *NotPublishedError) Unwrap() error { return e.Err }

// Remember puts the decisions that came with an image into the ledger, so that
// they are known when a registry has forgotten them. now is the time at which
// a registry was asked; zero where none was.
func (r Records) Remember(ctx context.Context, s Subject, now time.Time) error {
	statements, err := approval.Find(ctx, r.Target, s.Digest, r.Trust.For(s.Repository))
	if err != nil {
		return fmt.Errorf("looking for the approval of %s: %w", s.Name, err)
	}
	found, err := artifact.Find(ctx, r.Target, s.Digest)
	if err != nil {
		return fmt.Errorf("looking for the manifests of %s: %w", s.Name, err)
	}
	for _, statement := range statements {
		if statement.Err != nil {
			continue
		}
		a := statement.Approval
		var asked *manifest.Manifest
		if i := slices.IndexFunc(found, func(f artifact.Found) bool { return f.Digest == a.ManifestDigest && f.Err == nil }); i >= 0 {
			asked = found[i].Manifest
		}
		if err := r.Ledger.Record(s.Repository, a, statement.Bundle, asked); err != nil {
			return err
		}
	}
	if now.IsZero() {
		return nil
	}
	return r.Ledger.Look(s.Repository, s.Digest, now)
}
