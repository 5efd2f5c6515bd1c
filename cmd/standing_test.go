package cmd

import (
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/least-privilege/lpm/manifest"
	"github.com/least-privilege/lpm/registry/approval"
	"github.com/least-privilege/lpm/registry/artifact"
	"github.com/least-privilege/lpm/registry/review"
)

// TestStanding has each state of an approval, with what a person reads of it.
func TestStanding(t *testing.T) {
	this, other := v1.Hash{Algorithm: "sha256", Hex: strings.Repeat("1", 64)}, v1.Hash{Algorithm: "sha256", Hex: strings.Repeat("2", 64)}
	noon := time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)
	given := &approval.Approval{
		ImageDigest: other, ManifestDigest: other, Time: noon, Expires: noon.AddDate(0, 0, 90),
		Reviewer: approval.Reviewer{Name: "Ada\x1b", Key: strings.Repeat("abc", 20)},
	}
	const by = "on 2026-03-01 12:00 UTC by Ada\x1b, key abcabcabcabc"
	m := &manifest.Manifest{Version: manifest.Version}
	refused := func(reason error, a, elsewhere *approval.Approval) *review.Request {
		return &review.Request{
			Subject: review.Subject{Digest: this}, Found: artifact.Found{Manifest: m},
			Refusal: &approval.Refusal{Reason: reason, Approval: a, Other: elsewhere},
		}
	}
	afterOther := refused(approval.ErrNotApproved, nil, nil)
	afterOther.Last, afterOther.Before = given, m
	for _, test := range []struct {
		request          *review.Request
		state            standing
		word, text, news string
	}{
		{&review.Request{Grant: &approval.Grant{Approval: given, Deciding: []approval.Statement{{Approval: given}}}}, standsApproved, "approved", by + ", until 2026-05-30 12:00 UTC", ""},
		{refused(approval.ErrNotApproved, nil, nil), standsNone, "none in force", "its permissions are not approved", ""},
		{refused(approval.ErrNoTrust, nil, nil), standsUntrusted, "none in force", "no key is trusted to approve anything", ""},
		{refused(approval.ErrRevoked, given, nil), standsRevoked, "revoked", by, ""},
		{refused(approval.ErrExpired, given, nil), standsExpired, "expired", "on 2026-05-30 12:00 UTC; it was given " + by, ""},
		{refused(approval.ErrNotYetValid, given, nil), standsFuture, "not yet in force", "it is dated " + by + "; compare this machine's clock with the reviewer's", ""},
		{refused(approval.ErrNotApproved, nil, given), standsOtherManifest, "none in force", "another manifest of this image, " + other.String() + ", was approved " + by + ", until 2026-05-30 12:00 UTC", ""},
		{afterOther, standsOtherImage, "none in force", "another image of its repository, " + other.String() + ", was approved " + by + ", until 2026-05-30 12:00 UTC", "it asks for nothing new since the last approval of its repository"},
	} {
		s := stateOf(test.request)
		if s.State != test.state || s.word() != test.word || s.text() != test.text || s.news() != test.news {
			t.Errorf("%s: %s: %s; %s\nwant %s: %s; %s", s.State, s.word(), s.text(), s.news(), test.state, test.text, test.news)
		}
		if s.Approved != (test.state == standsApproved) {
			t.Errorf("%s: approved is %t", test.state, s.Approved)
		}
	}
}
