package approval

import (
	"errors"
	"slices"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/least-privilege/lpm/registry/approval/seal"
)

// decide returns the statements in force, the newest first, of statements in
// order of time.
func decide(statements []Statement, image, manifestDigest v1.Hash, quorum Quorum, now time.Time) ([]Statement, error) {
	revocation := newestRevocation(statements)
	approvals, voided := standing(statements, manifestDigest, revocation)
	refusal := &Refusal{Image: image}
	for _, s := range statements {
		if s.Err != nil && !errors.Is(s.Err, ErrOtherStatement) {
			refusal.Ignored = append(refusal.Ignored, s)
		}
	}
	if len(approvals) == 0 {
		if voided {
			refusal.Reason, refusal.Approval = ErrRevoked, revocation.Approval
		} else {
			refusal.Reason, refusal.Other = ErrNotApproved, ofOther(statements, manifestDigest, revocation)
		}
		return nil, refusal
	}
	deciding, short := quorum.pick(approvals)
	if short != nil {
		refusal.Reason, refusal.Requirement = ErrTooFew, *short
		refusal.Have = len(short.of(approvals))
		return nil, refusal
	}
	for _, s := range deciding {
		if reason := ended(s.Approval, now); reason != nil {
			refusal.Reason, refusal.Approval = reason, s.Approval
			return nil, refusal
		}
	}
	if later := successor(statements, manifestDigest, quorum, revocation, deciding[0].time()); later != nil {
		refusal.Reason, refusal.Approval = ErrSuperseded, later
		return nil, refusal
	}
	return deciding, nil
}

// ofOther returns the newest approval of another manifest that was not revoked,
// of statements in order of time; nil for none.
func ofOther(statements []Statement, than v1.Hash, revocation *Statement) *Approval {
	for _, s := range slices.Backward(statements) {
		if s.Err != nil || s.Approval.Decision != Approve || s.Approval.ManifestDigest == than {
			continue
		}
		if revocation == nil || s.Approval.Time.After(revocation.Approval.Time) {
			return s.Approval
		}
	}
	return nil
}

// pick returns the newest approvals that meet every requirement, the newest
// first, of approvals in that order; or the requirement that is not met.
func (q Quorum) pick(approvals []Statement) ([]Statement, *Requirement) {
	var picked []Statement
	for i, r := range q.requirements {
		of := r.of(approvals)
		if len(of) < r.Threshold {
			return nil, &q.requirements[i]
		}
		for _, s := range of[:r.Threshold] {
			if !slices.ContainsFunc(picked, func(p Statement) bool { return p.Approval == s.Approval }) {
				picked = append(picked, s)
			}
		}
	}
	slices.SortStableFunc(picked, func(a, b Statement) int { return b.time().Compare(a.time()) })
	return picked, nil
}

// of returns the statements by the requirement's keys.
func (r Requirement) of(statements []Statement) []Statement {
	return slices.DeleteFunc(slices.Clone(statements), func(s Statement) bool { return !r.Has(s.Approval.Reviewer.Key) })
}

// successor returns the approval of another manifest of the same image that
// came into force after a time, if there is one: then the manifest at hand is
// an older one that is played back.
func successor(statements []Statement, than v1.Hash, quorum Quorum, revocation *Statement, after time.Time) *Approval {
	for _, s := range statements {
		if s.Err != nil || s.Approval.Decision != Approve || s.Approval.ManifestDigest == than || !s.Approval.Time.After(after) {
			continue
		}
		approvals, _ := standing(statements, s.Approval.ManifestDigest, revocation)
		if picked, short := quorum.pick(approvals); short == nil && picked[0].time().After(after) {
			return picked[0].Approval
		}
	}
	return nil
}

// ended says why an approval that was not revoked is not in force.
func ended(a *Approval, now time.Time) error {
	switch {
	case a.Time.After(now.Add(seal.Skew)):
		return ErrNotYetValid
	case !a.Expires.IsZero() && !now.Before(a.Expires):
		return ErrExpired
	}
	return nil
}

// newestRevocation returns nil where nothing is revoked.
func newestRevocation(statements []Statement) *Statement {
	for i := range slices.Backward(statements) {
		if s := &statements[i]; s.Err == nil && s.Approval.Decision == Revoke {
			return s
		}
	}
	return nil
}

// standing returns the newest approval by each key, the newest first, and
// whether there are some that were revoked.
func standing(statements []Statement, manifestDigest v1.Hash, revocation *Statement) (approvals []Statement, voided bool) {
	seen := map[string]bool{}
	for _, s := range slices.Backward(statements) {
		if s.Err != nil || s.Approval.Decision != Approve || s.Approval.ManifestDigest != manifestDigest || seen[s.Approval.Reviewer.Key] {
			continue
		}
		seen[s.Approval.Reviewer.Key] = true
		if revocation != nil && !s.Approval.Time.After(revocation.Approval.Time) {
			voided = true
			continue
		}
		approvals = append(approvals, s)
	}
	return approvals, voided
}
