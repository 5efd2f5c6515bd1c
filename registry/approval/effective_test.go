package approval

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/least-privilege/lpm/registry/artifact"
)

// Each story is what happened to one image, in order; the answer is what may
// run at the end of it.
func TestEffective(t *testing.T) {
	alice, bob, mallory := generate(t, Ed25519), generate(t, ECDSAP256), generate(t, Ed25519)
	trust := trusting(alice.Public(), bob.Public())
	hour := func(n int) time.Time { return noon.Add(time.Duration(n) * time.Hour) }

	for _, test := range []struct {
		name  string
		story func(*testing.T, *place)
		now   time.Time // default: 10 hours on
		want  error     // the reason of the refusal
		has   string    // a permission that is granted, or
		lacks string    // is not
		hint  string
	}{
		{name: "nothing happened", story: func(*testing.T, *place) {}, want: ErrNotApproved, hint: "lpm approve"},
		{name: "approved", story: func(t *testing.T, p *place) {
			p.save(t, alice, p.approval(t, Choice{}, hour(0)))
		}, has: "syscall:getpid"},
		{name: "approved in part", story: func(t *testing.T, p *place) {
			p.save(t, bob, p.approval(t, Choice{Denied: []string{"syscall:getpid"}}, hour(0)))
		}, has: "syscall:read", lacks: "syscall:getpid"},
		{name: "approved by a stranger", story: func(t *testing.T, p *place) {
			p.save(t, mallory, p.approval(t, Choice{}, hour(0)))
		}, want: ErrNotApproved, hint: "lpm approve"},
		{name: "the newest decides", story: func(t *testing.T, p *place) {
			p.save(t, alice, p.approval(t, Choice{}, hour(0)))
			p.save(t, bob, p.approval(t, Choice{Denied: []string{"syscall:getpid"}}, hour(1)))
		}, lacks: "syscall:getpid"},
		{name: "the newest decides, not the last saved", story: func(t *testing.T, p *place) {
			p.save(t, bob, p.approval(t, Choice{Denied: []string{"syscall:getpid"}}, hour(1)))
			p.save(t, alice, p.approval(t, Choice{}, hour(0)))
		}, lacks: "syscall:getpid"},
		{name: "a stranger cannot widen", story: func(t *testing.T, p *place) {
			p.save(t, alice, p.approval(t, Choice{Denied: []string{"syscall:getpid"}}, hour(0)))
			p.save(t, mallory, p.approval(t, Choice{}, hour(1)))
		}, lacks: "syscall:getpid"},
		{name: "revoked", story: func(t *testing.T, p *place) {
			a := p.approval(t, Choice{}, hour(0))
			p.save(t, alice, a)
			p.save(t, bob, NewRevocation(a, "", hour(1)))
		}, want: ErrRevoked, hint: "lpm approve"},
		{name: "revoked in the same instant", story: func(t *testing.T, p *place) {
			a := p.approval(t, Choice{}, hour(0))
			p.save(t, alice, a)
			p.save(t, alice, NewRevocation(a, "", hour(-5)))
		}, want: ErrRevoked},
		{name: "a stranger cannot revoke", story: func(t *testing.T, p *place) {
			a := p.approval(t, Choice{}, hour(0))
			p.save(t, alice, a)
			p.save(t, mallory, NewRevocation(a, "", hour(1)))
		}, has: "syscall:read"},
		{name: "approved again", story: func(t *testing.T, p *place) {
			a := p.approval(t, Choice{}, hour(0))
			p.save(t, alice, a)
			p.save(t, alice, NewRevocation(a, "", hour(1)))
			p.save(t, alice, p.approval(t, Choice{}, hour(2)))
		}, has: "syscall:read"},
		{name: "an old approval is brought back", story: func(t *testing.T, p *place) {
			a := p.approval(t, Choice{}, hour(0))
			p.save(t, alice, NewRevocation(a, "", hour(1)))
			p.save(t, alice, a)
		}, want: ErrRevoked},
		{name: "expired", story: func(t *testing.T, p *place) {
			p.save(t, alice, p.approval(t, Choice{Expires: hour(10)}, hour(0)))
		}, want: ErrExpired, hint: "lpm approve"},
		{name: "not quite expired", story: func(t *testing.T, p *place) {
			p.save(t, alice, p.approval(t, Choice{Expires: hour(10).Add(1)}, hour(0)))
		}, has: "syscall:read"},
		{name: "one that has ended took the place of one that has not", story: func(t *testing.T, p *place) {
			p.save(t, alice, p.approval(t, Choice{}, hour(0)))
			p.save(t, alice, p.approval(t, Choice{Denied: []string{"syscall:getpid"}, Expires: hour(2)}, hour(1)))
		}, want: ErrExpired},
		{name: "dated in the future", story: func(t *testing.T, p *place) {
			p.save(t, alice, p.approval(t, Choice{}, hour(11)))
		}, want: ErrNotYetValid, hint: "clock"},
		{name: "a reviewer's clock may be a little ahead", story: func(t *testing.T, p *place) {
			p.save(t, alice, p.approval(t, Choice{}, hour(10).Add(time.Minute)))
		}, has: "syscall:read"},
		{name: "a new manifest needs a new approval", story: func(t *testing.T, p *place) {
			p.save(t, alice, p.approval(t, Choice{}, hour(0)))
			p.attach(t, strings.Replace(plain, `{"name":"read"},`, ``, 1))
		}, want: ErrNotApproved},
		{name: "the same manifest again does not", story: func(t *testing.T, p *place) {
			p.save(t, alice, p.approval(t, Choice{}, hour(0)))
			p.attach(t, plain)
		}, has: "syscall:read"},
		{name: "garbage beside it", story: func(t *testing.T, p *place) {
			p.save(t, alice, p.approval(t, Choice{}, hour(0)))
			if _, err := Save(t.Context(), p, p.approval(t, Choice{}, hour(3)), []byte("garbage")); err != nil {
				t.Fatal(err)
			}
		}, has: "syscall:read"},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := newPlace(t, plain)
			test.story(t, p)
			now := test.now
			if now.IsZero() {
				now = hour(10)
			}
			grant, err := Effective(t.Context(), p, p.image, p.found, trust, now)
			if test.want != nil {
				var refusal *Refusal
				if !errors.Is(err, test.want) || !errors.As(err, &refusal) {
					t.Fatalf("got %+v, %v; want %v", grant, err, test.want)
				}
				if !strings.Contains(refusal.Hint(), test.hint) {
					t.Errorf("hint %q lacks %q", refusal.Hint(), test.hint)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			got := permissionIDs(grant.Manifest)
			if test.has != "" && !slices.Contains(got, test.has) {
				t.Errorf("%q lacks %q", got, test.has)
			}
			if test.lacks != "" && slices.Contains(got, test.lacks) {
				t.Errorf("%q has %q", got, test.lacks)
			}
			if !slices.Equal(got, grant.Approval.Granted) {
				t.Errorf("effective %q, approved %q", got, grant.Approval.Granted)
			}
		})
	}
}

