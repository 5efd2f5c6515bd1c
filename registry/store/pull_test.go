package store_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/least-privilege/lpm/registry/registrytest"
	"github.com/least-privilege/lpm/registry/store"
	. "github.com/least-privilege/lpm/registry/unpack/imagetest"
)

// server is a registry in this process.
type server struct {
	*httptest.Server
	host string
	mu   sync.Mutex
	// requests has method and path of each request.
	requests []string
	// before, when set, may answer a request itself.
	before func(http.ResponseWriter, *http.Request) bool
}

func newServer(t *testing.T, start func(http.Handler) *httptest.Server) *server {
	t.Helper()
	r := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	s := &server{}
	s.Server = start(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		s.mu.Lock()
		s.requests = append(s.requests, q.Method+" "+q.URL.Path)
		s.mu.Unlock()
		if s.before == nil || !s.before(w, q) {
			r.ServeHTTP(w, q)
		}
	}))
	t.Cleanup(s.Close)
	s.host = strings.SplitN(s.URL, "://", 2)[1]
	return s
}

// count is how many requests there were whose path contains part.
func (s *server) count(part string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, r := range s.requests {
		if strings.HasPrefix(r, "GET") && strings.Contains(r, part) {
			n++
		}
	}
	return n
}

// push puts the images' blobs and manifests into the registry's repository
// "app", and tags the first.
func push(t *testing.T, client *http.Client, url, tag string, images ...Image) {
	t.Helper()
	send := func(method, url, mediaType string, data []byte) *http.Response {
		t.Helper()
		q, err := http.NewRequestWithContext(t.Context(), method, url, bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		q.Header.Set("Content-Type", mediaType)
		a, err := client.Do(q)
		if err != nil {
			t.Fatal(err)
		}
		a.Body.Close()
		if a.StatusCode >= 300 {
			t.Fatalf("%s %s: %s", method, url, a.Status)
		}
		return a
	}
	for i, img := range slices.Backward(images) {
		for h, blob := range img.Blobs {
			if h == img.Descriptor.Digest {
				continue
			}
			begun := send(http.MethodPost, url+"/v2/app/blobs/uploads/", "", nil)
			to, err := begun.Location()
			if err != nil {
				t.Fatal(err)
			}
			query := to.Query()
			query.Set("digest", h.String())
			to.RawQuery = query.Encode()
			send(http.MethodPut, to.String(), "application/octet-stream", blob)
		}
		raw, mediaType := img.Blobs[img.Descriptor.Digest], string(img.Descriptor.MediaType)
		send(http.MethodPut, url+"/v2/app/manifests/"+img.Descriptor.Digest.String(), mediaType, raw)
		if i == 0 {
			send(http.MethodPut, url+"/v2/app/manifests/"+tag, mediaType, raw)
		}
	}
}

// push puts the images into the server.
func (s *server) push(t *testing.T, tag string, images ...Image) {
	t.Helper()
	push(t, s.Client(), s.URL, tag, images...)
}

func TestPull(t *testing.T) {
	img := image(t, "one")
	foreign := NewFor(t, otherArch(), v1.Config{}, Plain(t, File("a", "foreign")))
	multi, _ := indexOf(t, foreign, img)
	r := newServer(t, httptest.NewServer)
	r.push(t, "1", img)
	r.push(t, "multi", multi, foreign, img)
	app := r.host + "/app"

	for _, test := range []struct {
		name, ref, stored string
		architecture      string
		want              Image
	}{
		{"by tag", app + ":1", app + ":1", "", img},
		{"by digest", app + "@" + img.Descriptor.Digest.String(), app + "@" + img.Descriptor.Digest.String(), "", img},
		{"from an index", app + ":multi", app + ":multi", "", img},
		{"from an index, another machine's", app + ":multi", app + ":multi", otherArch(), foreign},
		{"from an index by digest", app + "@" + multi.Descriptor.Digest.String(), app + "@" + multi.Descriptor.Digest.String(), "", img},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := open(t)
			got, err := s.Pull(t.Context(), test.ref, store.PullOptions{Architecture: test.architecture})
			if err != nil {
				t.Fatal(err)
			}
			if got.Name != test.stored || got.Digest != test.want.Descriptor.Digest {
				t.Errorf("pulled %q %s, want %q %s", got.Name, got.Digest, test.stored, test.want.Descriptor.Digest)
			}
			if found, err := s.Resolve(test.ref); err != nil || found != got {
				t.Errorf("resolved %+v, %v, want %+v", found, err, got)
			}
			if err := s.Verify(t.Context()); err != nil {
				t.Error(err)
			}
			wantEmptyTemp(t, s)
		})
	}
	t.Run("the index's digest finds its image", func(t *testing.T) {
		s := open(t)
		if _, err := s.Pull(t.Context(), app+":multi", store.PullOptions{}); err != nil {
			t.Fatal(err)
		}
		for _, ref := range []string{app + "@" + multi.Descriptor.Digest.String(), multi.Descriptor.Digest.String()} {
			if found, err := s.Resolve(ref); err != nil || found.Digest != img.Descriptor.Digest {
				t.Errorf("%s resolved to %+v, %v", ref, found, err)
			}
		}
	})
	t.Run("no such architecture", func(t *testing.T) {
		var platform *store.PlatformError
		_, err := open(t).Pull(t.Context(), app+":multi", store.PullOptions{Architecture: "riscv64"})
		if !errors.As(err, &platform) || len(platform.Have) != 2 {
			t.Errorf("error %v, want a PlatformError that names both", err)
		}
	})
	t.Run("no such tag", func(t *testing.T) {
		s := open(t)
		if _, err := s.Pull(t.Context(), app+":none", store.PullOptions{}); err == nil {
			t.Error("no error")
		}
		wantNames(t, s)
	})
}

