package cmd

import (
	"errors"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/least-privilege/lpm/registry/approval"
	"github.com/least-privilege/lpm/registry/review"
)

// standing is what of an approval there is, in a word for programs.
type standing string

const (
	standsApproved  standing = "approved"
	standsNone      standing = "none"
	standsUntrusted standing = "untrusted" // no key is trusted
	standsRevoked   standing = "revoked"
	standsExpired   standing = "expired"
	standsFuture    standing = "future"
	// standsTooFew wants more reviewers, and standsSuperseded is an older
	// manifest than one that was approved.
	standsTooFew     standing = "too-few"
	standsSuperseded standing = "superseded"
	// standsOtherManifest and standsOtherImage are approvals of another
	// manifest of the image, and of another image of its repository.
	standsOtherManifest standing = "other-manifest"
	standsOtherImage    standing = "other-image"
)

// approvalState says whether the image may run. But for Approved and Problem
// it is about the decision that the state is of, where there is one.
type approvalState struct {
	Approved bool     `json:"approved"`
	State    standing `json:"state"`
	// Looked is when a registry was last asked for decisions on the image.
	Looked   time.Time `json:"looked,omitzero"`
	Problem  string    `json:"problem,omitempty"`
	Reviewer string    `json:"reviewer,omitempty"`
	Key      string    `json:"key,omitempty"`
	Time     time.Time `json:"time,omitzero"`
	Expires  time.Time `json:"expires,omitzero"`
	Denied   []string  `json:"denied,omitempty"`
	// With are the other keys whose approvals it took.
	With []string `json:"with,omitempty"`
	// Image and Manifest are what was approved, where that is another image or
	// another manifest.
	Image    v1.Hash `json:"image,omitzero"`
	Manifest v1.Hash `json:"manifest,omitzero"`
	// Beyond counts what is asked for and was not the last time that something
	// of the repository was approved; nil where nothing was.
	Beyond *int `json:"beyond,omitempty"`
	// Ignored are approvals on the image that do not count.
	Ignored []ignoredApproval `json:"ignored,omitempty"`

	// others are the approvals that it took beside the newest, as sentences.
	others []string
}

// ignoredApproval is an approval that does not count, and why.
type ignoredApproval struct {
	Digest v1.Hash `json:"digest"`
	Error  string  `json:"error"`
}

func stateOf(q *review.Request) approvalState {
	s := approvalState{Looked: q.Looked}
	if q.Grant != nil {
		s.grant(q.Grant)
		return s
	}
	r := q.Refusal
	s.Problem = r.Why()
	for _, other := range r.Ignored {
		s.Ignored = append(s.Ignored, ignoredApproval{other.Digest, other.Err.Error()})
	}
	if q.Last != nil {
		n := len(q.Beyond())
		s.Beyond = &n
	}
	switch {
	case errors.Is(r.Reason, approval.ErrNoTrust):
		s.State = standsUntrusted
	case errors.Is(r.Reason, approval.ErrRevoked):
		s.State = standsRevoked
		s.fill(r.Approval)
	case errors.Is(r.Reason, approval.ErrExpired):
		s.State = standsExpired
		s.fill(r.Approval)
	case errors.Is(r.Reason, approval.ErrNotYetValid):
		s.State = standsFuture
		s.fill(r.Approval)
	case errors.Is(r.Reason, approval.ErrTooFew):
		s.State = standsTooFew
	case errors.Is(r.Reason, approval.ErrSuperseded):
		s.State, s.Manifest = standsSuperseded, r.Approval.ManifestDigest
		s.fill(r.Approval)
	case r.Other != nil:
		s.State, s.Manifest = standsOtherManifest, r.Other.ManifestDigest
		s.fill(r.Other)
	case q.Last != nil && q.Last.ImageDigest != q.Subject.Digest:
		s.State, s.Image, s.Manifest = standsOtherImage, q.Last.ImageDigest, q.Last.ManifestDigest
		s.fill(q.Last)
	default:
		s.State = standsNone
	}
	return s
}

// grant fills in what approvals are in force.
func (s *approvalState) grant(g *approval.Grant) {
	s.Approved, s.State, s.Denied = true, standsApproved, g.Denied
	s.fill(g.Approval)
	for _, d := range g.Deciding {
		if d.Approval == g.Approval {
			continue
		}
		other := approvalState{State: standsApproved}
		other.fill(d.Approval)
		s.With = append(s.With, d.Approval.Reviewer.Key)
		s.others = append(s.others, other.text())
	}
}

func (s *approvalState) fill(a *approval.Approval) {
	s.Reviewer, s.Key, s.Time, s.Expires = a.Reviewer.Name, a.Reviewer.Key, a.Time, a.Expires
}

// word is the state in a word or two.
func (s approvalState) word() string {
	switch s.State {
	case standsApproved, standsRevoked, standsExpired:
		return string(s.State)
	case standsFuture:
		return "not yet in force"
	}
	return "none in force"
}

// text says the rest. What it quotes is not escaped.
func (s approvalState) text() string {
	by := " on " + s.Time.UTC().Format(dateTime) + " by " + s.by()
	switch s.State {
	case standsApproved:
		return by[1:] + until(s.Expires)
	case standsRevoked:
		return by[1:]
	case standsExpired:
		return "on " + s.Expires.UTC().Format(dateTime) + "; it was given" + by
	case standsFuture:
		return "it is dated" + by + "; compare this machine's clock with the reviewer's"
	case standsOtherManifest:
		return "another manifest of this image, " + s.Manifest.String() + ", was approved" + by + until(s.Expires)
	case standsOtherImage:
		return "another image of its repository, " + s.Image.String() + ", was approved" + by + until(s.Expires)
	}
	return s.Problem
}

// by names the reviewer. A name proves nothing, so the key is always there.
func (s approvalState) by() string {
	key := "key " + short("sha256:"+s.Key)
	if s.Reviewer == "" {
		return key
	}
	return s.Reviewer + ", " + key
}

func until(expires time.Time) string {
	if expires.IsZero() {
		return ""
	}
	return ", until " + expires.UTC().Format(dateTime)
}

// asOf says how old what is known of revocations is; empty where no registry was
// asked.
func (s approvalState) asOf(now time.Time) string {
	if s.Looked.IsZero() {
		return ""
	}
	age := "just now"
	const day = 24 * time.Hour
	switch old := now.Sub(s.Looked); {
	case old >= 2*day:
		age = count(int(old/day), "day") + " ago"
	case old >= 2*time.Hour:
		age = count(int(old/time.Hour), "hour") + " ago"
	case old >= 2*time.Minute:
		age = count(int(old/time.Minute), "minute") + " ago"
	}
	return s.Looked.UTC().Format(dateTime) + " (" + age + "), when its registry was last asked for decisions"
}

// news says how what is asked for stands to what was last approved; empty where
// nothing was or the image is approved.
func (s approvalState) news() string {
	switch {
	case s.Beyond == nil:
		return ""
	case *s.Beyond == 0:
		return "it asks for nothing new since the last approval of its repository"
	}
	return "beyond the last approval of its repository it asks for " + count(*s.Beyond, "permission") + ", which lpm diff shows"
}