func TestNoTrustNoApproval(t *testing.T) {
	p := newPlace(t, plain)
	key := generate(t, Ed25519)
	p.save(t, key, p.approval(t, Choice{}, noon))
	_, err := Effective(t.Context(), p, p.image, p.found, Quorum{}, noon)
	var refusal *Refusal
	if !errors.Is(err, ErrNoTrust) || !errors.As(err, &refusal) || !strings.Contains(refusal.Hint(), "lpm key new") {
		t.Errorf("got %v", err)
	}
}

// A signature is good for one image, one artifact, one list of permissions.
func TestApprovalOfSomethingElse(t *testing.T) {
	key := generate(t, Ed25519)
	trust := trusting(key.Public())
	elsewhere := v1.Hash{Algorithm: "sha256", Hex: strings.Repeat("e", 64)}
	for _, test := range []struct {
		name   string
		change func(*Approval)
		want   error
	}{
		{"as it is", func(*Approval) {}, nil},
		{"another image", func(a *Approval) { a.ImageDigest = elsewhere }, ErrNotApproved},
		{"another artifact", func(a *Approval) { a.ManifestDigest = elsewhere }, ErrNotApproved},
		{"other permissions", func(a *Approval) { a.PermissionsDigest = elsewhere }, ErrWrongSubject},
		{"fewer granted", func(a *Approval) { a.Granted = a.Granted[1:] }, ErrWrongSubject},
		{"more granted", func(a *Approval) { a.Granted = sorted(append(a.Granted, "syscall:zzz")) }, ErrWrongSubject},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := newPlace(t, plain)
			a := p.approval(t, Choice{}, noon)
			test.change(a)
			bundle, err := Sign(key, a)
			if err != nil {
				t.Fatal(err)
			}
			// Whatever the statement says, it is attached to this image.
			onImage := *a
			onImage.ImageDigest = p.image
			if _, err := Save(t.Context(), p, &onImage, bundle); err != nil {
				t.Fatal(err)
			}
			_, err = Effective(t.Context(), p, p.image, p.found, trust, noon)
			if !errors.Is(err, test.want) {
				t.Errorf("got %v, want %v", err, test.want)
			}
		})
	}
}