func TestPullAgainFetchesNoLayers(t *testing.T) {
	img := image(t, "one")
	layer := img.Manifest.Layers[0]
	r := newServer(t, httptest.NewServer)
	r.push(t, "1", img)
	s := open(t)
	for range 2 {
		var done, total int64
		progress := func(d, n int64) {
			if d < done || d > n {
				t.Errorf("progress went from %d to %d of %d", done, d, n)
			}
			done, total = d, n
		}
		if _, err := s.Pull(t.Context(), r.host+"/app:1", store.PullOptions{Progress: progress}); err != nil {
			t.Fatal(err)
		}
		if done != layer.Size || total != layer.Size {
			t.Errorf("progress ended at %d of %d, want %d", done, total, layer.Size)
		}
	}
	if n := r.count(layer.Digest.String()); n != 1 {
		t.Errorf("the layer was fetched %d times, want once", n)
	}
}

// TestPullFromHostileRegistry has a registry that answers with other bytes.
func TestPullFromHostileRegistry(t *testing.T) {
	img := image(t, "one")
	evil := Gzip(t, Plain(t, File("etc/motd", "two"))).Blob
	part := func(d v1.Descriptor) string { return d.Digest.String() }
	other := image(t, "two")
	answer := func(part, mediaType string, body []byte) func(http.ResponseWriter, *http.Request) bool {
		return func(w http.ResponseWriter, q *http.Request) bool {
			if !strings.Contains(q.URL.Path, part) {
				return false
			}
			w.Header().Set("Content-Type", mediaType)
			w.Header().Set("Docker-Content-Digest", img.Descriptor.Digest.String())
			w.WriteHeader(http.StatusOK)
			_, _ = w.Write(body)
			return true
		}
	}
	for _, test := range []struct {
		name   string
		ref    string
		before func(http.ResponseWriter, *http.Request) bool
	}{
		{"another layer", ":1", answer(part(img.Manifest.Layers[0]), "", evil)},
		{"a layer that does not end", ":1", answer(part(img.Manifest.Layers[0]), "", bytes.Repeat([]byte("x"), 1<<20))},
		{"an empty layer", ":1", answer(part(img.Manifest.Layers[0]), "", nil)},
		{"another config", ":1", answer(part(img.Manifest.Config), "", []byte("{}"))},
		{"another manifest for the digest", "@" + img.Descriptor.Digest.String(),
			answer("/manifests/", string(types.OCIManifestSchema1), other.Blobs[other.Descriptor.Digest])},
		{"a manifest that is no JSON", ":1", answer("/manifests/", string(types.OCIManifestSchema1), []byte("<html>"))},
		{"an index within an index", ":1", func(w http.ResponseWriter, q *http.Request) bool {
			index := v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex, Manifests: []v1.Descriptor{{
				MediaType: types.OCIImageIndex, Digest: img.Descriptor.Digest, Size: 3, Platform: img.Descriptor.Platform,
			}}}
			return answer("/manifests/", string(types.OCIImageIndex), Marshal(t, index))(w, q)
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := newServer(t, httptest.NewServer)
			r.push(t, "1", img)
			r.before = test.before
			s := open(t)
			if got, err := s.Pull(t.Context(), r.host+"/app"+test.ref, store.PullOptions{}); err == nil {
				t.Errorf("pulled %+v", got)
			}
			wantNames(t, s)
			wantEmptyTemp(t, s)
		})
	}
}

