package review_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/least-privilege/lpm/manifest"
	"github.com/least-privilege/lpm/registry/approval"
	"github.com/least-privilege/lpm/registry/artifact"
	"github.com/least-privilege/lpm/registry/review"
)

var now = time.Date(2026, time.April, 1, 12, 0, 0, 0, time.UTC)

// desk is a store with an image, and a key that is trusted.
type desk struct {
	records review.Records
	subject review.Subject
	key     *approval.PrivateKey
}

func newDesk(t *testing.T) desk {
	t.Helper()
	return newDeskIn(t, t.TempDir())
}

// request attaches a manifest and opens it for review.
func (d desk) request(t *testing.T, m *manifest.Manifest, at time.Time) *review.Request {
	t.Helper()
	if _, err := artifact.Attach(t.Context(), d.records.Target, d.subject.Digest, m, at); err != nil {
		t.Fatal(err)
	}
	return d.open(t, at)
}

func (d desk) open(t *testing.T, at time.Time) *review.Request {
	t.Helper()
	q, err := d.records.Open(t.Context(), d.subject, at)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

// asking is a manifest with a normal, two optional and a special permission.
func asking(t *testing.T) *manifest.Manifest {
	t.Helper()
	m, err := manifest.Parse(fmt.Appendf(nil, `{"version":1,
		"syscalls":{"architecture":%q,"kernel":"6.18","allow":[{"name":"read"},{"name":"ptrace","optional":true}]},
		"capabilities":[{"name":"CAP_CHOWN","optional":true}],
		"network":{"mode":"host"},
		"resources":{"memory":67108864,"pids":8,"milliCPU":500,"openFiles":64,"fileSize":4096}}`, runtime.GOARCH))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// script is a person whose answers are known. Every question is noted.
type script struct {
	answers map[string]bool
	asked   []string
	err     error
}

func (s *script) answer(question string) (bool, error) {
	s.asked = append(s.asked, question)
	return s.answers[question], s.err
}

func (s *script) Allow(_ context.Context, p manifest.Permission) (bool, error) {
	return s.answer("allow " + p.ID)
}

func (s *script) Accept(_ context.Context, p manifest.Permission) (bool, error) {
	return s.answer("accept " + p.ID)
}

func (s *script) Approve(context.Context, []manifest.Permission) (bool, error) {
	return s.answer("approve")
}

func TestAsk(t *testing.T) {
	d := newDesk(t)
	q := d.request(t, asking(t), now)
	for _, tt := range []struct {
		name     string
		given    approval.Choice
		yes      string // the questions that are answered with yes
		err      error
		asked    string // all questions, in order
		denied   []string
		accepted []string
	}{
		{
			name:  "yes to all, each by name",
			yes:   "allow syscall:ptrace,allow capability:CAP_CHOWN,accept network:host,approve",
			asked: "allow syscall:ptrace,allow capability:CAP_CHOWN,accept network:host,approve",
			// An optional special permission is asked for once.
			accepted: []string{"network:host", "syscall:ptrace"},
		},
		{
			name:     "optional ones denied",
			yes:      "accept network:host,approve",
			asked:    "allow syscall:ptrace,allow capability:CAP_CHOWN,accept network:host,approve",
			denied:   []string{"capability:CAP_CHOWN", "syscall:ptrace"},
			accepted: []string{"network:host"},
		},
		{
			name:  "a special one refused",
			yes:   "allow syscall:ptrace,allow capability:CAP_CHOWN,approve",
			asked: "allow syscall:ptrace,allow capability:CAP_CHOWN,accept network:host",
			err:   review.ErrDeclined,
		},
		{
			name:  "no at last",
			yes:   "accept network:host",
			asked: "allow syscall:ptrace,allow capability:CAP_CHOWN,accept network:host,approve",
			err:   review.ErrDeclined,
		},
		{
			name:     "what is answered in advance is not asked",
			given:    approval.Choice{Denied: []string{"capability:CAP_CHOWN"}, Accepted: []string{"network:host", "syscall:ptrace"}},
			yes:      "approve",
			asked:    "approve",
			denied:   []string{"capability:CAP_CHOWN"},
			accepted: []string{"network:host", "syscall:ptrace"},
		},
		{
			name:  "an answer in advance that cannot be",
			given: approval.Choice{Denied: []string{"network:host"}},
			err:   manifest.ErrRequired,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			who := &script{answers: map[string]bool{}}
			for question := range strings.SplitSeq(tt.yes, ",") {
				who.answers[question] = true
			}
			c, err := q.Ask(t.Context(), who, tt.given)
			if !errors.Is(err, tt.err) {
				t.Fatalf("error %v, want %v", err, tt.err)
			}
			if asked := strings.Join(who.asked, ","); asked != tt.asked {
				t.Errorf("asked %s\nwant  %s", asked, tt.asked)
			}
			if tt.err != nil {
				return
			}
			slices.Sort(c.Denied)
			slices.Sort(c.Accepted)
			if !slices.Equal(c.Denied, tt.denied) || !slices.Equal(c.Accepted, tt.accepted) {
				t.Errorf("denied %v and accepted %v, want %v and %v", c.Denied, c.Accepted, tt.denied, tt.accepted)
			}
		})
	}
}

func TestAskStopsWhenThePersonIsGone(t *testing.T) {
	d := newDesk(t)
	q := d.request(t, asking(t), now)
	if _, err := q.Ask(t.Context(), &script{err: io.EOF}, approval.Choice{}); !errors.Is(err, io.EOF) {
		t.Errorf("error %v, want EOF", err)
	}
}

func TestYesIsNoneToSpecial(t *testing.T) {
	d := newDesk(t)
	q := d.request(t, asking(t), now)
	for _, tt := range []struct {
		name    string
		c       approval.Choice
		missing []string
	}{
		{"none named", approval.Choice{}, []string{"network:host", "syscall:ptrace"}},
		{"one denied", approval.Choice{Denied: []string{"syscall:ptrace"}}, []string{"network:host"}},
		{"one named", approval.Choice{Accepted: []string{"network:host"}}, []string{"syscall:ptrace"}},
		{"all named", approval.Choice{Accepted: []string{"network:host", "syscall:ptrace"}}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := q.Unaccepted(tt.c)
			var missing []string
			if special, ok := errors.AsType[*approval.SpecialError](err); ok {
				missing = special.IDs
			} else if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(missing, tt.missing) {
				t.Errorf("missing %v, want %v", missing, tt.missing)
			}
			// Signing holds to the same rule on its own.
			if _, err := d.records.Approve(t.Context(), q, tt.c, d.key, now); (err == nil) != (tt.missing == nil) {
				t.Errorf("Approve: %v", err)
			}
		})
	}
}

