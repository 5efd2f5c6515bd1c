package artifact

import (
	"errors"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/least-privilege/lpm/registry/reference"
)

// inProcess starts a registry and returns its host. wrap may change how it
// answers.
func inProcess(t *testing.T, referrers bool, wrap func(http.Handler) http.Handler) string {
	t.Helper()
	handler := registry.New(registry.WithReferrersSupport(referrers), registry.Logger(log.New(io.Discard, "", 0)))
	if wrap != nil {
		handler = wrap(handler)
	}
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	u, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	return u.Host
}

// repository returns a repository of the registry with one image in it.
func repository(t *testing.T, host string) (*Remote, v1.Hash) {
	t.Helper()
	r := open(t, host+"/team/app:1")
	raw := imageManifest("app")
	push(t, r, "1", types.OCIManifestSchema1, raw, Blob{types.OCIConfigJSON, []byte("{}")})
	return r, digestOf(raw)
}

func open(t *testing.T, name string) *Remote {
	t.Helper()
	ref, err := reference.Parse(name)
	if err != nil {
		t.Fatal(err)
	}
	r, err := NewRemote(ref, RemoteOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func push(t *testing.T, r *Remote, tag string, mediaType types.MediaType, raw []byte, blobs ...Blob) {
	t.Helper()
	for _, b := range blobs {
		if err := r.writeBlob(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.put(t.Context(), tag, mediaType, raw); err != nil {
		t.Fatal(err)
	}
}

func note(text string) Document {
	return Document{MediaType: testType, Content: []byte(text), Created: noon}
}

// Each kind of registry must give back what was attached, in either form of
// config, and none of it twice.
func testRoundTrip(t *testing.T, host string) {
	t.Helper()
	r, image := repository(t, host)
	if items, err := List(t.Context(), r, image, testType, 100); err != nil || len(items) != 0 {
		t.Fatalf("before: %v, %v", items, err)
	}
	first, err := AttachBlob(t.Context(), r, image, note("one"))
	if err != nil {
		t.Fatal(err)
	}
	empty := note("two")
	empty.Config = EmptyConfig
	second, err := AttachBlob(t.Context(), r, image, empty)
	if err != nil {
		t.Fatal(err)
	}
	other := note("other")
	other.MediaType = "application/vnd.example.other"
	if _, err := AttachBlob(t.Context(), r, image, other); err != nil {
		t.Fatal(err)
	}
	// A second client has none of the first's memory.
	items, err := List(t.Context(), open(t, host+"/team/app:1"), image, testType, 100)
	if err != nil {
		t.Fatal(err)
	}
	if !sameSet(digests(items), []v1.Hash{first, second}) {
		t.Fatalf("got %v, want %s and %s", digests(items), first, second)
	}
	for _, item := range items {
		if item.Err != nil {
			t.Errorf("%s: %v", item.Digest, item.Err)
		}
	}
	local := newMemory()
	local.image("app")
	if n, err := Copy(t.Context(), r, local, image, testType, 100); err != nil || n != 2 {
		t.Errorf("copied %d, %v", n, err)
	}
}

func TestRegistryWithReferrers(t *testing.T) {
	t.Parallel()
	testRoundTrip(t, inProcess(t, true, nil))
}

func TestRegistryWithoutReferrers(t *testing.T) {
	t.Parallel()
	testRoundTrip(t, inProcess(t, false, nil))
}

// answerReferrers replaces the registry's answer to the referrers API.
func answerReferrers(answer http.HandlerFunc) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			if strings.Contains(req.URL.Path, "/referrers/") {
				answer(w, req)
				return
			}
			next.ServeHTTP(w, req)
		})
	}
}

func TestRegistriesThatDiffer(t *testing.T) {
	t.Parallel()
	emptyIndex := `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}`
	status := func(code int) func(http.Handler) http.Handler {
		return answerReferrers(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) })
	}
	for _, test := range []struct {
		name string
		wrap func(http.Handler) http.Handler
	}{
		{"a page for people", answerReferrers(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			fmt.Fprint(w, "<html>")
		})},
		{"method not allowed", status(http.StatusMethodNotAllowed)},
		{"bad request", status(http.StatusBadRequest)},
		{"not acceptable", status(http.StatusNotAcceptable)},
		{"not implemented", status(http.StatusNotImplemented)},
		{"an API that forgets", answerReferrers(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", string(types.OCIImageIndex))
			fmt.Fprint(w, emptyIndex)
		})},
		{"a header that promises the API", func(next http.Handler) http.Handler {
			return status(http.StatusNotFound)(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
				w.Header().Set("OCI-Subject", "sha256:"+strings.Repeat("0", 64))
				next.ServeHTTP(w, req)
			}))
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			testRoundTrip(t, inProcess(t, false, test.wrap))
		})
	}
}

