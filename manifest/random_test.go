package manifest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// randomManifest returns a valid manifest made of few words, so that two of
// them have much in common.
func randomManifest(r *rand.Rand) *Manifest {
	m := &Manifest{
		Version:  Version,
		Syscalls: Syscalls{Architecture: "amd64", Kernel: pick(r, "5.10", "6.9", "6.18"), Allow: randomSyscalls(r)},
		Identity: Identity{Mode: pick(r, IdentitySingle, IdentityRange), Note: randomNote(r)},
		Network:  randomNetwork(r),
		Resources: Resources{
			Memory: pick[int64](r, 0, 64<<20, 128<<20), PIDs: pick[int64](r, 0, 16, 32), MilliCPU: pick[int64](r, 0, 500),
			IOWeight: pick[int64](r, 0, 50, 100),
		},
	}
	for _, name := range some(r, "CAP_CHOWN", "CAP_KILL", "CAP_SYS_ADMIN") {
		m.Capabilities = append(m.Capabilities, Capability{name, randomNote(r)})
	}
	for _, path := range some(r, "*", "/bin/sh", "/usr/bin/app") {
		m.Execute = append(m.Execute, Program{path, randomNote(r)})
	}
	for _, path := range some(r, "/etc", "/etc/app", "/usr", "/usr/share") {
		m.Filesystem.Readable = append(m.Filesystem.Readable, ReadablePath{path, randomNote(r)})
	}
	for _, path := range some(r, "/var", "/var/log", "/tmp") {
		m.Filesystem.Writable = append(m.Filesystem.Writable, WritablePath{path, pick[int64](r, 0, 1<<20, 128<<20), randomNote(r)})
	}
	for _, path := range some(r, "/data", "/srv") {
		m.Mounts = append(m.Mounts, Mount{Path: path, Volume: "v", Write: pick(r, true, false), Note: randomNote(r)})
	}
	for _, path := range some(r, "/dev/kvm", "/dev/fuse") {
		m.Devices = append(m.Devices, Device{path, randomNote(r)})
	}
	return m
}

func randomSyscalls(r *rand.Rand) []Syscall {
	var calls []Syscall
	seen := map[string]bool{}
	for range r.IntN(6) {
		s := Syscall{Name: pick(r, "read", "socket", "clone", "ioctl"), Note: randomNote(r)}
		for arg := range 2 {
			if r.IntN(2) == 0 {
				continue
			}
			c := Condition{Arg: arg, Mask: pick(r, "", "1", "3", "6", "CLONE_NEWUSER")}
			if c.Mask == "CLONE_NEWUSER" && (s.Name != "clone" || arg != 0) {
				c.Mask = "0xc"
			}
			mask := allBits
			if c.Mask != "" {
				mask, _ = Symbol("amd64", s.Name, arg, c.Mask)
			}
			for range 1 + r.IntN(3) {
				c.OneOf = append(c.OneOf, fmt.Sprint(r.Uint64N(16)&mask))
			}
			s.When = append(s.When, c)
		}
		if id := s.id("amd64"); !seen[id] {
			seen[id] = true
			calls = append(calls, s)
		}
	}
	return calls
}

func randomNetwork(r *rand.Rand) Network {
	n := Network{Mode: pick(r, NetworkNone, NetworkPrivate, NetworkHost), Note: randomNote(r)}
	if n.Mode == NetworkNone {
		return n
	}
	for _, port := range some[uint16](r, 80, 443) {
		n.Listen = append(n.Listen, Listen{port, TCP, pick(r, true, false), randomNote(r)})
	}
	seen := map[string]bool{}
	for range r.IntN(4) {
		from := pick[uint16](r, 80, 443, 8000)
		e := Egress{Protocol: pick(r, TCP, UDP), Ports: []PortRange{{from, from + pick[uint16](r, 0, 100)}}, Note: randomNote(r)}
		if n.Mode == NetworkPrivate {
			if r.IntN(4) == 0 {
				e.Protocol, e.Ports = ICMP, nil
			}
			switch r.IntN(2) {
			case 0:
				e.Host = pick(r, "*.example.com", "api.example.com", "*.api.example.com")
			case 1:
				e.CIDR = pick(r, "10.0.0.0/8", "10.1.0.0/16", "2001:db8::/32")
			}
		}
		if !seen[e.id()] {
			seen[e.id()] = true
			n.Egress = append(n.Egress, e)
		}
	}
	return n
}

// inexpressible reports whether some of the manifests have no union, for one
// has ICMP and one the host's network.
func inexpressible(list ...*Manifest) bool {
	host := slices.ContainsFunc(list, func(m *Manifest) bool { return m.Network.Mode == NetworkHost })
	return host && slices.ContainsFunc(list, func(m *Manifest) bool {
		return slices.ContainsFunc(m.Network.Egress, func(e Egress) bool { return e.Protocol == ICMP })
	})
}

func randomNote(r *rand.Rand) Note {
	return Note{Reason: pick(r, "", "because", "why not"), Optional: r.IntN(3) == 0}
}

func pick[T any](r *rand.Rand, choices ...T) T { return choices[r.IntN(len(choices))] }

func some[T any](r *rand.Rand, choices ...T) []T {
	var kept []T
	for _, c := range choices {
		if r.IntN(2) == 0 {
			kept = append(kept, c)
		}
	}
	return kept
}

// forRandom runs a law over many triples of manifests, always the same.
func forRandom(t *testing.T, law func(t *testing.T, a, b, c *Manifest)) {
	t.Helper()
	for seed := range uint64(800) {
		r := rand.New(rand.NewPCG(seed, 1))
		a, b, c := randomManifest(r), randomManifest(r), randomManifest(r)
		for _, m := range []*Manifest{a, b, c} {
			if err := m.Validate(); err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
		}
		if inexpressible(a, b, c) {
			continue
		}
		law(t, a, b, c)
		if t.Failed() {
			t.Fatalf("seed %d\na %s\nb %s\nc %s", seed, mustCanonical(t, a), mustCanonical(t, b), mustCanonical(t, c))
		}
	}
}

func mustCanonical(t *testing.T, m *Manifest) []byte {
	t.Helper()
	data, err := m.Canonical()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// meetOf returns the intersection; nil where the two share no readable path.
func meetOf(t *testing.T, a, b *Manifest) *Manifest {
	t.Helper()
	m, err := Intersect(a, b)
	if errors.Is(err, ErrNothingReadable) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func joinOf(t *testing.T, a, b *Manifest) *Manifest {
	t.Helper()
	m, err := Union(a, b)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func mustCover(t *testing.T, what string, outer, inner *Manifest) {
	t.Helper()
	if beyond := Covers(outer, inner); len(beyond) > 0 {
		t.Errorf("%s: not covered: %s", what, beyond[0].ID)
		t.Logf("outer %s", mustCanonical(t, outer))
		t.Logf("inner %s", mustCanonical(t, inner))
	}
}

func mustEqual(t *testing.T, what string, a, b *Manifest) {
	t.Helper()
	mustCover(t, what, a, b)
	mustCover(t, what, b, a)
}
