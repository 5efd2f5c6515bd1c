// Package review puts what an image asks for in front of a person.
//
// A [Request] is the newest manifest attached to an image, beside what was last
// approved for the same repository and what is approved for this image now.
// [Request.Ask] collects the answers, [Request.Approve] signs and keeps them,
// [Records.Revoke] takes them back. The rules of what may be answered how are
// those of package approval; nothing here can grant more.
package review

import (
	"context"
	"errors"
	"fmt"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/least-privilege/lpm/manifest"
	"github.com/least-privilege/lpm/registry/approval"
	"github.com/least-privilege/lpm/registry/artifact"
)

// Records is where manifests and decisions are kept, and whose decisions count.
type Records struct {
	Target artifact.Target
	Ledger approval.Ledger
	Trust  approval.Trust
	// Publish is where decisions are written too, after they are kept in
	// Target; it may be nil.
	Publish artifact.Target
}

// Subject is the image a review is about.
type Subject struct {
	Digest v1.Hash
	// Repository is the full name that the image's versions share, or empty.
	Repository string
	// Name is what the person called the image, for messages.
	Name string
}

// Request is what an image asks for.
type Request struct {
	Subject Subject
	// Found is the newest valid manifest attached to the image.
	Found artifact.Found
	// Older counts valid manifests before it.
	Older int
	// Invalid are what was attached as manifests and is none.
	Invalid []artifact.Found
	// Permissions are all that is asked for, the worst first.
	Permissions []manifest.Permission

	// Grant is what the image may do now. Where it is nil, Refusal says why.
	Grant   *approval.Grant
	Refusal *approval.Refusal
	// Looked is when a registry was last asked for decisions on the image:
	// what was revoked there since is not known. Zero is never.
	Looked time.Time

	// Last is the last approval of the repository, and Before what it
	// granted; nil where nothing of it was ever approved.
	Last   *approval.Approval
	Before *manifest.Manifest
}

// NoManifestError is returned for an image that has no valid manifest.
type NoManifestError struct {
	Subject Subject
	// Invalid are what was attached as manifests and is none.
	Invalid []artifact.Found
}

func (e *NoManifestError) Error() string {
	switch len(e.Invalid) {
	case 0:
		return fmt.Sprintf("%s has no manifest of permissions", e.Subject.Name)
	case 1:
		return fmt.Sprintf("the manifest of permissions of %s is not valid: %v", e.Subject.Name, e.Invalid[0].Err)
	}
	return fmt.Sprintf("none of the %d manifests of permissions of %s is valid; the first: %v", len(e.Invalid), e.Subject.Name, e.Invalid[0].Err)
}

// Hint tells where a manifest comes from.
func (e *NoManifestError) Hint() string {
	return fmt.Sprintf("make one by watching it run, then attach it: lpm analyze %[1]s -o FILE.cue; lpm attach %[1]s FILE.cue", e.Subject.Name)
}

// Manifests returns the valid manifests attached to an image, oldest first, and
// the invalid ones. Without a valid one the error is a [*NoManifestError].
func Manifests(ctx context.Context, t artifact.Target, s Subject) (valid, invalid []artifact.Found, err error) {
	found, err := artifact.Find(ctx, t, s.Digest)
	if err != nil {
		return nil, nil, fmt.Errorf("looking for the manifests of %s: %w", s.Name, err)
	}
	for _, f := range found {
		if f.Err != nil {
			invalid = append(invalid, f)
		} else {
			valid = append(valid, f)
		}
	}
	if len(valid) == 0 {
		return nil, invalid, &NoManifestError{Subject: s, Invalid: invalid}
	}
	return valid, invalid, nil
}

// Open returns what the image asks for, with its history. Without a valid
// manifest the error is a [*NoManifestError].
func (r Records) Open(ctx context.Context, s Subject, now time.Time) (*Request, error) {
	valid, invalid, err := Manifests(ctx, r.Target, s)
	if err != nil {
		return nil, err
	}
	newest := valid[len(valid)-1]
	q := &Request{
		Subject:     s,
		Found:       newest,
		Older:       len(valid) - 1,
		Invalid:     invalid,
		Permissions: newest.Manifest.Permissions(),
	}
	quorum := r.Trust.For(s.Repository)
	remembered, err := r.Ledger.Statements(s.Repository, s.Digest, quorum)
	if err != nil {
		return nil, fmt.Errorf("looking for the approval of %s: %w", s.Name, err)
	}
	q.Grant, err = approval.Effective(ctx, r.Target, s.Digest, newest, quorum, now, remembered...)
	if refusal, ok := errors.AsType[*approval.Refusal](err); ok {
		refusal.Name = s.Name
		q.Refusal = refusal
	} else if err != nil {
		return nil, fmt.Errorf("looking for the approval of %s: %w", s.Name, err)
	}
	if q.Looked, err = r.Ledger.Looked(s.Repository, s.Digest); err != nil {
		return nil, err
	}
	if s.Repository == "" {
		return q, nil
	}
	past, err := r.Ledger.LastApproved(s.Repository, r.Trust)
	switch {
	case errors.Is(err, approval.ErrNoneApproved):
		return q, nil
	case err != nil:
		return nil, fmt.Errorf("looking for what was last approved of %s: %w", s.Repository, err)
	}
	q.Last, q.Before = past.Approval, past.Granted
	return q, nil
}

// Beyond returns what is asked for beyond what was last approved: everything,
// where nothing was.
func (q *Request) Beyond() []manifest.Permission {
	if q.Before == nil {
		return q.Permissions
	}
	return manifest.Covers(q.Before, q.Found.Manifest)
}

// Difference returns how the request differs from what was last approved. It
// is of use only where something was.
func (q *Request) Difference() manifest.Diff {
	return manifest.Compare(q.Before, q.Found.Manifest)
}
