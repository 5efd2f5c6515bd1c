package ablation

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/least-privilege/lpm/analyzer/prove"
	"github.com/least-privilege/lpm/analyzer/prove/journal"
	"github.com/least-privilege/lpm/enforcer/plan"
	"github.com/least-privilege/lpm/manifest"
)

// unenforcedBy plans a launch for a machine with an ABI of Landlock.
func unenforcedBy(t *testing.T, abi int, network manifest.NetworkMode) []string {
	t.Helper()
	m := &manifest.Manifest{
		Version:    manifest.Version,
		Syscalls:   manifest.Syscalls{Architecture: "amd64", Kernel: "6.18", Allow: []manifest.Syscall{{Name: "execve"}}},
		Identity:   manifest.Identity{Mode: manifest.IdentitySingle},
		Execute:    []manifest.Program{{Path: "/app"}},
		Filesystem: manifest.Filesystem{Readable: []manifest.ReadablePath{{Path: "/etc"}}},
		Network:    manifest.Network{Mode: network},
	}
	if network == manifest.NetworkHost {
		m.Network.Listen = []manifest.Listen{{Port: 53, Protocol: manifest.TCP}, {Port: 53, Protocol: manifest.UDP}}
	}
	p, err := plan.New(plan.Request{
		Mode: plan.Enforce,
		Image: plan.Image{
			Digest: "sha256:" + strings.Repeat("a", 64), Config: plan.Config{Entrypoint: []string{"/app"}},
			Survey: plan.Survey{
				Found: "/app", Entry: "/app", Program: "/app", Executables: []plan.Executable{{Path: "/app"}},
				Paths: map[string]plan.PathFact{"/etc": {Real: "/etc", Exists: true, Dir: true, Mode: 0o755}},
			},
		},
		Manifest: m, Host: plan.Host{Architecture: "amd64", UID: 1000, GID: 1000, LandlockABI: abi},
		Options: plan.Options{BestEffort: true},
	})
	if err != nil {
		t.Fatal(err)
	}
	return p.Unenforced
}

// TestNotEnforced holds the words of plans to the permissions that they are about.
func TestNotEnforced(t *testing.T) {
	for _, tt := range []struct {
		name string
		abi  int
		mode manifest.NetworkMode
		want []string
	}{
		{"no Landlock", 0, manifest.NetworkNone, []string{"execute:/app", "read:/etc"}},
		{"no Landlock, the host's network", 0, manifest.NetworkHost, []string{"execute:/app", "read:/etc", "listen:tcp/53", "listen:udp/53", "egress:[2001:db8::/32]:udp/53"}},
		{"all of Landlock", 7, manifest.NetworkNone, nil},
		// Whatever the kernel, Landlock knows no UDP.
		{"all of Landlock, the host's network", 7, manifest.NetworkHost, []string{"listen:udp/53", "egress:[2001:db8::/32]:udp/53"}},
	} {
		is := notEnforced(unenforcedBy(t, tt.abi, tt.mode))
		var got []string
		for _, id := range []string{"execute:/app", "read:/etc", "write:/tmp", "syscall:bind", "network:host", "listen:tcp/53", "listen:udp/53", "egress:[2001:db8::/32]:udp/53"} {
			if is(id) {
				got = append(got, id)
			}
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: nothing holds it to %q, want %q", tt.name, got, tt.want)
		}
	}
}

// TestUnenforcedIsKept: a search that goes on knows what was not enforced in
// the runs before.
func TestUnenforcedIsKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), journalFile)
	full := prove.Trial{Attempt: 1}
	for range 2 {
		j, err := journal.Open(path, "a")
		if err != nil {
			t.Fatal(err)
		}
		r := &runner{journal: j}
		if j.Len() == 0 {
			if err := j.Add(full, prove.Outcome{Verdict: prove.Passed, Unenforced: []string{"the list of programs"}}); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := r.try(t.Context(), full); err != nil || !slices.Equal(r.unenforced, []string{"the list of programs"}) {
			t.Errorf("not enforced is %q, %v", r.unenforced, err)
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
