package approval

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/secure-systems-lab/go-securesystemslib/dsse"

	"github.com/least-privilege/lpm/registry/approval/seal"
)

// sealed makes an approval in force, with its key in a folder, and the seal.
func sealed(t *testing.T, kind KeyKind, expires time.Time) (*seal.Seal, string) {
	t.Helper()
	key, err := GenerateKey(kind)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "trust.d")
	if _, err := WritePublicKey(dir, "me", key.Public()); err != nil {
		t.Fatal(err)
	}
	a := &Approval{
		Decision: Approve, ImageDigest: hash("a"), ManifestDigest: hash("b"),
		PermissionsDigest: hash("c"), Time: time.Now().UTC(), Expires: expires,
	}
	bundle, err := Sign(key, a)
	if err != nil {
		t.Fatal(err)
	}
	g := &Grant{Approval: a, Deciding: []Statement{{Approval: a, Bundle: bundle}}}
	s, err := g.Seal(app, filepath.Join(dir, "..", "system"), dir)
	if err != nil {
		t.Fatal(err)
	}
	return s, dir
}

func TestSeal(t *testing.T) {
	for _, kind := range []KeyKind{Ed25519, ECDSAP256} {
		t.Run(string(kind), func(t *testing.T) {
			s, _ := sealed(t, kind, time.Time{})
			if err := s.Check(time.Now()); err != nil {
				t.Fatal(err)
			}
			one := s.Statements[0]
			if !bytes.Equal(seal.Encoding(one.Payload), dsse.PAE(seal.PayloadType, one.Payload)) {
				t.Error("another pre-authentication encoding than that of DSSE")
			}
			// Every byte of what was signed, of the signature and of the key
			// counts.
			for name, field := range map[string][]byte{"payload": one.Payload, "signature": one.Signature, "key": one.Key, "key file": s.Files[0].Text} {
				for i := range field {
					field[i] ^= 1 << (i % 8)
					if err := s.Check(time.Now()); !errors.Is(err, seal.ErrStale) {
						t.Fatalf("with another byte %d of the %s: %v", i, name, err)
					}
					field[i] ^= 1 << (i % 8)
				}
			}
		})
	}
}

func TestSealGoesStale(t *testing.T) {
	tests := []struct {
		name   string
		change func(t *testing.T, s *seal.Seal, dir string)
	}{
		{"another image", func(_ *testing.T, s *seal.Seal, _ string) { s.Image = hash("d").String() }},
		{"another manifest", func(_ *testing.T, s *seal.Seal, _ string) { s.Manifest = hash("d").String() }},
		{"other permissions", func(_ *testing.T, s *seal.Seal, _ string) { s.Permissions = hash("d").String() }},
		{"the key is gone", func(t *testing.T, _ *seal.Seal, dir string) {
			if err := os.Remove(filepath.Join(dir, "me.pub")); err != nil {
				t.Fatal(err)
			}
		}},
		{"the folder is gone", func(t *testing.T, _ *seal.Seal, dir string) {
			if err := os.Rename(dir, dir+".away"); err != nil {
				t.Fatal(err)
			}
		}},
		{"the key is another, in place", func(t *testing.T, s *seal.Seal, dir string) {
			other, err := GenerateKey(Ed25519)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, "me.pub"), other.Public().PEM(), 0o644); err != nil {
				t.Fatal(err)
			}
		}},
		{"one more key, whose owner may have revoked it", func(t *testing.T, _ *seal.Seal, dir string) {
			other, err := GenerateKey(Ed25519)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := WritePublicKey(dir, "other", other.Public()); err != nil {
				t.Fatal(err)
			}
		}},
		{"everyone can change the key", func(t *testing.T, _ *seal.Seal, dir string) {
			if err := os.Chmod(filepath.Join(dir, "me.pub"), 0o666); err != nil {
				t.Fatal(err)
			}
		}},
		{"a system's folder comes", func(t *testing.T, _ *seal.Seal, dir string) {
			if err := os.Mkdir(filepath.Join(dir, "..", "system"), 0o755); err != nil {
				t.Fatal(err)
			}
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s, dir := sealed(t, Ed25519, time.Time{})
			test.change(t, s, dir)
			if err := s.Check(time.Now()); !errors.Is(err, seal.ErrStale) {
				t.Errorf("it holds: %v", err)
			}
		})
	}
}

func TestSealAndTime(t *testing.T) {
	now := time.Now()
	s, _ := sealed(t, Ed25519, now.Add(time.Hour))
	for _, test := range []struct {
		name string
		at   time.Time
		ok   bool
	}{
		{"now", now, true},
		{"at its end", now.Add(time.Hour), false},
		{"by a clock that is a little behind", now.Add(-seal.Skew / 2), true},
		{"by a clock that is far behind", now.Add(-2 * seal.Skew), false},
	} {
		if err := s.Check(test.at); (err == nil) != test.ok {
			t.Errorf("%s: %v", test.name, err)
		}
	}
}
