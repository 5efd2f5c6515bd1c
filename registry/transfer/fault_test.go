package transfer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/least-privilege/lpm/registry/artifact"
	"github.com/least-privilege/lpm/registry/reference"
	"github.com/least-privilege/lpm/registry/store"
	"github.com/least-privilege/lpm/registry/unpack/imagetest"
)

// fault is how a registry answers that is not in order. n counts its requests.
type fault func(next http.Handler, n int, w http.ResponseWriter, r *http.Request)

// every gives the same answer to all requests but the first that knocks.
func every(code int, header ...string) fault {
	return func(next http.Handler, _ int, w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v2/" {
			next.ServeHTTP(w, r)
			return
		}
		refuse(w, code, header...)
	}
}

// other gives an answer to every other request.
func other(code int, header ...string) fault {
	return func(next http.Handler, n int, w http.ResponseWriter, r *http.Request) {
		if n%2 == 0 {
			next.ServeHTTP(w, r)
			return
		}
		refuse(w, code, header...)
	}
}

func refuse(w http.ResponseWriter, code int, header ...string) {
	for i := 0; i < len(header); i += 2 {
		w.Header().Set(header[i], header[i+1])
	}
	w.WriteHeader(code)
}

// changed serves what the registry has with a change to the bodies of all
// manifests and blobs.
func changed(change func(w http.ResponseWriter, body []byte)) fault {
	return func(next http.Handler, _ int, w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet || !strings.Contains(r.URL.Path, "/manifests/") && !strings.Contains(r.URL.Path, "/blobs/") {
			next.ServeHTTP(w, r)
			return
		}
		answer := httptest.NewRecorder()
		next.ServeHTTP(answer, r)
		for key, values := range answer.Header() {
			if key != "Content-Length" {
				w.Header()[key] = values
			}
		}
		if answer.Code != http.StatusOK {
			w.WriteHeader(answer.Code)
			return
		}
		change(w, answer.Body.Bytes())
	}
}

func flip(w http.ResponseWriter, body []byte) {
	body[len(body)/2] ^= 1
	w.Write(body)
}

func cutShort(w http.ResponseWriter, body []byte) {
	w.Header().Set("Content-Length", fmt.Sprint(len(body)))
	w.Write(body[:len(body)/2])
	http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler)
}

// sometimes lets every other request through.
func sometimes(f fault) fault {
	return func(next http.Handler, n int, w http.ResponseWriter, r *http.Request) {
		if n%2 == 0 {
			next.ServeHTTP(w, r)
			return
		}
		f(next, n, w, r)
	}
}

func huge(w http.ResponseWriter, body []byte) {
	w.Write(body)
	filler := make([]byte, 1<<20)
	for {
		if _, err := w.Write(filler); err != nil {
			return
		}
	}
}

func asPage(w http.ResponseWriter, _ []byte) {
	w.Header().Set("Content-Type", "text/html")
	io.WriteString(w, "<html>Please log in</html>")
}

func cut(next http.Handler, n int, w http.ResponseWriter, r *http.Request) {
	if n%2 == 0 {
		next.ServeHTTP(w, r)
		return
	}
	panic(http.ErrAbortHandler)
}

