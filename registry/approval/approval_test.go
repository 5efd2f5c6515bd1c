package approval

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/least-privilege/lpm/manifest"
	"github.com/least-privilege/lpm/registry/artifact"
	"github.com/least-privilege/lpm/registry/store"
	"github.com/least-privilege/lpm/registry/unpack/imagetest"
)

var noon = time.Date(2025, 3, 4, 12, 0, 0, 5, time.UTC)

const (
	plain = `{"version":1,"syscalls":{"architecture":"amd64","kernel":"6.18","allow":[
		{"name":"read"},{"name":"write"},{"name":"getpid","optional":true}]},
		"identity":{"mode":"single"},"filesystem":{},"network":{"mode":"none"},
		"resources":{"memory":1048576,"pids":8,"milliCPU":500,"openFiles":64,"fileSize":1048576}}`
	hostNetwork = `{"version":1,"syscalls":{"architecture":"amd64","kernel":"6.18","allow":[{"name":"read"}]},
		"identity":{"mode":"single"},"filesystem":{},"network":{"mode":"host","optional":true},
		"resources":{"memory":1048576,"pids":8,"milliCPU":500,"openFiles":64,"fileSize":1048576}}`
)

func parse(t testing.TB, text string) *manifest.Manifest {
	t.Helper()
	m, err := manifest.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func generate(t testing.TB, kind KeyKind) *PrivateKey {
	t.Helper()
	key, err := GenerateKey(kind)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// trusting is the trust in keys for the repository of the tests.
func trusting(keys ...PublicKey) Quorum { return NewTrust(keys...).For(app) }

// place is a store with one image that asks for permissions.
type place struct {
	artifact.Local
	image v1.Hash
	found artifact.Found
}

func newPlace(t *testing.T, permissions string) *place {
	t.Helper()
	s, err := store.Open(t.TempDir(), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	imagetest.New(t, imagetest.Plain(t, imagetest.File("a", "b"))).Layout(t, dir, "app:1")
	images, err := s.Load(t.Context(), "oci:"+dir)
	if err != nil {
		t.Fatal(err)
	}
	p := &place{Local: artifact.NewLocal(s), image: images[0].Digest}
	p.attach(t, permissions)
	return p
}

// attach makes the permissions the newest that the image asks for.
func (p *place) attach(t *testing.T, permissions string) {
	t.Helper()
	if _, err := artifact.Attach(t.Context(), p, p.image, parse(t, permissions), noon); err != nil {
		t.Fatal(err)
	}
	all, err := artifact.Find(t.Context(), p, p.image)
	if err != nil {
		t.Fatal(err)
	}
	newest, ok := artifact.Newest(all)
	if !ok {
		t.Fatal("what was attached is not there")
	}
	p.found = newest
}

func (p *place) approval(t *testing.T, c Choice, at time.Time) *Approval {
	t.Helper()
	a, err := New(p.image, "docker.io/library/app", p.found, c, at)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// save signs and keeps a decision.
func (p *place) save(t *testing.T, key *PrivateKey, a *Approval) {
	t.Helper()
	bundle, err := Sign(key, a)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Save(t.Context(), p, a, bundle); err != nil {
		t.Fatal(err)
	}
}

func permissionIDs(m *manifest.Manifest) []string { return ids(m.Permissions()) }

func TestNew(t *testing.T) {
	for _, test := range []struct {
		name, permissions string
		choice            Choice
		failed            func(error) bool
		denied, accepted  []string
	}{
		{name: "all of it", permissions: plain},
		{name: "an optional one denied", permissions: plain,
			choice: Choice{Denied: []string{"syscall:getpid"}}, denied: []string{"syscall:getpid"}},
		{name: "a required one denied", permissions: plain,
			choice: Choice{Denied: []string{"syscall:read"}},
			failed: func(err error) bool { return errors.Is(err, manifest.ErrRequired) }},
		{name: "one denied that is not asked for", permissions: plain,
			choice: Choice{Denied: []string{"syscall:fork"}},
			failed: func(err error) bool { return errors.Is(err, manifest.ErrUnknownPermission) }},
		{name: "a special one not named", permissions: hostNetwork,
			failed: func(err error) bool {
				var special *SpecialError
				return errors.As(err, &special) && slices.Equal(special.IDs, []string{"network:host"}) &&
					strings.Contains(special.Hint(), "--accept network:host")
			}},
		{name: "a special one named", permissions: hostNetwork,
			choice: Choice{Accepted: []string{"network:host"}}, accepted: []string{"network:host"}},
		{name: "a special one denied", permissions: hostNetwork,
			choice: Choice{Denied: []string{"network:host"}}, denied: []string{"network:host"}},
		{name: "one accepted that is not asked for", permissions: plain,
			choice: Choice{Accepted: []string{"network:host"}}, failed: func(err error) bool { return err != nil }},
		{name: "one accepted and denied", permissions: hostNetwork,
			choice: Choice{Accepted: []string{"network:host"}, Denied: []string{"network:host"}},
			failed: func(err error) bool { return err != nil }},
		{name: "ended before it began", permissions: plain,
			choice: Choice{Expires: noon}, failed: func(err error) bool { return err != nil }},
	} {
		t.Run(test.name, func(t *testing.T) {
			found := artifact.Found{Digest: v1.Hash{Algorithm: "sha256", Hex: strings.Repeat("a", 64)}, Manifest: parse(t, test.permissions)}
			a, err := New(v1.Hash{Algorithm: "sha256", Hex: strings.Repeat("b", 64)}, "docker.io/library/app", found, test.choice, noon)
			if test.failed != nil {
				if !test.failed(err) {
					t.Errorf("got %+v, %v", a, err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(a.Denied, test.denied) || !slices.Equal(a.Accepted, test.accepted) {
				t.Errorf("denied %q, accepted %q", a.Denied, a.Accepted)
			}
			narrowed, err := found.Manifest.Without(test.denied...)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(a.Granted, permissionIDs(narrowed)) {
				t.Errorf("granted %q, want %q", a.Granted, permissionIDs(narrowed))
			}
		})
	}
}

func TestNewOfAnInvalidManifest(t *testing.T) {
	if _, err := New(v1.Hash{}, "", artifact.Found{Err: artifact.ErrCorrupt}, Choice{}, noon); !errors.Is(err, artifact.ErrCorrupt) {
		t.Errorf("got %v", err)
	}
}
