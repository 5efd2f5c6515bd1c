package artifact

import (
	"errors"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/least-privilege/lpm/manifest"
	"github.com/least-privilege/lpm/registry/store"
	"github.com/least-privilege/lpm/registry/unpack/imagetest"
)

const permissions = `{"version":1,"syscalls":{"architecture":"amd64","kernel":"6.18","allow":[{"name":"read"}]},` +
	`"identity":{"mode":"single"},"filesystem":{},"network":{"mode":"none"},"resources":{}}`

func parsed(t *testing.T, text string) *manifest.Manifest {
	t.Helper()
	m, err := manifest.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// localStore is the machine's store with one image.
func localStore(t *testing.T) (Local, *store.Store, v1.Hash) {
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
	return NewLocal(s), s, images[0].Digest
}

func TestAttachFind(t *testing.T) {
	memory := newMemory()
	local, _, localImage := localStore(t)
	remote, remoteImage := repository(t, inProcess(t, true, nil))
	for _, test := range []struct {
		name   string
		target Target
		image  v1.Hash
	}{
		{"memory", memory, memory.image("a")},
		{"local store", local, localImage},
		{"registry", remote, remoteImage},
	} {
		t.Run(test.name, func(t *testing.T) {
			find := func() []Found {
				t.Helper()
				found, err := Find(t.Context(), test.target, test.image)
				if err != nil {
					t.Fatal(err)
				}
				return found
			}
			attach := func(name string, at time.Time) v1.Hash {
				t.Helper()
				h, err := Attach(t.Context(), test.target, test.image, parsed(t, strings.Replace(permissions, "read", name, 1)), at)
				if err != nil {
					t.Fatal(err)
				}
				return h
			}
			if found := find(); len(found) != 0 {
				t.Fatalf("before: %+v", found)
			}
			read := attach("read", noon)
			if again := attach("read", noon.Add(time.Hour)); again != read || len(find()) != 1 {
				t.Errorf("the same again became %s beside %s", again, read)
			}
			// The clock has been set back; what is attached last is newest still.
			write := attach("write", noon.Add(-time.Hour))
			back := attach("read", noon.Add(-time.Hour))
			if back == read {
				t.Error("an older manifest was taken for the newest")
			}
			found := find()
			newest, ok := Newest(found)
			if !ok || len(found) != 3 || found[0].Digest != read || found[1].Digest != write || newest.Digest != back {
				t.Errorf("got %+v", found)
			}
			if newest.Manifest.Syscalls.Allow[0].Name != "read" {
				t.Errorf("got %+v", newest.Manifest)
			}
		})
	}
}

func TestFindShowsWhatIsInvalid(t *testing.T) {
	for _, test := range []struct{ name, content string }{
		{"not JSON", "{"},
		{"an unknown field", strings.Replace(permissions, "{", `{"x":1,`, 1)},
		{"an unknown call", strings.Replace(permissions, "read", "raed", 1)},
		{"too large", `{"x":"` + strings.Repeat("x", MaxPermissions) + `"}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := newMemory()
			image := m.image("a")
			if _, err := AttachBlob(t.Context(), m, image, Document{MediaType: manifest.MediaType, Content: []byte(test.content), Created: noon}); err != nil {
				t.Fatal(err)
			}
			good, err := Attach(t.Context(), m, image, parsed(t, permissions), noon)
			if err != nil {
				t.Fatal(err)
			}
			found, err := Find(t.Context(), m, image)
			if err != nil || len(found) != 2 {
				t.Fatalf("got %+v, %v", found, err)
			}
			for _, f := range found {
				var invalid *Invalid
				if f.Digest != good && (!errors.As(f.Err, &invalid) || f.Manifest != nil) {
					t.Errorf("got %+v", f)
				}
			}
			if newest, ok := Newest(found); !ok || newest.Digest != good {
				t.Errorf("newest is %+v", newest)
			}
		})
	}
}

func TestAttachRefusesAnInvalidManifest(t *testing.T) {
	m := newMemory()
	image := m.image("a")
	if _, err := Attach(t.Context(), m, image, &manifest.Manifest{}, noon); err == nil || len(m.referrers) != 0 {
		t.Errorf("attached: %v", err)
	}
}

func TestLocalStore(t *testing.T) {
	local, s, image := localStore(t)
	if _, err := AttachBlob(t.Context(), local, digestOf([]byte("x")), note("one")); !errors.Is(err, ErrNotFound) {
		t.Errorf("an image that is not there: %v", err)
	}
	h, err := AttachBlob(t.Context(), local, image, note("one"))
	if err != nil {
		t.Fatal(err)
	}
	// What was attached stays for as long as the image.
	if _, err := s.Prune(t.Context()); err != nil {
		t.Fatal(err)
	}
	items, err := List(t.Context(), local, image, testType, 100)
	if err != nil || len(items) != 1 || items[0].Digest != h || items[0].Err != nil {
		t.Errorf("got %+v, %v", items, err)
	}
	if _, err := local.Blob(t.Context(), v1.Descriptor{Digest: h, Size: 3}); err == nil {
		t.Error("a blob was read by another size")
	}
	if _, err := local.Blob(t.Context(), v1.Descriptor{Digest: h, Size: MaxDocument + 1}); !errors.Is(err, ErrTooLarge) {
		t.Errorf("got %v", err)
	}
	if _, err := local.Manifest(t.Context(), digestOf([]byte("x"))); !errors.Is(err, ErrNotFound) {
		t.Errorf("got %v", err)
	}
}

// From a registry to the store and back to another registry, nothing changes.
func TestCopyKeepsDigests(t *testing.T) {
	first, image := repository(t, inProcess(t, true, nil))
	second, _ := repository(t, inProcess(t, false, nil))
	between := newMemory()
	between.image("app")
	h, err := Attach(t.Context(), first, image, parsed(t, permissions), noon)
	if err != nil {
		t.Fatal(err)
	}
	for _, hop := range []struct{ from, to Target }{{first, between}, {between, second}} {
		if n, err := Copy(t.Context(), hop.from, hop.to, image, manifest.MediaType, MaxPermissions); err != nil || n != 1 {
			t.Fatalf("copied %d, %v", n, err)
		}
	}
	found, err := Find(t.Context(), second, image)
	if err != nil || len(found) != 1 || found[0].Digest != h || found[0].Err != nil {
		t.Errorf("got %+v, %v", found, err)
	}
}