// An answer that is neither a list nor "there is no such API" must not pass
// for an empty list: what it hides could be a revocation.
func TestUnclearAnswersAreErrors(t *testing.T) {
	t.Parallel()
	index := func(body string, header ...string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", string(types.OCIImageIndex))
			for i := 0; i < len(header); i += 2 {
				w.Header().Set(header[i], header[i+1])
			}
			fmt.Fprint(w, body)
		}
	}
	empty := `{"schemaVersion":2,"manifests":[]}`
	for _, test := range []struct {
		name   string
		answer http.HandlerFunc
	}{
		{"forbidden", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }},
		{"unauthorized", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) }},
		{"no JSON", index("{")},
		{"another version", index(`{"schemaVersion":1,"manifests":[]}`)},
		{"too large", index(`{"schemaVersion":2,"x":"` + strings.Repeat("x", MaxManifest) + `"}`)},
		{"pages without end", index(empty, "Link", `<?again>; rel="next"`)},
		{"next page elsewhere", index(empty, "Link", `<https://example.invalid/v2/x>; rel="next"`)},
		{"a link of another kind", index(empty, "Link", `</v2/x>; rel="prev"`)},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r := open(t, inProcess(t, false, answerReferrers(test.answer))+"/team/app")
			if got, err := r.Referrers(t.Context(), digestOf(nil)); err == nil {
				t.Errorf("got the list %v", got)
			}
		})
	}
}

func TestPagesAreJoined(t *testing.T) {
	t.Parallel()
	page := func(text, link string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			if link != "" {
				w.Header().Set("Link", link)
			}
			w.Header().Set("Content-Type", string(types.OCIImageIndex))
			fmt.Fprintf(w, `{"schemaVersion":2,"manifests":[{"mediaType":%q,"size":1,"digest":%q}]}`,
				types.OCIManifestSchema1, digestOf([]byte(text)))
		}
	}
	first, second := page("1", `<?last=1>; rel="next"`), page("2", "")
	r := open(t, inProcess(t, false, answerReferrers(func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Query().Get("last") == "1" {
			second(w, req)
			return
		}
		first(w, req)
	}))+"/team/app")
	got, err := r.Referrers(t.Context(), digestOf(nil))
	if err != nil || len(got) != 2 {
		t.Errorf("got %v, %v", got, err)
	}
}

// overwrite plays another client that read the fallback tag before this one
// wrote it: as often as told, what this one wrote is replaced at once.
func overwrite(times int, other v1.Descriptor) func(http.Handler) http.Handler {
	var mu sync.Mutex
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			next.ServeHTTP(w, req)
			mu.Lock()
			defer mu.Unlock()
			if req.Method != http.MethodPut || !strings.Contains(req.URL.Path, "/manifests/sha256-") || times == 0 {
				return
			}
			times--
			body := fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"manifests":[{"mediaType":%q,"digest":%q,"size":%d}]}`,
				types.OCIImageIndex, other.MediaType, other.Digest, other.Size)
			late := httptest.NewRequest(http.MethodPut, req.URL.Path, strings.NewReader(body))
			late.Header.Set("Content-Type", string(types.OCIImageIndex))
			next.ServeHTTP(httptest.NewRecorder(), late)
		})
	}
}

func TestFallbackTagSurvivesOtherWriters(t *testing.T) {
	t.Parallel()
	app := imageManifest("app")
	// The other writer's entry: any manifest the registry has will do.
	other := describe(Blob{types.OCIManifestSchema1, app})
	r, image := repository(t, inProcess(t, false, overwrite(2, other)))
	h, err := AttachBlob(t.Context(), r, image, note("one"))
	if err != nil {
		t.Fatal(err)
	}
	listed, err := r.Referrers(t.Context(), image)
	if err != nil {
		t.Fatal(err)
	}
	if !holds(listed, h) || !holds(listed, other.Digest) || len(listed) != 2 {
		t.Errorf("got %v; want both writers' entries", listed)
	}
}

func TestFallbackTagThatNeverHolds(t *testing.T) {
	t.Parallel()
	other := describe(Blob{types.OCIManifestSchema1, imageManifest("app")})
	r, image := repository(t, inProcess(t, false, overwrite(-1, other)))
	if _, err := AttachBlob(t.Context(), r, image, note("one")); !errors.Is(err, ErrNotListed) {
		t.Errorf("got %v", err)
	}
}

func TestFallbackTagOfSomeoneElse(t *testing.T) {
	t.Parallel()
	r, image := repository(t, inProcess(t, false, nil))
	push(t, r, fallbackTag(image), types.OCIManifestSchema1, imageManifest("app"))
	if _, err := AttachBlob(t.Context(), r, image, note("one")); err == nil {
		t.Error("an image's tag was replaced by a list of referrers")
	}
}

// far puts the registry at the end of a line on which requests and answers take
// their time, and overtake one another.
func far(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		time.Sleep(rand.N(40 * time.Millisecond))
		next.ServeHTTP(w, req)
		time.Sleep(rand.N(40 * time.Millisecond))
	})
}

// TestConcurrentWriters: 20 processes attach to one image at once, where the
// registry has a tag for the list and no way to change it but to replace it.
// None of their entries is lost.
func TestConcurrentWriters(t *testing.T) {
	t.Parallel()
	const writers = 20
	host := inProcess(t, false, far)
	r, image := repository(t, host)
	var wg sync.WaitGroup
	errs := make([]error, writers)
	for i := range errs {
		wg.Go(func() {
			// Each knows nothing of the others.
			own, err := NewRemote(reference.Reference{Kind: reference.Named, Registry: host, Path: "team/app", Tag: "1"}, RemoteOptions{})
			if err == nil {
				_, err = AttachBlob(t.Context(), own, image, note(fmt.Sprint(i)))
			}
			errs[i] = err
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	items, err := List(t.Context(), r, image, testType, 100)
	if err != nil || len(items) != writers {
		t.Errorf("got %d artifacts, %v; want %d", len(items), err, writers)
	}
}
