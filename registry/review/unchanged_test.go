package review_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/least-privilege/lpm/manifest"
	"github.com/least-privilege/lpm/registry/approval"
	"github.com/least-privilege/lpm/registry/artifact"
	"github.com/least-privilege/lpm/registry/review"
)

// without is asking's manifest without some of its optional permissions.
func without(t *testing.T, ids ...string) *manifest.Manifest {
	t.Helper()
	m, err := asking(t).Without(ids...)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestSignedIsWhatWasShown: what changes between the showing of a request and
// the signing keeps it from being signed, and is named.
func TestSignedIsWhatWasShown(t *testing.T) {
	yes := approval.Choice{Accepted: []string{"network:host", "syscall:ptrace"}}
	later := now.Add(time.Hour)
	attach := func(t *testing.T, d desk, m *manifest.Manifest) {
		t.Helper()
		if _, err := artifact.Attach(t.Context(), d.records.Target, d.subject.Digest, m, later); err != nil {
			t.Fatal(err)
		}
	}
	approve := func(t *testing.T, d desk, at time.Time) {
		t.Helper()
		if _, err := d.records.Approve(t.Context(), d.open(t, at), yes, d.key, at); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		name     string
		approved bool // before it is shown
		change   func(t *testing.T, d desk)
		want     string // in the error; "" for none
	}{
		{"nothing", false, func(*testing.T, desk) {}, ""},
		{"nothing, of what is approved already", true, func(*testing.T, desk) {}, ""},
		{"the same manifest once more", false, func(t *testing.T, d desk) { attach(t, d, asking(t)) }, ""},
		{"a manifest that asks for less", false, func(t *testing.T, d desk) { attach(t, d, without(t, "syscall:ptrace")) }, "with other permissions"},
		{"the same permissions by another artifact", false, func(t *testing.T, d desk) {
			content, err := asking(t).Canonical()
			if err != nil {
				t.Fatal(err)
			}
			doc := artifact.Document{MediaType: manifest.MediaType, Content: content, Created: later.Add(time.Second)}
			if _, err := artifact.AttachBlob(t.Context(), d.records.Target, d.subject.Digest, doc); err != nil {
				t.Fatal(err)
			}
		}, "with the same permissions"},
		{"an approval", false, func(t *testing.T, d desk) { approve(t, d, later) }, "it was approved on 2026-04-01T13:00:00Z; something of its repository was approved"},
		{"another approval", true, func(t *testing.T, d desk) { approve(t, d, later) }, "another approval is in force"},
		{"a revocation", true, func(t *testing.T, d desk) {
			if _, err := d.records.Revoke(t.Context(), d.subject, "", d.key, later); err != nil {
				t.Fatal(err)
			}
		}, "not in force any more"},
		{"an approval of the repository's other image", true, func(t *testing.T, d desk) {
			digest := v1.Hash{Algorithm: "sha256", Hex: strings.Repeat("a", 64)}
			a, err := approval.New(digest, d.subject.Repository, d.open(t, later).Found, yes, later)
			if err != nil {
				t.Fatal(err)
			}
			bundle, err := approval.Sign(d.key, a)
			if err != nil {
				t.Fatal(err)
			}
			if a, err = approval.Verify(bundle, d.records.Trust.For(d.subject.Repository)); err != nil {
				t.Fatal(err)
			}
			if err := d.records.Ledger.Record(d.subject.Repository, a, bundle, asking(t)); err != nil {
				t.Fatal(err)
			}
		}, "no longer the last approval of its repository"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := newDesk(t)
			attach(t, d, asking(t))
			if tt.approved {
				approve(t, d, now)
			}
			shown := d.open(t, now.Add(time.Minute))
			tt.change(t, d)
			between := decisions(t, d)
			_, err := d.records.Approve(t.Context(), shown, yes, d.key, later.Add(time.Hour))
			if tt.want == "" {
				if err != nil || decisions(t, d) != between+1 {
					t.Errorf("%v, and %d decisions after %d", err, decisions(t, d), between)
				}
				return
			}
			changed, ok := errors.AsType[*review.ChangedError](err)
			if !ok || !strings.Contains(changed.Error(), tt.want) || changed.Hint() == "" {
				t.Errorf("error %v, want one that says %q, with a hint", err, tt.want)
			}
			if _, err := d.records.Draft(t.Context(), shown, yes, d.key.Public(), later.Add(time.Hour)); !errors.As(err, &changed) {
				t.Errorf("a statement for another tool to sign: %v", err)
			}
			if after := decisions(t, d); after != between {
				t.Errorf("%d decisions after %d: something was signed", after, between)
			}
		})
	}
}

// decisions counts the statements beside the image.
func decisions(t *testing.T, d desk) int {
	t.Helper()
	found, err := approval.Find(t.Context(), d.records.Target, d.subject.Digest, d.records.Trust.For(d.subject.Repository))
	if err != nil {
		t.Fatal(err)
	}
	return len(found)
}
