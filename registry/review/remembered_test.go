package review_test

import (
	"errors"
	"testing"
	"time"

	"github.com/least-privilege/lpm/manifest"
	"github.com/least-privilege/lpm/registry/approval"
	"github.com/least-privilege/lpm/registry/artifact"
)

// A decision is remembered when the place that had it has lost it, and what is
// remembered can be revoked.
func TestRemembered(t *testing.T) {
	d, other := newDesk(t), newDesk(t)
	d.approve(t, d.request(t, asking(t), now), approval.Choice{Accepted: []string{"network:host", "syscall:ptrace"}}, now)
	// The image and its manifest come again, without the approval.
	if _, err := artifact.Copy(t.Context(), d.records.Target, other.records.Target, d.subject.Digest, manifest.MediaType, artifact.MaxPermissions); err != nil {
		t.Fatal(err)
	}
	d.records.Target = other.records.Target
	if q := d.open(t, now.Add(time.Hour)); q.Grant == nil {
		t.Fatal(q.Refusal)
	}
	if _, err := d.records.Revoke(t.Context(), d.subject, "", d.key, now.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if q := d.open(t, now.Add(2*time.Hour)); !errors.Is(q.Refusal, approval.ErrRevoked) {
		t.Errorf("after its revocation: %v", q.Refusal)
	}
	d.records.Ledger = other.records.Ledger
	if q := d.open(t, now.Add(2*time.Hour)); q.Grant != nil {
		t.Error("what nobody remembers is granted")
	}
}
