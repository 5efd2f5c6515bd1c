package approval

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/least-privilege/lpm/manifest"
	"github.com/least-privilege/lpm/registry/artifact"
)

const app = "docker.io/library/app"

// decision makes an approval of the permissions for an image of the repository.
func decision(t testing.TB, image, repository, permissions string, at time.Time) (*Approval, *manifest.Manifest) {
	t.Helper()
	m := parse(t, permissions)
	a, err := New(hash(image), repository, artifact.Found{Digest: hash("f"), Manifest: m}, Choice{}, at)
	if err != nil {
		t.Fatal(err)
	}
	return a, m
}

func TestLastApproved(t *testing.T) {
	alice, mallory := generate(t, Ed25519), generate(t, Ed25519)
	hour := func(n int) time.Time { return noon.Add(time.Duration(n) * time.Hour) }
	other := strings.Replace(plain, `{"name":"read"},`, ``, 1)

	type step func(*testing.T, Ledger)
	approve := func(key *PrivateKey, image, repository, permissions string, at int) step {
		return func(t *testing.T, l Ledger) {
			a, m := decision(t, image, repository, permissions, hour(at))
			record(t, l, key, a, m)
		}
	}
	revoke := func(key *PrivateKey, image string, at int) step {
		return func(t *testing.T, l Ledger) {
			a, _ := decision(t, image, app, plain, hour(0))
			record(t, l, key, NewRevocation(a, "", hour(at)), nil)
		}
	}
	for _, test := range []struct {
		name  string
		steps []step
		image string // of the approval that is found; "" is none
	}{
		{"nothing", nil, ""},
		{"one", []step{approve(alice, "1", app, plain, 0)}, "1"},
		{"the newest", []step{approve(alice, "2", app, other, 2), approve(alice, "1", app, plain, 1)}, "2"},
		{"of this repository", []step{approve(alice, "1", app, plain, 1), approve(alice, "2", app+"/sub", other, 2)}, "1"},
		{"by a trusted key", []step{approve(alice, "1", app, plain, 1), approve(mallory, "2", app, other, 2)}, "1"},
		{"before the revoked", []step{approve(alice, "1", app, plain, 1), approve(alice, "2", app, other, 2), revoke(alice, "2", 3)}, "1"},
		{"a stranger's revocation", []step{approve(alice, "1", app, plain, 1), revoke(mallory, "1", 3)}, "1"},
		{"approved again", []step{approve(alice, "1", app, plain, 1), revoke(alice, "1", 2), approve(alice, "1", app, plain, 3)}, "1"},
		{"all revoked", []step{approve(alice, "1", app, plain, 1), revoke(alice, "1", 1)}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			l := Ledger{Dir: t.TempDir()}
			for _, step := range test.steps {
				step(t, l)
			}
			past, err := l.LastApproved(app, NewTrust(alice.Public()))
			if test.image == "" {
				if !errors.Is(err, ErrNoneApproved) {
					t.Errorf("got %+v, %v", past, err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			a, m := past.Approval, past.Asked
			if a.ImageDigest != hash(test.image) {
				t.Errorf("got the approval of %s", a.ImageDigest)
			}
			if got, err := digestOf(m); err != nil || got != a.PermissionsDigest {
				t.Errorf("the manifest is another, %v", err)
			}
		})
	}
}

func record(t testing.TB, l Ledger, key *PrivateKey, a *Approval, m *manifest.Manifest) {
	t.Helper()
	bundle, err := Sign(key, a)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Record(a.Repository, a, bundle, m); err != nil {
		t.Fatal(err)
	}
}

func TestTamperedLedgerCountsForNothing(t *testing.T) {
	key := generate(t, Ed25519)
	trust := NewTrust(key.Public())
	l := Ledger{Dir: t.TempDir()}
	a, m := decision(t, "1", app, plain, noon)
	record(t, l, key, a, m)
	files, err := filepath.Glob(filepath.Join(l.Dir, app, entriesFolder, "*"))
	if err != nil || len(files) != 1 {
		t.Fatalf("%v, %v", files, err)
	}
	content, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ name, old, new string }{
		{"another permission", `"getpid"`, `"ptrace"`},
		{"a required one made optional", `{"name":"read"}`, `{"name":"read","optional":true}`},
		{"the bundle", `"bundle":"eyJ`, `"bundle":"eyK`},
		{"an unknown field", `{"bundle"`, `{"x":1,"bundle"`},
		{"cut off", string(content[len(content)/2:]), ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			tampered := strings.Replace(string(content), test.old, test.new, 1)
			if tampered == string(content) {
				t.Fatalf("the entry has no %s: %s", test.old, content)
			}
			if err := os.WriteFile(files[0], []byte(tampered), 0o600); err != nil {
				t.Fatal(err)
			}
			if past, err := l.LastApproved(app, trust); !errors.Is(err, ErrNoneApproved) {
				t.Errorf("got %+v, %v", past, err)
			}
		})
	}
}

func TestLedgerKeepsAll(t *testing.T) {
	key := generate(t, Ed25519)
	trust := NewTrust(key.Public())
	l := Ledger{Dir: t.TempDir()}
	const decisions = 100
	for i := range decisions {
		a, m := decision(t, "1", app, plain, noon.Add(time.Duration(i)))
		record(t, l, key, a, m)
		record(t, l, key, a, m) // again
	}
	found, err := l.Statements(app, hash("1"), trust.For(app))
	if err != nil || len(found) != decisions {
		t.Errorf("%d statements, %v", len(found), err)
	}
	if others, err := l.Statements(app, hash("2"), trust.For(app)); err != nil || len(others) != 0 {
		t.Errorf("%d statements on another image, %v", len(others), err)
	}
	past, err := l.LastApproved(app, trust)
	if err != nil || !past.Approval.Time.Equal(noon.Add(decisions-1)) {
		t.Errorf("got %+v, %v", past, err)
	}
}

func TestLedgerKeepsToItsFolder(t *testing.T) {
	l := Ledger{Dir: t.TempDir()}
	for _, repository := range []string{"../x", "app", "/etc", "docker.io/../x"} {
		if _, err := l.LastApproved(repository, Trust{}); err == nil || errors.Is(err, ErrNoneApproved) {
			t.Errorf("%q: %v", repository, err)
		}
	}
	key := generate(t, Ed25519)
	a, m := decision(t, "1", "", plain, noon)
	record(t, l, key, a, m)
	if past, err := l.LastApproved("", NewTrust(key.Public())); err != nil || past.Approval.ImageDigest != hash("1") {
		t.Errorf("an approval without a repository: %+v, %v", past, err)
	}
}

func FuzzDecodeEntry(f *testing.F) {
	key := generate(f, Ed25519)
	trust := trusting(key.Public())
	a, m := decision(f, "1", app, plain, noon)
	l := Ledger{Dir: f.TempDir()}
	record(f, l, key, a, m)
	files, err := filepath.Glob(filepath.Join(l.Dir, app, entriesFolder, "*"))
	if err != nil {
		f.Fatal(err)
	}
	content, err := os.ReadFile(files[0])
	if err != nil {
		f.Fatal(err)
	}
	f.Add(content)
	f.Fuzz(func(t *testing.T, content []byte) {
		got, manifest, err := decodeEntry(content, trust)
		if err != nil {
			return
		}
		if digest, err := digestOf(manifest); err != nil || digest != a.PermissionsDigest || got.ImageDigest != a.ImageDigest {
			t.Errorf("accepted %s", content)
		}
	})
}
