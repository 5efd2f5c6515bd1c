package artifact

import (
	"encoding/json"
	"errors"
	"net/http"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/least-privilege/lpm/registry/reference"
)

func TestResolve(t *testing.T) {
	t.Parallel()
	host := inProcess(t, true, nil)
	r, image := repository(t, host)
	arm := imageManifest("arm")
	push(t, r, "arm", types.OCIManifestSchema1, arm)
	index, err := json.Marshal(v1.IndexManifest{
		SchemaVersion: 2, MediaType: types.OCIImageIndex,
		Manifests: []v1.Descriptor{
			{MediaType: types.OCIManifestSchema1, Digest: image, Size: 1, Platform: &v1.Platform{OS: "unknown", Architecture: "unknown"}},
			{MediaType: types.OCIManifestSchema1, Digest: digestOf(arm), Size: 1, Platform: &v1.Platform{OS: "linux", Architecture: "arm64"}},
			{MediaType: types.OCIManifestSchema1, Digest: image, Size: 1, Platform: &v1.Platform{OS: "linux", Architecture: "amd64"}},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	push(t, r, "multi", types.OCIImageIndex, index)

	for _, test := range []struct {
		name, ref, architecture string
		want                    v1.Hash
		failed                  func(error) bool
	}{
		{name: "a tag", ref: ":1", architecture: "amd64", want: image},
		{name: "a digest", ref: "@" + image.String(), architecture: "amd64", want: image},
		{name: "an index", ref: ":multi", architecture: "amd64", want: image},
		{name: "an index, another platform", ref: ":multi", architecture: "arm64", want: digestOf(arm)},
		{name: "an index by digest", ref: "@" + digestOf(index).String(), architecture: "arm64", want: digestOf(arm)},
		{name: "a platform that is not there", ref: ":multi", architecture: "riscv64", failed: func(err error) bool {
			var missing *PlatformError
			return errors.As(err, &missing) && len(missing.Available) == 3
		}},
		{name: "a tag that is not there", ref: ":2", architecture: "amd64", failed: func(err error) bool { return errors.Is(err, ErrNotFound) }},
	} {
		t.Run(test.name, func(t *testing.T) {
			ref, err := reference.Parse(host + "/team/app" + test.ref)
			if err != nil {
				t.Fatal(err)
			}
			got, err := r.Resolve(t.Context(), ref, test.architecture)
			if test.failed != nil {
				if !test.failed(err) {
					t.Errorf("got %v, %v", got, err)
				}
				return
			}
			if err != nil || got != test.want {
				t.Errorf("got %v, %v; want %v", got, err, test.want)
			}
		})
	}
}

// A registry that answers with other bytes than those a digest names.
func TestLyingRegistry(t *testing.T) {
	t.Parallel()
	host := inProcess(t, false, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			if req.Method != http.MethodGet || req.URL.Path == "/v2/" {
				next.ServeHTTP(w, req)
				return
			}
			w.Header().Set("Content-Type", string(types.OCIManifestSchema1))
			w.Write(imageManifest("lie"))
		})
	})
	r := open(t, host+"/team/app")
	truth := digestOf(imageManifest("truth"))
	if _, err := r.Manifest(t.Context(), truth); !errors.Is(err, ErrCorrupt) {
		t.Errorf("manifest: %v", err)
	}
	ref, err := reference.Parse(host + "/team/app@" + truth.String())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Resolve(t.Context(), ref, "amd64"); !errors.Is(err, ErrCorrupt) {
		t.Errorf("resolving: %v", err)
	}
	size := int64(len(imageManifest("lie")))
	for _, test := range []struct {
		name string
		size int64
		want error
	}{
		{"blob of the stated size", size, ErrCorrupt},
		{"blob longer than stated", size - 1, ErrTooLarge},
		{"blob shorter than stated", size + 1, ErrCorrupt},
		{"blob stated too large", MaxDocument + 1, ErrTooLarge},
	} {
		if _, err := r.Blob(t.Context(), v1.Descriptor{Digest: truth, Size: test.size}); !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", test.name, err, test.want)
		}
	}
}