func TestHistory(t *testing.T) {
	d := newDesk(t)
	m := asking(t)
	q := d.request(t, m, now)
	if q.Last != nil || len(q.Beyond()) != len(q.Permissions) {
		t.Errorf("something is known of an image that was never approved")
	}
	if q.Grant != nil || !errors.Is(q.Refusal, approval.ErrNotApproved) {
		t.Errorf("grant %v, refusal %v", q.Grant, q.Refusal)
	}
	choice := approval.Choice{Denied: []string{"syscall:ptrace"}, Accepted: []string{"network:host"}}
	if _, err := d.records.Approve(t.Context(), q, choice, d.key, now); err != nil {
		t.Fatal(err)
	}

	// What was denied before is asked for anew; nothing else is.
	q = d.open(t, now.Add(time.Minute))
	if q.Grant == nil {
		t.Fatal(q.Refusal)
	}
	if beyond := q.Beyond(); len(beyond) != 1 || beyond[0].ID != "syscall:ptrace" {
		t.Errorf("beyond the approval: %v, want ptrace alone", beyond)
	}
	narrowed, err := m.Without("syscall:ptrace")
	if err != nil {
		t.Fatal(err)
	}
	q = d.request(t, narrowed, now.Add(time.Hour))
	if beyond := q.Beyond(); len(beyond) != 0 || q.Difference().Wider() {
		t.Errorf("a narrower manifest asks for more: %v", beyond)
	}
	if q.Grant != nil {
		t.Error("a manifest that nobody saw is approved")
	}
	a, err := d.records.Approve(t.Context(), q, approval.Choice{Accepted: []string{"network:host"}}, d.key, now.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	if a.ShownAgainst != q.Last.PermissionsDigest {
		t.Errorf("the approval does not say what the request was compared with")
	}

	if _, err := d.records.Revoke(t.Context(), d.subject, "", d.key, now.Add(2*time.Hour)); err != nil {
		t.Fatal(err)
	}
	if q = d.open(t, now.Add(3*time.Hour)); !errors.Is(q.Refusal, approval.ErrRevoked) || q.Last != nil {
		t.Errorf("after the revocation: refusal %v, last %v", q.Refusal, q.Last)
	}
	if _, err := d.records.Revoke(t.Context(), d.subject, "", d.key, now.Add(4*time.Hour)); !errors.Is(err, review.ErrNothingApproved) {
		t.Errorf("revoked twice: %v", err)
	}
}

func TestUntrustedKeyDecidesNothing(t *testing.T) {
	d := newDesk(t)
	d.records.Trust = approval.Trust{}
	q := d.request(t, asking(t), now)
	c := approval.Choice{Accepted: []string{"network:host", "syscall:ptrace"}}
	_, err := d.records.Approve(t.Context(), q, c, d.key, now)
	if untrusted, ok := errors.AsType[*review.UntrustedKeyError](err); !ok || untrusted.Hint() == "" {
		t.Errorf("error %v, want that of an untrusted key, with a hint", err)
	}
}

func TestInvalidManifests(t *testing.T) {
	d := newDesk(t)
	attach := func(content string, at time.Time) {
		t.Helper()
		_, err := artifact.AttachBlob(t.Context(), d.records.Target, d.subject.Digest, artifact.Document{
			MediaType: manifest.MediaType, Content: []byte(content), Created: at,
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	_, err := d.records.Open(t.Context(), d.subject, now)
	if none, ok := errors.AsType[*review.NoManifestError](err); !ok || len(none.Invalid) != 0 {
		t.Errorf("without any: %v", err)
	}
	attach(`{"version":2}`, now)
	_, err = d.records.Open(t.Context(), d.subject, now)
	if none, ok := errors.AsType[*review.NoManifestError](err); !ok || len(none.Invalid) != 1 {
		t.Errorf("with one that is none: %v", err)
	}
	// One that is none does not hide the valid one, and is not hidden.
	d.request(t, asking(t), now.Add(time.Minute))
	attach(`{}`, now.Add(time.Hour))
	q := d.open(t, now.Add(time.Hour))
	if len(q.Invalid) != 2 || q.Older != 0 || q.Found.Manifest == nil {
		t.Errorf("%d invalid, %d older", len(q.Invalid), q.Older)
	}
}

func TestSigningKey(t *testing.T) {
	dir := t.TempDir()
	write := func(name string) string {
		t.Helper()
		key, err := approval.GenerateKey(approval.Ed25519)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := approval.WriteKey(dir, name, key, nil); err != nil {
			t.Fatal(err)
		}
		return key.Public().ID()
	}
	expect := func(name, id string) {
		t.Helper()
		key, err := review.SigningKey(dir, name, nil)
		switch {
		case id == "":
			if none, ok := errors.AsType[*review.NoKeyError](err); !ok || none.Hint() == "" {
				t.Errorf("SigningKey(%q): %v, want that there is no choice", name, err)
			}
		case err != nil:
			t.Errorf("SigningKey(%q): %v", name, err)
		case key.Public().ID() != id:
			t.Errorf("SigningKey(%q) is another key", name)
		}
	}
	expect("", "")
	first := write("first")
	expect("", first)
	second := write("second")
	expect("", "")
	expect("second", second)
	expect(filepath.Join(dir, "first.key"), first)
	standard := write(review.DefaultKey)
	expect("", standard)
	if _, err := review.SigningKey(dir, "third", nil); err == nil {
		t.Error("a key that is not there was read")
	}
}
