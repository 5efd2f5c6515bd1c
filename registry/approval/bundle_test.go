package approval

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/secure-systems-lab/go-securesystemslib/dsse"
)

func hash(fill string) v1.Hash {
	return v1.Hash{Algorithm: "sha256", Hex: strings.Repeat(fill, 64)}
}

func sample() *Approval {
	return &Approval{
		Decision: Approve, Repository: "docker.io/library/app",
		ImageDigest: hash("a"), ManifestDigest: hash("b"), PermissionsDigest: hash("c"),
		Granted: []string{"network:host", "syscall:read"}, Denied: []string{"syscall:getpid"},
		Accepted: []string{"network:host"}, ShownAgainst: hash("d"),
		Reviewer: Reviewer{Name: "Ada <ada@example.org>"},
		Time:     noon, Expires: noon.Add(time.Hour),
	}
}

func TestSignVerify(t *testing.T) {
	for _, kind := range []KeyKind{Ed25519, ECDSAP256} {
		t.Run(string(kind), func(t *testing.T) {
			key := generate(t, kind)
			want := sample()
			bundle, err := Sign(key, want)
			if err != nil {
				t.Fatal(err)
			}
			got, err := Verify(bundle, trusting(generate(t, kind).Public(), key.Public()))
			if err != nil {
				t.Fatal(err)
			}
			if !sameApproval(t, got, want) || got.Reviewer.Key != key.Public().ID() {
				t.Errorf("got  %+v\nwant %+v", got, want)
			}
			var unknown *UnknownKeyError
			if _, err := Verify(bundle, trusting(generate(t, kind).Public())); !errors.As(err, &unknown) || unknown.Hint() == "" {
				t.Errorf("another key: %v", err)
			}
			if _, err := Verify(bundle, Quorum{}); !errors.As(err, &unknown) {
				t.Errorf("no key: %v", err)
			}
		})
	}
}

func sameApproval(t *testing.T, a, b *Approval) bool {
	t.Helper()
	first, err := json.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	second, err := json.Marshal(b)
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Equal(first, second)
}

// The format on the wire is what cosign reads: a v0.3 bundle whose key is
// named by the base64 of its SHA-256, around an in-toto statement.
func TestWireFormat(t *testing.T) {
	key := generate(t, Ed25519)
	bundle, err := Sign(key, sample())
	if err != nil {
		t.Fatal(err)
	}
	var outer struct {
		MediaType            string
		VerificationMaterial struct{ PublicKey struct{ Hint string } }
		DsseEnvelope         struct {
			Payload     []byte
			PayloadType string
			Signatures  []struct{ Sig []byte }
		}
	}
	if err := json.Unmarshal(bundle, &outer); err != nil {
		t.Fatal(err)
	}
	if outer.MediaType != "application/vnd.dev.sigstore.bundle.v0.3+json" ||
		outer.VerificationMaterial.PublicKey.Hint != key.Public().hint() ||
		outer.DsseEnvelope.PayloadType != "application/vnd.in-toto+json" || len(outer.DsseEnvelope.Signatures) != 1 {
		t.Errorf("bundle %s", bundle)
	}
	want := `{"_type":"https://in-toto.io/Statement/v1","subject":[` +
		`{"name":"image","digest":{"sha256":"` + strings.Repeat("a", 64) + `"}},` +
		`{"name":"manifest","digest":{"sha256":"` + strings.Repeat("b", 64) + `"}}],` +
		`"predicateType":"https://github.com/least-privilege/lpm/approval/v1","predicate":{` +
		`"accepted":["network:host"],"decision":"approve","denied":["syscall:getpid"],` +
		`"expires":"2025-03-04T13:00:00.000000005Z","granted":["network:host","syscall:read"],` +
		`"permissions":"sha256:` + strings.Repeat("c", 64) + `","repository":"docker.io/library/app",` +
		`"reviewer":{"key":"` + key.Public().ID() + `","name":"Ada <ada@example.org>"},` +
		`"shownAgainst":"sha256:` + strings.Repeat("d", 64) + `","time":"2025-03-04T12:00:00.000000005Z"}}`
	if string(outer.DsseEnvelope.Payload) != want {
		t.Errorf("got  %s\nwant %s", outer.DsseEnvelope.Payload, want)
	}
}

