package report

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/least-privilege/lpm/enforcer/supervise"
	"github.com/least-privilege/lpm/manifest"
)

func calls(names ...string) *manifest.Manifest {
	m := &manifest.Manifest{
		Version:  manifest.Version,
		Syscalls: manifest.Syscalls{Architecture: "amd64", Kernel: "6.18"},
		Identity: manifest.Identity{Mode: manifest.IdentitySingle},
		Network:  manifest.Network{Mode: manifest.NetworkNone},
	}
	for _, n := range names {
		m.Syscalls.Allow = append(m.Syscalls.Allow, manifest.Syscall{Name: n})
	}
	return m
}

func call(name string) supervise.Grant {
	return supervise.Grant{Syscall: &manifest.Syscall{Name: name}}
}

// TestAmendment: what is granted for always comes together in one file, which
// is a whole manifest each time, and takes no other's place.
func TestAmendment(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "app.amended.json")
	if err := os.WriteFile(name, []byte("a person's work"), 0o600); err != nil {
		t.Fatal(err)
	}
	a := amendment{name: name, manifest: calls("read")}
	defer a.close()
	if _, err := a.add(call("read")); !errors.Is(err, errThere) {
		t.Errorf("what is there already: %v", err)
	}
	for _, call := range []supervise.Grant{call("chdir"), call("ptrace")} {
		got, err := a.add(call)
		if want := filepath.Join(dir, "app.amended-2.json"); err != nil || got != want {
			t.Fatalf("written to %s, %v; want %s", got, err, want)
		}
		text, err := os.ReadFile(got)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := manifest.Parse(text); err != nil {
			t.Errorf("%v:\n%s", err, text)
		}
	}
	text, err := os.ReadFile(filepath.Join(dir, "app.amended-2.json"))
	if err != nil {
		t.Fatal(err)
	}
	m, err := manifest.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	want := calls("chdir", "ptrace", "read")
	if len(manifest.Covers(want, m)) > 0 || len(manifest.Covers(m, want)) > 0 {
		t.Errorf("%s", text)
	}
	if kept, err := os.ReadFile(name); err != nil || string(kept) != "a person's work" {
		t.Errorf("the file that was there: %q, %v", kept, err)
	}
}

func TestAmendmentFails(t *testing.T) {
	a := amendment{name: "/nowhere/x", manifest: calls()}
	if _, err := a.add(call("chdir")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v", err)
	}
}

func TestAmendedName(t *testing.T) {
	for image, want := range map[string]string{
		"redis":                            "redis.amended.json",
		"redis:7":                          "redis.amended.json",
		"registry.example:5000/team/app:1": "app.amended.json",
		"app@sha256:0123":                  "app.amended.json",
		"sha256:0123":                      "sha256.amended.json",
		"..":                               "image.amended.json",
		"a\x1b[2J":                         "image.amended.json",
	} {
		if got := AmendedName(image); got != want {
			t.Errorf("AmendedName(%q) is %q, want %q", image, got, want)
		}
	}
}
