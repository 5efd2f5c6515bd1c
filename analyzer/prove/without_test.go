package prove

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/least-privilege/lpm/analyzer"
	"github.com/least-privilege/lpm/manifest"
)

// everything is a manifest with an entry of each kind.
func everything() *manifest.Manifest {
	return &manifest.Manifest{
		Version: manifest.Version,
		Syscalls: manifest.Syscalls{Architecture: "amd64", Kernel: "6.18", Allow: []manifest.Syscall{
			{Name: "read"}, {Name: "openat"},
			{Name: "socket", When: []manifest.Condition{{Arg: 0, OneOf: []string{"AF_INET", "AF_INET6", "AF_UNIX"}}}},
			{Name: "prctl", When: []manifest.Condition{{Arg: 0, OneOf: []string{"PR_SET_NAME"}}}},
		}},
		Capabilities: []manifest.Capability{{Name: "CAP_CHOWN"}, {Name: "CAP_SETUID"}},
		Identity:     manifest.Identity{Mode: manifest.IdentityRange},
		Execute:      []manifest.Program{{Path: "/bin/app"}, {Path: "/bin/sh"}},
		Filesystem: manifest.Filesystem{
			Readable: []manifest.ReadablePath{{Path: "/etc"}, {Path: "/usr"}},
			Writable: []manifest.WritablePath{{Path: "/tmp"}, {Path: "/tmp/inside"}},
		},
		Mounts:  []manifest.Mount{{Path: "/data", Volume: "data", Write: true}},
		Devices: []manifest.Device{{Path: "/dev/fuse"}},
		Network: manifest.Network{
			Mode:   manifest.NetworkHost,
			Egress: []manifest.Egress{{Ports: []manifest.PortRange{manifest.Port(443)}, Protocol: manifest.TCP}},
			Listen: []manifest.Listen{{Port: 80, Protocol: manifest.TCP}},
		},
		Resources: manifest.Resources{Memory: 1 << 30},
	}
}

// TestCandidates: all can be left out but bounds, and the calls that every
// program needs.
func TestCandidates(t *testing.T) {
	m := everything()
	found, skipped := Candidates(m, Choice{})
	var ids []string
	for _, c := range found {
		ids = append(ids, c.ID)
	}
	slices.Sort(ids)
	want := []string{
		"capability:CAP_CHOWN", "capability:CAP_SETUID", "device:/dev/fuse", "egress:tcp/443", "execute:/bin/app", "execute:/bin/sh",
		"identity:range", "listen:tcp/80", "mount:/data", "network:host", "read:/etc", "read:/usr", "syscall:openat", "syscall:prctl(0=PR_SET_NAME)",
		"syscall:socket(0=AF_UNIX,AF_INET,AF_INET6)#0=AF_INET", "syscall:socket(0=AF_UNIX,AF_INET,AF_INET6)#0=AF_INET6", "syscall:socket(0=AF_UNIX,AF_INET,AF_INET6)#0=AF_UNIX",
		"write:/tmp", "write:/tmp/inside",
	}
	if strings.Join(ids, "\n") != strings.Join(want, "\n") {
		t.Errorf("candidates\n%s\nwant\n%s", strings.Join(ids, "\n"), strings.Join(want, "\n"))
	}
	if !maps.Equal(skipped, map[string]string{"syscall:read": "every program needs it"}) {
		t.Errorf("skipped %q", skipped)
	}
	if all, skipped := Candidates(m, Choice{Baseline: true}); len(all) != len(found)+1 || len(skipped) != 0 {
		t.Errorf("with the baseline %d, skipped %q", len(all), skipped)
	}
	// What is for bad days passes every workload of a good one.
	bad := map[string]analyzer.Explanation{"syscall:openat": {Basis: analyzer.Reachable}}
	if fewer, skipped := Candidates(m, Choice{Why: bad}); len(fewer) != len(found)-1 || skipped["syscall:openat"] == "" {
		t.Errorf("of what no run shows %d, skipped %q", len(fewer), skipped)
	}
	if all, _ := Candidates(m, Choice{Why: bad, Baseline: true}); len(all) != len(found)+1 {
		t.Errorf("with all %d", len(all))
	}
	// What no trial does proves nothing.
	checked := map[string]analyzer.Explanation{"syscall:openat": {Count: 2, Checks: 2}, "execute:/bin/sh": {Count: 2, Checks: 1}}
	if _, skipped := Candidates(m, Choice{Why: checked}); len(skipped) != 2 || !strings.Contains(skipped["syscall:openat"], "health check") {
		t.Errorf("skipped %q", skipped)
	}
	// What others hang on comes first, then what is rarely needed.
	order, _ := Candidates(m, Choice{Why: map[string]analyzer.Explanation{"syscall:openat": {Basis: analyzer.Variant}}})
	for i, want := range []string{"network:host", "identity:range", "execute:/bin/app", "execute:/bin/sh", "mount:/data", "syscall:openat"} {
		if order[i].ID != want {
			t.Errorf("candidate %d is %s, want %s", i, order[i].ID, want)
		}
	}
}

