package reference

import (
	"errors"
	"strings"
	"testing"
)

var digest = "sha256:" + strings.Repeat("0123456789abcdef", 4)

func TestParse(t *testing.T) {
	for _, test := range []struct {
		name, text string
		want       Reference
		full       string
	}{
		{"library", "nginx",
			Reference{Registry: "docker.io", Path: "library/nginx", Tag: "latest"},
			"docker.io/library/nginx:latest"},
		{"library with tag", "nginx:1.27-alpine",
			Reference{Registry: "docker.io", Path: "library/nginx", Tag: "1.27-alpine"},
			"docker.io/library/nginx:1.27-alpine"},
		{"namespace", "bitnami/redis",
			Reference{Registry: "docker.io", Path: "bitnami/redis", Tag: "latest"},
			"docker.io/bitnami/redis:latest"},
		{"hub named", "docker.io/nginx",
			Reference{Registry: "docker.io", Explicit: true, Path: "library/nginx", Tag: "latest"},
			"docker.io/library/nginx:latest"},
		{"hub by its older name", "index.docker.io/library/nginx",
			Reference{Registry: "docker.io", Explicit: true, Path: "library/nginx", Tag: "latest"},
			"docker.io/library/nginx:latest"},
		{"port is not a tag", "registry.example:5000/a",
			Reference{Registry: "registry.example:5000", Explicit: true, Path: "a", Tag: "latest"},
			"registry.example:5000/a:latest"},
		{"port and tag", "registry.example:5000/a/b__c:v1",
			Reference{Registry: "registry.example:5000", Explicit: true, Path: "a/b__c", Tag: "v1"},
			"registry.example:5000/a/b__c:v1"},
		{"localhost", "localhost/app",
			Reference{Registry: "localhost", Explicit: true, Path: "app", Tag: "latest"},
			"localhost/app:latest"},
		{"IPv6", "[::1]:5000/app",
			Reference{Registry: "[::1]:5000", Explicit: true, Path: "app", Tag: "latest"},
			"[::1]:5000/app:latest"},
		{"pinned", "app@" + digest,
			Reference{Registry: "docker.io", Path: "library/app", Digest: digest},
			"docker.io/library/app@" + digest},
		{"tag and pinned", "ghcr.io/o/app:2@" + digest,
			Reference{Registry: "ghcr.io", Explicit: true, Path: "o/app", Tag: "2", Digest: digest},
			"ghcr.io/o/app:2@" + digest},
		{"digest alone", digest,
			Reference{Kind: Digest, Digest: digest}, digest},
		{"layout", "oci:/srv/images",
			Reference{Kind: Layout, File: "/srv/images"}, "oci:/srv/images"},
		{"layout with tag", "oci:images:1.2",
			Reference{Kind: Layout, File: "images", Tag: "1.2"}, "oci:images:1.2"},
		{"layout with digest", "oci:images@" + digest,
			Reference{Kind: Layout, File: "images", Digest: digest}, "oci:images@" + digest},
		{"layout with colon in its folder", "oci:/a:b/c",
			Reference{Kind: Layout, File: "/a:b/c"}, "oci:/a:b/c"},
		{"archive", "docker-archive:dir/app.tar.gz",
			Reference{Kind: Archive, File: "dir/app.tar.gz"}, "docker-archive:dir/app.tar.gz"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := Parse(test.text)
			if err != nil {
				t.Fatal(err)
			}
			if got != test.want {
				t.Errorf("got  %#v\nwant %#v", got, test.want)
			}
			if got.String() != test.full {
				t.Errorf("full form %q, want %q", got, test.full)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	for _, test := range []struct{ name, text string }{
		{"empty", ""},
		{"upper case", "Nginx"},
		{"upper case path", "docker.io/Nginx"},
		{"no path", "docker.io/"},
		{"empty component", "a//b"},
		{"dots", "a/../b"},
		{"leading dot", ".a"},
		{"three underscores", "a___b"},
		{"space", "a b"},
		{"newline", "nginx\n"},
		{"escape sequence", "nginx\x1b[2K"},
		{"look-alike letter", "ngіnx"},
		{"bidi mark", "nginx\u202e"},
		{"NUL", "oci:a\x00b"},
		{"empty tag", "nginx:"},
		{"tag with slash is a path after a port", "nginx:/x"},
		{"tag too long", "nginx:" + strings.Repeat("a", 129)},
		{"short digest", "nginx@sha256:abc"},
		{"digest in upper case", "nginx@sha256:" + strings.Repeat("A", 64)},
		{"other algorithm", "nginx@sha512:" + strings.Repeat("a", 128)},
		{"two digests", "nginx@" + digest + "@" + digest},
		{"host with a bad port", "a.example:123456/x"},
		{"host of dots", "../x"},
		{"name too long", strings.Repeat("a", 256)},
		{"reference too long", "oci:" + strings.Repeat("a", MaxLength)},
		{"layout without folder", "oci:"},
		{"layout with tag but no folder", "oci::tag"},
		{"layout with bad tag", "oci:dir:-x"},
		{"archive without file", "docker-archive:"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := Parse(test.text)
			if err == nil {
				t.Fatalf("parsed as %#v", got)
			}
			var refused *Error
			if !errors.As(err, &refused) || refused.Hint() == "" {
				t.Errorf("error %v has no hint", err)
			}
			for _, r := range err.Error() {
				if r != '…' && (r < ' ' || r > '~') {
					t.Errorf("message %q is not escaped", err)
				}
			}
		})
	}
}

func TestRepository(t *testing.T) {
	for _, test := range []struct{ name, text, want string }{
		{"short", "nginx:1.27", "docker.io/library/nginx"},
		{"long", "docker.io/library/nginx@" + digest, "docker.io/library/nginx"},
		{"other registry", "quay.io/a/b:c", "quay.io/a/b"},
		{"layout has none", "oci:dir", ""},
		{"digest has none", digest, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := Repository(test.text)
			if got != test.want || (err == nil) != (test.want != "") {
				t.Errorf("got %q, %v; want %q", got, err, test.want)
			}
		})
	}
}

func TestRemote(t *testing.T) {
	for _, test := range []struct {
		name, text, want string
		insecure         bool
		scheme           string
	}{
		{"hub", "nginx", "index.docker.io/library/nginx:latest", false, "https"},
		{"the digest wins over the tag", "quay.io/a:b@" + digest, "quay.io/a@" + digest, false, "https"},
		{"insecure only when asked", "registry.example/a", "registry.example/a:latest", true, "http"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r, err := Parse(test.text)
			if err != nil {
				t.Fatal(err)
			}
			ref, err := r.Remote(test.insecure)
			if err != nil {
				t.Fatal(err)
			}
			if ref.Name() != test.want || ref.Context().Scheme() != test.scheme {
				t.Errorf("got %s by %s, want %s by %s", ref.Name(), ref.Context().Scheme(), test.want, test.scheme)
			}
		})
	}
	if _, err := (Reference{Kind: Layout, File: "x"}).Remote(false); err == nil {
		t.Error("a layout on disk became a remote reference")
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"nginx", "a.b:5/c/d:e@" + digest, "oci:a:b/c:d", "docker-archive:x", digest, "[::1]/a"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, err := Parse(text)
		if err != nil {
			return
		}
		again, err := Parse(r.String())
		if err != nil {
			t.Fatalf("%q became %q, which is refused: %v", text, r, err)
		}
		again.Explicit = r.Explicit
		if again != r {
			t.Fatalf("%q became %#v, then %#v", text, r, again)
		}
		if r.Kind != Named {
			return
		}
		for _, c := range r.String() {
			if c <= ' ' || c > '~' {
				t.Fatalf("%q holds %q", r, c)
			}
		}
		if _, err := r.Remote(false); err != nil {
			t.Fatalf("%q has no remote form: %v", text, err)
		}
	})
}