func TestPullUsesDockerCredentials(t *testing.T) {
	img := image(t, "one")
	r := newServer(t, httptest.NewServer)
	r.push(t, "1", img)
	r.before = func(w http.ResponseWriter, q *http.Request) bool {
		if user, password, _ := q.BasicAuth(); user == "me" && password == "secret" {
			return false
		}
		w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
		w.WriteHeader(http.StatusUnauthorized)
		return true
	}
	config := t.TempDir()
	t.Setenv("DOCKER_CONFIG", config)
	if _, err := open(t).Pull(t.Context(), r.host+"/app:1", store.PullOptions{}); err == nil {
		t.Fatal("pulled without credentials")
	}
	auth := base64.StdEncoding.EncodeToString([]byte("me:secret"))
	write(t, filepath.Join(config, "config.json"), []byte(`{"auths":{"`+r.host+`":{"auth":"`+auth+`"}}}`))
	if _, err := open(t).Pull(t.Context(), r.host+"/app:1", store.PullOptions{}); err != nil {
		t.Errorf("with credentials: %v", err)
	}
}

func TestPullNeedsTLS(t *testing.T) {
	img := image(t, "one")
	t.Run("a certificate nobody vouches for", func(t *testing.T) {
		r := newServer(t, httptest.NewTLSServer)
		r.Config.ErrorLog = log.New(io.Discard, "", 0)
		r.push(t, "1", img)
		if _, err := open(t).Pull(t.Context(), r.host+"/app:1", store.PullOptions{}); err == nil {
			t.Error("pulled")
		}
		if _, err := open(t).Pull(t.Context(), r.host+"/app:1", store.PullOptions{Insecure: true}); err != nil {
			t.Errorf("asked to be insecure: %v", err)
		}
	})
}

// TestRealRegistry pulls from Debian's docker-registry.
func TestRealRegistry(t *testing.T) {
	host := registrytest.Docker(t, registrytest.Options{})
	img := image(t, "one")
	push(t, http.DefaultClient, "http://"+host, "1", img)
	s := open(t)
	got, err := s.Pull(t.Context(), host+"/app:1", store.PullOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if got.Digest != img.Descriptor.Digest {
		t.Errorf("pulled %s, want %s", got.Digest, img.Descriptor.Digest)
	}
	if got := motd(t, tree(t, s, got, store.Single)); got != "one" {
		t.Errorf("the tree's file holds %q", got)
	}
}
