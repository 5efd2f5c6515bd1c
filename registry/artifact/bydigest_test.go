package artifact

import (
	"errors"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/least-privilege/lpm/manifest"
)

func TestByDigest(t *testing.T) {
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
			attach := func(call string) v1.Hash {
				t.Helper()
				h, err := Attach(t.Context(), test.target, test.image, parsed(t, strings.Replace(permissions, "read", call, 1)), noon)
				if err != nil {
					t.Fatal(err)
				}
				return h
			}
			old, newest := attach("read"), attach("write")
			for digest, call := range map[v1.Hash]string{old: "read", newest: "write"} {
				m, err := ByDigest(t.Context(), test.target, digest)
				if err != nil || len(m.Syscalls.Allow) != 1 || m.Syscalls.Allow[0].Name != call {
					t.Errorf("%s is %+v, %v; want %s", digest, m, err, call)
				}
			}
			for name, digest := range map[string]v1.Hash{"an image": test.image, "nothing": digestOf([]byte("nothing"))} {
				if m, err := ByDigest(t.Context(), test.target, digest); !errors.Is(err, ErrNotFound) || m != nil {
					t.Errorf("%s is %+v, %v", name, m, err)
				}
			}
		})
	}
}

func TestByDigestOfWhatIsWrong(t *testing.T) {
	m := newMemory()
	image := m.image("a")
	attach := func(d Document) v1.Hash {
		t.Helper()
		d.Created = noon
		h, err := AttachBlob(t.Context(), m, image, d)
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	invalid := attach(Document{MediaType: manifest.MediaType, Content: []byte("{")})
	if _, err := ByDigest(t.Context(), m, invalid); !isInvalid(err) {
		t.Errorf("an invalid manifest: %v", err)
	}
	other := attach(Document{MediaType: "application/vnd.example+json", Content: []byte(permissions)})
	if _, err := ByDigest(t.Context(), m, other); !errors.Is(err, ErrNotFound) {
		t.Errorf("a document of another type: %v", err)
	}
	good := attach(Document{MediaType: manifest.MediaType, Content: []byte(permissions)})
	m.blobs[good] = m.blobs[invalid]
	if _, err := ByDigest(t.Context(), m, good); !errors.Is(err, ErrCorrupt) {
		t.Errorf("another manifest than the digest's: %v", err)
	}
	m.fail = errors.New("out of order")
	if _, err := ByDigest(t.Context(), m, invalid); !errors.Is(err, m.fail) {
		t.Errorf("a target that fails: %v", err)
	}
}

func isInvalid(err error) bool {
	_, is := errors.AsType[*Invalid](err)
	return is
}
