package supervise

import (
	"testing"

	"github.com/least-privilege/lpm/manifest"
)

// base is a manifest that says something in every section.
func base() *manifest.Manifest {
	return &manifest.Manifest{
		Version: manifest.Version,
		Syscalls: manifest.Syscalls{Architecture: "amd64", Kernel: "6.18", Allow: []manifest.Syscall{
			{Name: "read", Note: manifest.Note{Reason: "reads"}}, {Name: "ptrace", Note: manifest.Note{Optional: true}},
		}},
		Identity:   manifest.Identity{Mode: manifest.IdentityRange},
		Execute:    []manifest.Program{{Path: "/bin/app"}},
		Filesystem: manifest.Filesystem{Readable: []manifest.ReadablePath{{Path: "/etc"}}},
		Mounts:     []manifest.Mount{{Path: "/data", Volume: "data"}},
		Network:    manifest.Network{Mode: manifest.NetworkNone},
		Resources:  manifest.Resources{Memory: 1 << 20, PIDs: 7},
	}
}

// TestAmend: an amended manifest says what it said and the grant, and nothing
// else.
func TestAmend(t *testing.T) {
	port := []manifest.PortRange{manifest.Port(443)}
	tests := []struct {
		name  string
		grant Grant
		line  string
		want  func(m *manifest.Manifest)
		adds  []string
	}{
		{
			"a call", Grant{Syscall: &manifest.Syscall{Name: "chdir"}}, `syscalls: allow: [{name: "chdir"}]`,
			func(m *manifest.Manifest) {
				m.Syscalls.Allow = append(m.Syscalls.Allow, manifest.Syscall{Name: "chdir"})
			},
			[]string{"syscall:chdir"},
		},
		{
			"a call that is there already, and optional", Grant{Syscall: &manifest.Syscall{Name: "ptrace"}}, `syscalls: allow: [{name: "ptrace"}]`,
			func(*manifest.Manifest) {}, nil,
		},
		{
			"a call under conditions",
			Grant{Syscall: &manifest.Syscall{Name: "socket", When: []manifest.Condition{{Arg: 1, Mask: "0xf", OneOf: []string{"SOCK_RAW"}}}}},
			`syscalls: allow: [{name: "socket", when: [{arg: 1, mask: "0xf", oneOf: ["SOCK_RAW"]}]}]`,
			func(m *manifest.Manifest) {
				m.Syscalls.Allow = append(m.Syscalls.Allow, manifest.Syscall{Name: "socket", When: []manifest.Condition{{Arg: 1, Mask: "0xf", OneOf: []string{"SOCK_RAW"}}}})
			},
			[]string{"syscall:socket(1&0xf=SOCK_RAW)"},
		},
		{
			"a program", Grant{Program: &manifest.Program{Path: "/bin/sh"}}, `execute: [{path: "/bin/sh"}]`,
			func(m *manifest.Manifest) { m.Execute = append(m.Execute, manifest.Program{Path: "/bin/sh"}) },
			[]string{"execute:/bin/sh"},
		},
		{
			"a port", Grant{Egress: &manifest.Egress{Ports: port, Protocol: manifest.TCP}}, `network: {mode: "host", egress: [{ports: ["443"], protocol: "tcp"}]}`,
			func(m *manifest.Manifest) {
				m.Network = manifest.Network{Mode: manifest.NetworkHost, Egress: []manifest.Egress{{Ports: port, Protocol: manifest.TCP}}}
			},
			[]string{"network:host", "egress:tcp/443"},
		},
		{
			"a port to listen on", Grant{Listen: &manifest.Listen{Port: 80, Protocol: manifest.TCP}}, `network: {mode: "host", listen: [{port: 80, protocol: "tcp"}]}`,
			func(m *manifest.Manifest) {
				m.Network = manifest.Network{Mode: manifest.NetworkHost, Listen: []manifest.Listen{{Port: 80, Protocol: manifest.TCP}}}
			},
			[]string{"network:host", "listen:tcp/80"},
		},
		{
			"a file to read", Grant{Readable: &manifest.ReadablePath{Path: "/usr"}}, `filesystem: readable: [{path: "/usr"}]`,
			func(m *manifest.Manifest) {
				m.Filesystem.Readable = append(m.Filesystem.Readable, manifest.ReadablePath{Path: "/usr"})
			},
			[]string{"read:/usr"},
		},
		{
			"a folder to write", Grant{Writable: &manifest.WritablePath{Path: "/tmp"}}, `filesystem: writable: [{path: "/tmp"}]`,
			func(m *manifest.Manifest) { m.Filesystem.Writable = []manifest.WritablePath{{Path: "/tmp"}} },
			[]string{"write:/tmp"},
		},
		{
			"a mount to write", Grant{Mount: &manifest.Mount{Path: "/data", Volume: "data"}}, `mounts: [{path: "/data", volume: "data", write: true}]`,
			func(m *manifest.Manifest) { m.Mounts[0].Write = true },
			[]string{"mount:/data"},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := test.grant.String(); got != test.line {
				t.Errorf("line %s\nwant %s", got, test.line)
			}
			got, err := test.grant.Amend(base(), "asked for")
			if err != nil {
				t.Fatal(err)
			}
			want := base()
			test.want(want)
			if beyond := manifest.Covers(want, got); len(beyond) > 0 {
				t.Errorf("it grants more: %+v", beyond)
			}
			if missing := manifest.Covers(got, want); len(missing) > 0 {
				t.Errorf("it grants less: %+v", missing)
			}
			var adds []string
			for _, p := range manifest.Covers(base(), got) {
				adds = append(adds, p.ID)
				if p.ID != "mount:/data" && (!p.Optional || p.Reason != "asked for") {
					t.Errorf("%s is optional: %v, for the reason %q", p.ID, p.Optional, p.Reason)
				}
			}
			if len(adds) != len(test.adds) {
				t.Errorf("adds %q, want %q", adds, test.adds)
			}
			for _, p := range got.Permissions() {
				for _, before := range base().Permissions() {
					if p.ID == before.ID && p.ID != "mount:/data" && (p.Optional != before.Optional || before.Reason != "" && p.Reason != before.Reason) {
						t.Errorf("%s was %+v and is %+v", p.ID, before, p)
					}
				}
			}
		})
	}
}

// TestAmendHostNetwork: a port on the network that the manifest has already
// changes nothing of the network itself.
func TestAmendHostNetwork(t *testing.T) {
	m := base()
	m.Network = manifest.Network{Mode: manifest.NetworkHost, Note: manifest.Note{Reason: "serves"}}
	got, err := Grant{Listen: &manifest.Listen{Port: 80, Protocol: manifest.TCP}}.Amend(m, "asked for")
	if err != nil {
		t.Fatal(err)
	}
	if got.Network.Note != m.Network.Note || len(got.Network.Listen) != 1 {
		t.Errorf("%+v", got.Network)
	}
}

// TestAmendRefuses: what a manifest cannot say makes none.
func TestAmendRefuses(t *testing.T) {
	for _, g := range []Grant{
		{Program: &manifest.Program{Path: "/bin/\x1b[2J"}},
		{Readable: &manifest.ReadablePath{Path: "/"}},
		{Writable: &manifest.WritablePath{Path: "/proc/sys"}},
	} {
		if m, err := g.Amend(base(), "asked for"); err == nil {
			t.Errorf("%s became %+v", g, m)
		}
	}
}
