package vulnerabilities

import (
	"fmt"
	"slices"
	"testing"

	"github.com/least-privilege/lpm/manifest"
)

func TestParts(t *testing.T) {
	m := allowing(t, []string{"socket(0=AF_INET,AF_UNIX)", "socket(0=AF_NETLINK)", "inotify_add_watch", "rename", "renameat2", "unshare", "read", "waitid"}, "CAP_NET_ADMIN", "CAP_CHOWN")
	parts := Parts(m)
	for _, test := range []struct {
		place           string
		id              string
		needing, closed bool
	}{
		{"syscalls.allow[7]", "CVE-2017-5123", true, true},
		{"syscalls.allow[2]", "CVE-2017-7533", true, true},
		{"syscalls.allow[3]", "CVE-2017-7533", true, false},  // renameat2 is enough
		{"syscalls.allow[4]", "CVE-2017-7533", true, false},  // and so is rename
		{"syscalls.allow[1]", "CVE-2024-1086", true, true},   // netlink
		{"syscalls.allow[5]", "CVE-2024-1086", true, false},  // by a namespace,
		{"capabilities[0]", "CVE-2024-1086", true, false},    // or as administrator
		{"syscalls.allow[0]", "CVE-2024-1086", false, false}, // other sockets
		{"capabilities[1]", "CVE-2024-1086", false, false},
	} {
		p := parts[test.place]
		if got := has(p.Needing, test.id); got != test.needing {
			t.Errorf("%s has a part in %s: %t, want %t", test.place, test.id, got, test.needing)
		}
		if got := has(p.Closed, test.id); got != test.closed {
			t.Errorf("%s closes %s: %t, want %t", test.place, test.id, got, test.closed)
		}
	}
	if _, has := parts["syscalls.allow[6]"]; has {
		t.Error("read has a part")
	}
}

// TestPartsAreWhatTakingAwayDoes holds Parts to its definition, permission by
// permission, on a manifest that allows much.
func TestPartsAreWhatTakingAwayDoes(t *testing.T) {
	d := Docker("amd64")
	m := d.Manifest
	before := Open(m)
	for place, part := range Parts(m) {
		_, _, without := apart(m, place)
		if list, i := index(place); list == "syscalls.allow" {
			without.Syscalls.Allow = slices.Delete(slices.Clone(m.Syscalls.Allow), i, i+1)
		}
		after := Open(without)
		for _, v := range before {
			if closed := !has(after, v.ID); closed != has(part.Closed, v.ID) {
				t.Errorf("taking %s away closes %s: %t, and its part says otherwise", place, v.ID, closed)
			}
		}
		if len(after)+len(part.Closed) != len(before) {
			t.Errorf("%s: %d open, %d closed, %d before", place, len(after), len(part.Closed), len(before))
		}
	}
}

func TestPartOfTheNetwork(t *testing.T) {
	m := allowing(t, []string{"socket", "ioctl"})
	m.Network.Mode = manifest.NetworkHost
	parts := Parts(m)
	if !has(parts["network"].Closed, "CVE-2023-51779") {
		t.Error("leaving the machine's network does not close a fault of Bluetooth")
	}
	if has(parts["syscalls.allow[1]"].Needing, "CVE-2024-50264") {
		t.Error("ioctl has a part in a fault of vsock")
	}
}

// TestTwoThatWorkTogether: neither alone is an element of the needs.
func TestTwoThatWorkTogether(t *testing.T) {
	m := allowing(t, []string{"socket(0=AF_NETLINK)", "unshare(0=CLONE_NEWNET)"}, "CAP_SYS_ADMIN")
	m.Network.Mode = manifest.NetworkHost
	parts := Parts(m)
	for _, place := range []string{"syscalls.allow[0]", "syscalls.allow[1]", "capabilities[0]"} {
		if !has(parts[place].Closed, "CVE-2024-1086") {
			t.Errorf("%s has no part", place)
		}
	}
}

// TestTheArchitectureIsNoPermission: it holds for each permission alone, and
// none has a part by it.
func TestTheArchitectureIsNoPermission(t *testing.T) {
	parts := Parts(allowing(t, []string{"ptrace", "clone", "splice", "pipe"}))
	if has(parts["syscalls.allow[2]"].Needing, "CVE-2014-4699") || !has(parts["syscalls.allow[0]"].Closed, "CVE-2014-4699") {
		t.Error("splice has a part in a fault of ptrace, or ptrace has none")
	}
}

func TestPlacesThatAreNone(t *testing.T) {
	m := allowing(t, []string{"read"})
	for _, place := range []string{"", "syscalls.allow[1]", "syscalls.allow[-1]", "syscalls.allow[x]", "mounts[0]"} {
		if subject, _, _ := apart(m, place); subject != "" {
			t.Errorf("%q is taken for a place", place)
		}
	}
}

// hostile has as many entries as a manifest can have, all of one call and each
// of which takes part in much.
func hostile() *manifest.Manifest {
	m := &manifest.Manifest{Version: manifest.Version}
	m.Syscalls.Architecture, m.Network.Mode = "amd64", manifest.NetworkPrivate
	for i := range manifest.MaxEntries {
		m.Syscalls.Allow = append(m.Syscalls.Allow, manifest.Syscall{Name: "socket", When: []manifest.Condition{{Arg: 3, OneOf: []string{fmt.Sprint(i)}}}})
	}
	return m
}

// TestPartsOfAHostileManifest ends, which takes time in proportion to the
// number of entries and not to its square.
func TestPartsOfAHostileManifest(t *testing.T) {
	parts := Parts(hostile())
	if len(parts) != manifest.MaxEntries || !has(parts["syscalls.allow[7]"].Needing, "CVE-2024-50264") || len(parts["syscalls.allow[7]"].Closed) > 0 {
		t.Errorf("%d parts, one of them %v", len(parts), parts["syscalls.allow[7]"])
	}
}

func BenchmarkParts(b *testing.B) {
	d := Docker("amd64")
	for b.Loop() {
		Parts(d.Manifest)
	}
}