// An approval made by other means than New cannot slip a special permission
// past the reviewer.
func TestSpecialMustBeNamedInTheStatement(t *testing.T) {
	key := generate(t, Ed25519)
	p := newPlace(t, hostNetwork)
	a := p.approval(t, Choice{Accepted: []string{"network:host"}}, noon)
	a.Accepted = nil
	p.save(t, key, a)
	_, err := Effective(t.Context(), p, p.image, p.found, trusting(key.Public()), noon)
	var special *SpecialError
	if !errors.As(err, &special) {
		t.Errorf("got %v", err)
	}
}

// What cannot be read could be a revocation.
func TestUnreadableStatementStops(t *testing.T) {
	key := generate(t, Ed25519)
	p := newPlace(t, plain)
	p.save(t, key, p.approval(t, Choice{}, noon))
	for _, fail := range []error{artifact.ErrCorrupt, artifact.ErrNotFound, errors.New("disk on fire")} {
		broken := failing{p, fail}
		if _, err := Effective(t.Context(), broken, p.image, p.found, trusting(key.Public()), noon); !errors.Is(err, fail) {
			t.Errorf("got %v, want %v", err, fail)
		}
	}
}

func TestRefusalNamesWhatDoesNotCount(t *testing.T) {
	p := newPlace(t, plain)
	stranger := generate(t, Ed25519)
	p.save(t, stranger, p.approval(t, Choice{}, noon))
	_, err := Effective(t.Context(), p, p.image, p.found, trusting(generate(t, Ed25519).Public()), noon)
	var refusal *Refusal
	if !errors.As(err, &refusal) || len(refusal.Ignored) != 1 {
		t.Fatalf("got %v", err)
	}
	var unknown *UnknownKeyError
	if !errors.As(refusal.Ignored[0].Err, &unknown) || unknown.ID != stranger.Public().ID() {
		t.Errorf("ignored for %v", refusal.Ignored[0].Err)
	}
	refusal.Name = "app:1"
	if refusal.Hint() != "review what it asks for with: lpm approve app:1" || !strings.Contains(refusal.Error(), "image app:1") {
		t.Errorf("%q, %q", refusal, refusal.Hint())
	}
}

// An approval of another manifest of the image grants nothing, and is named.
func TestRefusalNamesAnApprovalOfAnotherManifest(t *testing.T) {
	key := generate(t, Ed25519)
	trust := NewTrust(key.Public())
	p := newPlace(t, plain)
	before := p.approval(t, Choice{}, noon)
	p.save(t, key, before)
	digest, err := artifact.Attach(t.Context(), p, p.image, parse(t, hostNetwork), noon)
	if err != nil {
		t.Fatal(err)
	}
	p.found = artifact.Found{Digest: digest, Manifest: parse(t, hostNetwork)}
	other := func(when string, want *Approval) {
		t.Helper()
		_, err := Effective(t.Context(), p, p.image, p.found, trust.For(""), noon)
		refusal, ok := errors.AsType[*Refusal](err)
		if !ok || !errors.Is(err, ErrNotApproved) || (refusal.Other != nil) != (want != nil) {
			t.Fatalf("%s: got %v", when, err)
		}
		if want != nil && refusal.Other.ManifestDigest != want.ManifestDigest {
			t.Errorf("%s: approved was %s, want %s", when, refusal.Other.ManifestDigest, want.ManifestDigest)
		}
	}
	other("approved", before)
	p.save(t, key, NewRevocation(before, "", noon.Add(time.Hour)))
	other("revoked", nil)
}
