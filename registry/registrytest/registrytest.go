// Package registrytest starts registries for tests.
package registrytest

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"
)

// Options say how a registry is spoken to; the zero value is plain HTTP without
// a password.
type Options struct {
	// Certificate and Key are files in PEM.
	Certificate, Key string
	// User and Password are those of the one account there is.
	User, Password string
}

// Docker starts the registry of Debian's package docker-registry on loopback,
// waits until it listens, and returns its host and port. Without the program the
// test is skipped, or fails where LPM_MUST_SANDBOX is set.
func Docker(t testing.TB, o Options) string {
	t.Helper()
	program, err := exec.LookPath("docker-registry")
	if err != nil {
		if os.Getenv("LPM_MUST_SANDBOX") != "" {
			t.Fatalf("package docker-registry is missing: %v", err)
		}
		t.Skipf("package docker-registry is missing: %v", err)
	}
	dir := t.TempDir()
	// Another process can take the port that was free a moment ago.
	for range 5 {
		if host, ok := start(t, program, dir, o); ok {
			return host
		}
	}
	t.Fatal("docker-registry does not answer")
	return ""
}

// start starts the registry once, and reports whether it listens.
func start(t testing.TB, program, dir string, o Options) (host string, ok bool) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	host = l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	server := exec.CommandContext(ctx, program, "serve", configure(t, dir, host, o))
	var output strings.Builder
	server.Stdout, server.Stderr = &output, &output
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = server.Wait() // it was killed, which is no news
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
		if t.Failed() {
			t.Logf("docker-registry said:\n%s", &output)
		}
	})
	for {
		select {
		case <-ended:
			return "", false
		case <-t.Context().Done():
			t.Fatal(t.Context().Err())
		case <-time.After(20 * time.Millisecond):
		}
		if conn, err := net.Dial("tcp", host); err == nil {
			conn.Close()
			return host, true
		}
	}
}

// configure writes the registry's settings.
func configure(t testing.TB, dir, host string, o Options) string {
	t.Helper()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	text := fmt.Sprintf("version: 0.1\nlog: {level: error}\nstorage: {filesystem: {rootdirectory: %s}}\nhttp:\n  addr: %q\n", filepath.Join(dir, "data"), host)
	if o.Certificate != "" {
		text += fmt.Sprintf("  tls: {certificate: %s, key: %s}\n", o.Certificate, o.Key)
	}
	if o.User != "" {
		hash, err := bcrypt.GenerateFromPassword([]byte(o.Password), bcrypt.MinCost)
		if err != nil {
			t.Fatal(err)
		}
		text += fmt.Sprintf("auth: {htpasswd: {realm: test, path: %s}}\n", write("htpasswd", o.User+":"+string(hash)+"\n"))
	}
	return write("config.yml", text)
}