func TestEveryFlippedByteIsRefused(t *testing.T) {
	for _, kind := range []KeyKind{Ed25519, ECDSAP256} {
		t.Run(string(kind), func(t *testing.T) {
			key := generate(t, kind)
			bundle, err := Sign(key, sample())
			if err != nil {
				t.Fatal(err)
			}
			trust := trusting(key.Public())
			for i := range bundle {
				for _, bits := range []byte{0x01, 0x20, 0x80} { // 0x20 turns the case of letters
					tampered := bytes.Clone(bundle)
					tampered[i] ^= bits
					if _, err := Verify(tampered, trust); err == nil {
						t.Fatalf("byte %d flipped from %q to %q: accepted", i, bundle[i], tampered[i])
					}
				}
			}
			for i := range bundle {
				if _, err := Verify(bundle[:i], trust); !errors.Is(err, ErrMalformed) {
					t.Fatalf("cut off after %d bytes: %v", i, err)
				}
			}
		})
	}
}

// Other encodings of the same thing, and other things in the same encoding.
func TestVerifyRefuses(t *testing.T) {
	key, other := generate(t, Ed25519), generate(t, Ed25519)
	trust := trusting(key.Public(), other.Public())
	signed := func(payload string) string {
		sig, err := key.sign(dsse.PAE(payloadType, []byte(payload)))
		if err != nil {
			t.Fatal(err)
		}
		bundle, err := encodeBundle(envelope{hint: key.Public().hint(), payload: []byte(payload), sig: sig})
		if err != nil {
			t.Fatal(err)
		}
		return string(bundle)
	}
	a := sample()
	good, err := Sign(key, a)
	if err != nil {
		t.Fatal(err)
	}
	payload, err := encodeStatement(a)
	if err != nil {
		t.Fatal(err)
	}
	inBundle := func(old, new string) string { return strings.Replace(string(good), old, new, 1) }
	inPayload := func(old, new string) string {
		if !strings.Contains(string(payload), old) {
			t.Fatalf("the payload has no %q", old)
		}
		return signed(strings.Replace(string(payload), old, new, 1))
	}
	for _, test := range []struct {
		name, bundle string
		want         error
	}{
		{"as it is", signed(string(payload)), nil},
		{"empty", "", ErrMalformed},
		{"white space", string(good) + "\n", ErrMalformed},
		{"an unknown field", inBundle(`{`, `{"x":1,`), ErrMalformed},
		{"a field twice", inBundle(`{`, `{"mediaType":"x",`), ErrMalformed},
		{"another media type", inBundle("v0.3", "v0.2"), ErrMalformed},
		{"another payload type", inBundle("in-toto", "in-tota"), ErrMalformed},
		{"two signatures", inBundle(`[{"sig"`, `[{"sig":"AA=="},{"sig"`), ErrMalformed},
		{"no signature", inBundle(`"signatures":[`, `"signatures":[],"x":[`), ErrMalformed},
		{"a key id beside the signature", inBundle(`[{"sig"`, `[{"keyid":"x","sig"`), ErrMalformed},
		{"the hint of another trusted key", inBundle(key.Public().hint(), other.Public().hint()), ErrSignature},
		{"a hint in another spelling", inBundle(key.Public().hint(), looseBase64(key.Public().hint())), ErrMalformed},
		{"a hint that is none", inBundle(key.Public().hint(), "me"), ErrMalformed},
		{"too large", strings.Repeat("x", MaxBundle+1), ErrMalformed},
		{"another predicate type", inPayload("approval/v1", "approval/v2"), ErrOtherStatement},
		{"another statement type", inPayload("Statement/v1", "Statement/v0.1"), ErrMalformed},
		{"no statement", signed("{}"), ErrMalformed},
		{"no JSON", signed("approve"), ErrMalformed},
		{"another signer named", inPayload(key.Public().ID(), other.Public().ID()), ErrMalformed},
		{"subjects in another order", inPayload(`"name":"image"`, `"name":"manifest"`), ErrMalformed},
		{"another algorithm", inPayload(`"sha256":"a`, `"sha512":"a`), ErrMalformed},
		{"a wildcard subject", inPayload(strings.Repeat("a", 64), "*"), ErrMalformed},
		{"an unknown field in the predicate", inPayload(`"decision"`, `"force":true,"decision"`), ErrMalformed},
		{"another decision", inPayload(`"approve"`, `"maybe"`), ErrMalformed},
		{"a revocation that grants", inPayload(`"approve"`, `"revoke"`), ErrMalformed},
		{"granted and denied", inPayload(`["syscall:getpid"]`, `["syscall:read"]`), ErrMalformed},
		{"accepted but not granted", inPayload(`"accepted":["network:host"]`, `"accepted":["x"]`), ErrMalformed},
		{"out of order", inPayload(`["network:host","syscall:read"]`, `["syscall:read","network:host"]`), ErrMalformed},
		{"no time", inPayload(`"time":"2025-03-04T12:00:00.000000005Z"`, `"time":""`), ErrMalformed},
		{"a time of another zone", inPayload(`12:00:00.000000005Z"`, `12:00:00.000000005+00:00"`), ErrMalformed},
		{"ends before it begins", inPayload("T13:", "T11:"), ErrMalformed},
		{"a name with an escape sequence", inPayload("Ada ", `Ada\u001b[2K`), ErrMalformed},
		{"a name with a bidi mark", inPayload("Ada ", `Ada\u202e`), ErrMalformed},
		{"a repository in short", inPayload("docker.io/library/app", "app"), ErrMalformed},
	} {
		t.Run(test.name, func(t *testing.T) {
			if _, err := Verify([]byte(test.bundle), trust); !errors.Is(err, test.want) {
				t.Errorf("got %v, want %v", err, test.want)
			}
		})
	}
}