// tokens asks for a token that is good for three requests.
func tokens() fault {
	var mu sync.Mutex
	left := map[string]int{} // by token
	spend := func(header string) bool {
		mu.Lock()
		defer mu.Unlock()
		left[header]--
		return left[header] >= 0
	}
	return func(next http.Handler, _ int, w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/token" {
			mu.Lock()
			token := fmt.Sprintf("token-%d", len(left))
			left["Bearer "+token] = 3
			mu.Unlock()
			json.NewEncoder(w).Encode(map[string]string{"token": token})
			return
		}
		if spend(r.Header.Get("Authorization")) {
			next.ServeHTTP(w, r)
			return
		}
		w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer realm="http://%s/token",service="test"`, r.Host))
		refuse(w, http.StatusUnauthorized)
	}
}

// station is a registry with an image and a note, which answers through a
// fault.
type station struct {
	lab  *lab
	host string
	// behind is the host at which the registry answers without the fault.
	behind string
	image  v1.Hash
}

func newStation(t *testing.T, f fault) *station {
	t.Helper()
	inner := registry.New(registry.WithReferrersSupport(true), registry.Logger(log.New(io.Discard, "", 0)))
	good := httptest.NewServer(inner)
	t.Cleanup(good.Close)
	var n atomic.Int32
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f(inner, int(n.Add(1)), w, r)
	}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.Start()
	t.Cleanup(server.Close)

	work := t.TempDir()
	s, err := store.Open(filepath.Join(work, "store"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	st := &station{lab: &lab{store: s, dir: filepath.Join(work, "layout")}, host: strings.TrimPrefix(server.URL, "http://"), behind: strings.TrimPrefix(good.URL, "http://")}
	imagetest.NewFor(t, runtime.GOARCH, v1.Config{Cmd: []string{"/bin/app"}}, imagetest.Plain(t, imagetest.File("bin/app", "app"))).Layout(t, st.lab.dir, "app:1")
	from, root := st.lab.source(t, st.lab.dir)
	st.image = root.Digest
	behind := open(t, st.behind+"/team/app:1")
	if _, err := Copy(t.Context(), from, behind, root, nil); err != nil {
		t.Fatal(err)
	}
	note := artifact.Document{MediaType: noteType, Content: []byte("a note"), Created: time.Unix(0, 0)}
	if _, err := artifact.AttachBlob(t.Context(), behind, root.Digest, note); err != nil {
		t.Fatal(err)
	}
	return st
}

func (s *station) name() string { return s.host + "/team/app:1" }

// work is something that is done with a registry. What it returns besides an
// error tells whether anything is there that should not be after one.
type work struct {
	name string
	do   func(t *testing.T, s *station) error
	half func(t *testing.T, s *station) error
}

func works() []work {
	none := func(*testing.T, *station) error { return nil }
	return []work{
		{"pull", func(t *testing.T, s *station) error {
			_, err := s.lab.store.Pull(t.Context(), s.name(), store.PullOptions{})
			return err
		}, func(_ *testing.T, s *station) error {
			if _, err := s.lab.store.Resolve(s.name()); !errors.Is(err, store.ErrNotFound) {
				return errors.Join(errors.New("the store has the image"), err)
			}
			left, err := os.ReadDir(filepath.Join(s.lab.store.Dir(), "tmp"))
			if err == nil && len(left) > 0 {
				err = fmt.Errorf("left in the store: %v", left)
			}
			return err
		}},
		{"inspect", func(t *testing.T, s *station) error {
			r := open(t, s.name())
			ref, err := reference.Parse(s.name())
			if err != nil {
				return err
			}
			image, err := r.Resolve(t.Context(), ref, runtime.GOARCH)
			if err != nil {
				return err
			}
			items, err := artifact.List(t.Context(), r, image, noteType, 100)
			if err == nil && (len(items) != 1 || items[0].Err != nil) {
				err = fmt.Errorf("listed: %+v", items)
			}
			return err
		}, none},
		{"attach", func(t *testing.T, s *station) error {
			note := artifact.Document{MediaType: noteType, Content: []byte("another"), Created: time.Unix(1, 0)}
			_, err := artifact.AttachBlob(t.Context(), open(t, s.name()), s.image, note)
			return err
		}, func(t *testing.T, s *station) error {
			// It is there whole or not at all, whatever the registry answered.
			items, err := artifact.List(t.Context(), open(t, s.behind+"/team/app:1"), s.image, noteType, 100)
			for _, item := range items {
				err = errors.Join(err, item.Err)
			}
			return err
		}},
		{"copy out", func(t *testing.T, s *station) error {
			archive, err := NewArchive(s.lab.dir+".tar", Names{})
			if err != nil {
				return err
			}
			defer archive.Close()
			r := open(t, s.name())
			_, err = Copy(t.Context(), r, archive, v1.Descriptor{Digest: s.image}, nil)
			return err
		}, func(_ *testing.T, s *station) error {
			if left, _ := filepath.Glob(s.lab.dir + ".tar*"); len(left) > 0 {
				return fmt.Errorf("left: %q", left)
			}
			return nil
		}},
		{"copy in", func(t *testing.T, s *station) error {
			from, root := s.lab.source(t, s.lab.dir)
			_, err := Copy(t.Context(), from, open(t, s.host+"/new/app:1"), root, nil)
			return err
		}, func(t *testing.T, s *station) error {
			// A name is given last.
			ref, err := reference.Parse(s.behind + "/new/app:1")
			if err != nil {
				return err
			}
			if _, err := open(t, s.behind+"/new/app:1").Root(t.Context(), ref); !errors.Is(err, artifact.ErrNotFound) {
				return fmt.Errorf("the registry has the image: %w", err)
			}
			return nil
		}},
	}
}

// TestFaults does everything that lpm does with registries under each fault:
// it is done, after trying again, or there is one line of an error and nothing
// half done.
func TestFaults(t *testing.T) {
	for _, test := range []struct {
		name string
		f    fault
		// mended tells that trying again helps; without it, what fails has to
		// do so by an error that has one of the texts.
		mended bool
		texts  []string
		// but are what has another outcome: what reads no body has no fault.
		but []string
	}{
		{"500 to every other request", other(500), true, nil, nil},
		{"503 to every other request", other(503, "Retry-After", "0"), true, nil, nil},
		{"429 to every other request", other(429, "Retry-After", "0"), true, nil, nil},
		{"resets of every other request", cut, true, nil, nil},
		{"bodies cut short every other time", sometimes(changed(cutShort)), true, nil, nil},
		{"tokens that expire", tokens(), true, nil, nil},
		{"403", every(403), false, []string{"403", "FORBIDDEN", "Forbidden"}, nil},
		{"401 without a way to log in", every(401), false, []string{"401", "Unauthorized"}, nil},
		{"404", every(404), false, []string{"404", "not found", "Not Found"}, nil},
		{"500 for ever", every(500), false, []string{"500"}, nil},
		{"429 for an hour", every(429, "Retry-After", "3600"), false, []string{"429", "Too Many"}, nil},
		{"bytes that are changed", changed(flip), false, []string{"digest", "match", "invalid character", "decoding", "sha256", "listed"}, []string{"copy in"}},
		{"bodies cut short", changed(cutShort), false, []string{"EOF", "corrupt", "listed"}, []string{"copy in"}},
		{"bodies without end", changed(huge), false, []string{"too large", "limit", "longer", "exceed", "listed", "invalid character", "size", "larger"}, []string{"copy in"}},
		{"pages for people", changed(asPage), false, []string{"invalid character", "digest", "unsupported", "decoding", "text/html", "unexpected status"}, []string{"copy in"}},
	} {
		for _, w := range works() {
			t.Run(test.name+"/"+w.name, func(t *testing.T) {
				t.Parallel()
				s := newStation(t, test.f)
				err := w.do(t, s)
				if test.mended || slices.Contains(test.but, w.name) {
					if err != nil {
						t.Errorf("error: %v", err)
					}
					return
				}
				if err == nil {
					t.Fatal("no error")
				}
				if strings.ContainsRune(err.Error(), '\n') || !containsAny(err.Error(), test.texts) {
					t.Errorf("error: %v", err)
				}
				if err := w.half(t, s); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

func containsAny(text string, parts []string) bool {
	return slices.ContainsFunc(parts, func(p string) bool { return strings.Contains(text, p) })
}

// login is a docker config with one registry in it.
type login struct{ host string }

func (l login) Resolve(r authn.Resource) (authn.Authenticator, error) {
	if r.RegistryStr() != l.host {
		return authn.Anonymous, nil
	}
	return &authn.Basic{Username: "ada", Password: "secret"}, nil
}

// TestCredentialsStay: a registry that redirects to another host does not have
// the credentials follow, and none redirects into the local network.
func TestCredentialsStay(t *testing.T) {
	s := newStation(t, func(next http.Handler, _ int, w http.ResponseWriter, r *http.Request) { next.ServeHTTP(w, r) })
	var seen atomic.Value
	seen.Store("")
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if a := r.Header.Get("Authorization"); a != "" {
			seen.Store(a)
		}
		http.Redirect(w, r, "http://"+s.host+r.URL.Path, http.StatusTemporaryRedirect)
	}))
	t.Cleanup(elsewhere.Close)
	for _, test := range []struct {
		name, to string
		allowed  bool
	}{
		{"another host", elsewhere.URL, true},
		{"the metadata service", "http://169.254.169.254", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			first := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if _, _, ok := r.BasicAuth(); !ok {
					w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
					refuse(w, http.StatusUnauthorized)
					return
				}
				if r.URL.Path == "/v2/" {
					return
				}
				http.Redirect(w, r, test.to+r.URL.Path, http.StatusTemporaryRedirect)
			}))
			t.Cleanup(first.Close)
			host := strings.TrimPrefix(first.URL, "http://")
			ref, err := reference.Parse(host + "/team/app:1")
			if err != nil {
				t.Fatal(err)
			}
			r, err := OpenRegistry(ref, artifact.RemoteOptions{Keychain: login{host}})
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			root, err := r.Root(ctx, ref)
			if test.allowed && (err != nil || root.Digest != s.image) {
				t.Errorf("%v, %v", root, err)
			}
			if !test.allowed && (err == nil || !strings.Contains(err.Error(), "local network") && !strings.Contains(err.Error(), "without TLS")) {
				t.Errorf("error: %v", err)
			}
			if got := seen.Load(); got != "" {
				t.Errorf("the other host was sent %q", got)
			}
		})
	}
}
