package artifact

import (
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/least-privilege/lpm/registry/reference"
)

// oneLogin is a docker config with one registry in it.
type oneLogin struct{ host, user, password string }

func (k oneLogin) Resolve(r authn.Resource) (authn.Authenticator, error) {
	if r.RegistryStr() != k.host {
		return authn.Anonymous, nil
	}
	return &authn.Basic{Username: k.user, Password: k.password}, nil
}

func TestCredentials(t *testing.T) {
	t.Parallel()
	host := inProcess(t, false, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			if user, password, _ := req.BasicAuth(); user != "ada" || password != "secret" {
				w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			next.ServeHTTP(w, req)
		})
	})
	for _, test := range []struct {
		name    string
		login   oneLogin
		allowed bool
	}{
		{"right", oneLogin{host, "ada", "secret"}, true},
		{"wrong", oneLogin{host, "ada", "guess"}, false},
		{"of another registry", oneLogin{"registry.example", "ada", "secret"}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			ref, err := reference.Parse(host + "/team/app")
			if err != nil {
				t.Fatal(err)
			}
			r, err := NewRemote(ref, RemoteOptions{Keychain: test.login})
			if err != nil {
				t.Fatal(err)
			}
			app := imageManifest("app")
			if err := r.put(t.Context(), "1", types.OCIManifestSchema1, app); (err == nil) != test.allowed {
				t.Fatalf("writing: %v", err)
			}
			if !test.allowed {
				if got, err := r.Referrers(t.Context(), digestOf(app)); err == nil {
					t.Errorf("reading: %v", got)
				}
				return
			}
			if _, err := AttachBlob(t.Context(), r, digestOf(app), note("one")); err != nil {
				t.Fatal(err)
			}
			if items, err := List(t.Context(), r, digestOf(app), testType, 100); err != nil || len(items) != 1 {
				t.Errorf("got %v, %v", items, err)
			}
		})
	}
}

func TestUnknownCertificate(t *testing.T) {
	t.Parallel()
	quiet := log.New(io.Discard, "", 0)
	server := httptest.NewUnstartedServer(registry.New(registry.Logger(quiet)))
	server.Config.ErrorLog = quiet
	server.StartTLS()
	t.Cleanup(server.Close)
	u, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	ref, err := reference.Parse(u.Host + "/team/app")
	if err != nil {
		t.Fatal(err)
	}
	for _, insecure := range []bool{false, true} {
		r, err := NewRemote(ref, RemoteOptions{Insecure: insecure})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.Referrers(t.Context(), digestOf(nil)); (err == nil) != insecure {
			t.Errorf("insecure %v: %v", insecure, err)
		}
	}
}
