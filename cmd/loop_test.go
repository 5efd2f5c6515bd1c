package cmd_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/least-privilege/lpm/registry/registrytest"
)

const loopUser, loopPassword = "ada", "correct horse"

// TestLoop runs the loop of developer, admin and operator against registries
// that speak TLS, by a certificate of a company's own, and ask for a password:
// one with the referrers API, one without, and Debian's docker-registry. What
// the scripts do with a layout in a folder is in testdata/script/copy.txtar.
func TestLoop(t *testing.T) {
	certificate := newCertificate(t)
	for _, kind := range []struct {
		name  string
		start func(*testing.T, certificateFiles) string
	}{
		{"referrers", func(t *testing.T, c certificateFiles) string { return startSecure(t, c, true) }},
		{"no referrers", func(t *testing.T, c certificateFiles) string { return startSecure(t, c, false) }},
		{"docker-registry", startDocker},
	} {
		t.Run(kind.name, func(t *testing.T) {
			images := t.TempDir()
			writeImages(t, images)
			host := kind.start(t, certificate)
			testscript.Run(t, testscript.Params{
				Files:         []string{filepath.Join("..", "testdata", "script", "loop", "loop.txtar")},
				UpdateScripts: *update,
				Setup: func(env *testscript.Env) error {
					env.Setenv("IMAGES", images)
					env.Setenv("REGISTRY", host)
					env.Setenv("SSL_CERT_FILE", certificate.authority)
					env.Setenv("XDG_CONFIG_HOME", filepath.Join(env.WorkDir, "config"))
					env.Setenv("DOCKER_CONFIG", filepath.Join(env.WorkDir, "docker"))
					return writeLogin(filepath.Join(env.WorkDir, "docker"), host)
				},
				Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits, "native": native},
			})
		})
	}
}

// writeLogin writes a docker config with the password of one registry.
func writeLogin(dir, host string) error {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	login := base64.StdEncoding.EncodeToString([]byte(loopUser + ":" + loopPassword))
	return os.WriteFile(filepath.Join(dir, "config.json"), fmt.Appendf(nil, `{"auths":{%q:{"auth":%q}}}`, host, login), 0o600)
}

// startSecure starts a registry of go-containerregistry's.
func startSecure(t *testing.T, c certificateFiles, referrers bool) string {
	t.Helper()
	inner := registry.New(registry.WithReferrersSupport(referrers), registry.Logger(log.New(io.Discard, "", 0)))
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, ok := r.BasicAuth(); !ok || user != loopUser || password != loopPassword {
			w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
			http.Error(w, `{"errors":[{"code":"UNAUTHORIZED","message":"a password is needed"}]}`, http.StatusUnauthorized)
			return
		}
		inner.ServeHTTP(w, r)
	}))
	pair, err := tls.LoadX509KeyPair(c.certificate, c.key)
	if err != nil {
		t.Fatal(err)
	}
	server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

// startDocker starts the registry of Debian's package docker-registry.
func startDocker(t *testing.T, c certificateFiles) string {
	t.Helper()
	return registrytest.Docker(t, registrytest.Options{Certificate: c.certificate, Key: c.key, User: loopUser, Password: loopPassword})
}

// certificateFiles are a server's certificate and key, and the authority's
// certificate that vouches for it.
type certificateFiles struct{ certificate, key, authority string }

func newCertificate(t *testing.T) certificateFiles {
	t.Helper()
	dir := t.TempDir()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "a company's own"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	write := func(name, kind string, content []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: content}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	certificate := write("server.pem", "CERTIFICATE", der)
	return certificateFiles{certificate: certificate, key: write("server.key", "PRIVATE KEY", private), authority: certificate}
}