// looseBase64 spells the same 32 bytes in another way, with one of the bits
// set that the last character has over.
func looseBase64(text string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	last := len(text) - 2
	return text[:last] + string(alphabet[strings.IndexByte(alphabet, text[last])+1]) + text[last+1:]
}

func TestSignRefuses(t *testing.T) {
	key := generate(t, Ed25519)
	for _, test := range []struct {
		name   string
		change func(*Approval)
	}{
		{"no decision", func(a *Approval) { a.Decision = "" }},
		{"no time", func(a *Approval) { a.Time = time.Time{} }},
		{"a revocation that grants", func(a *Approval) { a.Decision = Revoke }},
		{"a name that cannot be shown", func(a *Approval) { a.Reviewer.Name = "a\nb" }},
		{"a long name", func(a *Approval) { a.Reviewer.Name = strings.Repeat("a", maxPerson+1) }},
		{"not a repository", func(a *Approval) { a.Repository = "../x" }},
	} {
		t.Run(test.name, func(t *testing.T) {
			a := sample()
			test.change(a)
			if _, err := Sign(key, a); err == nil {
				t.Error("signed")
			}
		})
	}
}

func FuzzVerify(f *testing.F) {
	key := generate(f, Ed25519)
	trust := trusting(key.Public())
	good, err := Sign(key, sample())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte(`{"mediaType":"` + BundleMediaType + `","dsseEnvelope":{"signatures":[{}]}}`))
	f.Fuzz(func(t *testing.T, bundle []byte) {
		if _, err := Verify(bundle, trust); err == nil && !bytes.Equal(bundle, good) {
			t.Errorf("accepted %s", bundle)
		}
		if e, err := decodeBundle(bundle); err == nil {
			again, err := encodeBundle(e)
			if err != nil || !bytes.Equal(again, bundle) {
				t.Errorf("%s became %s, %v", bundle, again, err)
			}
		}
	})
}

func FuzzDecodeStatement(f *testing.F) {
	a := sample()
	a.Reviewer.Key = strings.Repeat("f", 64)
	payload, err := encodeStatement(a)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(payload)
	f.Fuzz(func(t *testing.T, payload []byte) {
		a, err := decodeStatement(payload)
		if err != nil {
			return
		}
		again, err := encodeStatement(a)
		if err != nil {
			t.Fatal(err)
		}
		b, err := decodeStatement(again)
		if err != nil {
			t.Fatalf("%s became %s, which is refused: %v", payload, again, err)
		}
		if !sameApproval(t, a, b) {
			t.Errorf("%+v became %+v", a, b)
		}
	})
}

func FuzzParsePublicKey(f *testing.F) {
	for _, kind := range []KeyKind{Ed25519, ECDSAP256} {
		f.Add(generate(f, kind).Public().PEM())
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		key, err := ParsePublicKey(text)
		if err != nil {
			return
		}
		again, err := ParsePublicKey(key.PEM())
		if err != nil || again.ID() != key.ID() {
			t.Errorf("%s became %s, %v", text, key.PEM(), err)
		}
		if raw, err := base64.StdEncoding.DecodeString(key.hint()); err != nil || len(raw) != 32 {
			t.Errorf("hint %q", key.hint())
		}
	})
}