// TestWithoutOne leaves out each candidate: the permission is gone, or
// narrowed, and nothing else.
func TestWithoutOne(t *testing.T) {
	m := everything()
	all, _ := Candidates(m, Choice{Baseline: true})
	for _, c := range all {
		n, origin, err := Without(m, []Candidate{c})
		if err != nil {
			t.Errorf("without %s: %v", c.ID, err)
			continue
		}
		if slices.ContainsFunc(n.Permissions(), func(p manifest.Permission) bool { return p.ID == c.Permission }) {
			t.Errorf("without %s it is still there", c.ID)
		}
		if beyond := manifest.Covers(m, n); len(beyond) > 0 {
			t.Errorf("without %s there is more: %v", c.ID, beyond)
		}
		gone := 1
		switch {
		case c.ID == "network:host":
			gone = 3
		case c.Value != "":
			gone = 0
		}
		if before, now := len(m.Permissions()), len(n.Permissions()); now != before-gone {
			t.Errorf("without %s there are %d permissions of %d", c.ID, now, before)
		}
		before := map[string]string{}
		for _, p := range m.Permissions() {
			before[p.Path] = p.ID
		}
		for _, p := range n.Permissions() {
			if from, listed := origin[p.Path]; listed && before[from] != p.ID && c.Value == "" {
				t.Errorf("without %s %s is said to have been %s", c.ID, p.ID, before[from])
			}
		}
	}
	if _, err := m.Digest(); err != nil || len(m.Syscalls.Allow[2].When[0].OneOf) != 3 {
		t.Errorf("the manifest itself has changed: %+v, %v", m.Syscalls.Allow[2], err)
	}
}

func TestWithoutSeveral(t *testing.T) {
	m := everything()
	all, _ := Candidates(m, Choice{Baseline: true})
	pick := func(prefix string) (some []Candidate) {
		for _, c := range all {
			if strings.HasPrefix(c.ID, prefix) {
				some = append(some, c)
			}
		}
		return some
	}
	n, origin, err := Without(m, pick("syscall:socket"))
	if err != nil || len(n.Syscalls.Allow) != 3 || origin["syscalls.allow[2]"] != "syscalls.allow[3]" {
		t.Errorf("without all values %+v, %v, %v", n, origin, err)
	}
	n, _, err = Without(m, pick("syscall:socket(0=AF_UNIX,AF_INET,AF_INET6)#0=AF_INET"))
	if err != nil || !slices.Equal(n.Syscalls.Allow[2].When[0].OneOf, []string{"AF_UNIX"}) {
		t.Errorf("without two values %+v, %v", n, err)
	}
	if _, _, err := Without(m, pick("read:")); !errors.Is(err, manifest.ErrLastReadable) {
		t.Errorf("without anything to read: %v", err)
	}
}
