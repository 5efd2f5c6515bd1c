package plan_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/least-privilege/lpm/enforcer/plan"
	"github.com/least-privilege/lpm/manifest"
)

var update = flag.Bool("update", false, "write the golden files anew")

// request is a launch on a machine that can do everything.
func request(change func(r *plan.Request)) plan.Request {
	r := plan.Request{
		Mode: plan.Enforce,
		Image: plan.Image{
			Digest: "sha256:" + strings.Repeat("a", 64),
			Config: plan.Config{Entrypoint: []string{"/usr/bin/server"}, Cmd: []string{"--verbose"}, Env: []string{"PATH=/usr/bin", "MODE=image"}, WorkingDir: "/srv"},
			Survey: plan.Survey{
				UID: 100, GID: 101, Groups: []uint32{102}, Home: "/srv",
				Found: "/usr/bin/server", Entry: "/usr/bin/server", Program: "/usr/bin/server",
				Executables: []plan.Executable{
					{Path: "/usr/bin/dash", Needs: "/usr/lib/ld.so"},
					{Path: "/usr/bin/server", Needs: "/usr/lib/ld.so"},
					{Path: "/usr/bin/tool.sh", Needs: "/usr/bin/dash", Script: true},
					{Path: "/usr/lib/ld.so", Library: true},
				},
				Paths: map[string]plan.PathFact{
					"/etc": {Real: "/etc", Exists: true, Dir: true, Mode: 0o755},
					"/srv": {Real: "/srv", Exists: true, Dir: true, Mode: 0o755},
				},
			},
		},
		Manifest: &manifest.Manifest{
			Version:  manifest.Version,
			Syscalls: manifest.Syscalls{Architecture: "amd64", Kernel: "6.18", Allow: []manifest.Syscall{{Name: "execve"}, {Name: "read"}, {Name: "write"}}},
			Identity: manifest.Identity{Mode: manifest.IdentitySingle},
			Execute:  []manifest.Program{{Path: "/usr/bin/server"}},
			Network:  manifest.Network{Mode: manifest.NetworkNone},
		},
		Host: plan.Host{
			Architecture: "amd64", Kernel: "6.18.0", UID: 1000, GID: 1000,
			SubUIDs: []plan.IDMap{{Host: 100000, Size: 65536}}, SubGIDs: []plan.IDMap{{Host: 200000, Size: 65536}},
			LandlockABI: 7, WaitKillable: true, OpenFiles: 4096, ResolvConf: true,
			ProcPaths: []string{"/proc/acpi", "/proc/kcore", "/proc/sys"},
		},
		Places: plan.Places{
			Store: "/store", Tree: "/store/trees/t/root", Layer: "/store/prepared/p/layer",
			Mount: "/store/prepared/p/mount", Scratch: "/store/prepared/p/scratch",
			Volumes: map[string]string{"data": "/store/volumes/r/data"},
		},
	}
	if change != nil {
		change(&r)
	}
	return r
}

// everything asks for a part of each section.
func everything(r *plan.Request) {
	m := r.Manifest
	m.Identity.Mode = manifest.IdentityRange
	m.Syscalls.Allow = append(m.Syscalls.Allow,
		manifest.Syscall{Name: "connect"},
		manifest.Syscall{Name: "ioctl", When: []manifest.Condition{{Arg: 1, OneOf: []string{"TCGETS", "FIONBIO"}}}},
		manifest.Syscall{Name: "socket", When: []manifest.Condition{{Arg: 0, OneOf: []string{"AF_UNIX", "AF_INET"}}}})
	m.Capabilities = []manifest.Capability{{Name: "CAP_CHOWN"}}
	m.Execute = append(m.Execute, manifest.Program{Path: "/usr/bin/tool.sh"})
	m.Filesystem.Writable = []manifest.WritablePath{{Path: "/var/lib/server", Size: 1 << 20}, {Path: "/tmp"}, {Path: "/tmp/below"}}
	m.Mounts = []manifest.Mount{{Path: "/data", Volume: "data", Write: true}, {Path: "/conf", Host: "/etc/server"}}
	m.Devices = []manifest.Device{{Path: "/dev/fuse"}, {Path: "/dev/ptmx"}}
	m.Network = manifest.Network{
		Mode:   manifest.NetworkHost,
		Egress: []manifest.Egress{{Ports: []manifest.PortRange{{From: 443, To: 444}}, Protocol: manifest.TCP}},
		Listen: []manifest.Listen{{Port: 8080, Protocol: manifest.TCP}},
	}
	m.Resources = manifest.Resources{OpenFiles: 10000, FileSize: 1 << 30}
	r.Image.Survey.Paths["/var/lib/server"] = plan.PathFact{Real: "/var/lib/server", Exists: true, Dir: true, Mode: 0o750, UID: 100, GID: 101}
	r.Image.Survey.Paths["/tmp"] = plan.PathFact{Real: "/tmp", Exists: true, Dir: true, Empty: true, Mode: 0o1777}
	r.Options.TTY, r.Options.Console = true, "/dev/pts/3"
}

// TestGolden prints whole plans, so that a change of what is done to a
// container is a change that can be read.
func TestGolden(t *testing.T) {
	record := func(r *plan.Request) {
		r.Mode, r.Manifest = plan.Record, nil
		r.Options.Identity, r.Options.Baseline = manifest.IdentityRange, []manifest.Syscall{{Name: "read"}, {Name: "socket"}, {Name: "write"}}
	}
	tests := []struct {
		name   string
		plan   func(plan.Request) (*plan.Plan, error)
		change func(r *plan.Request)
	}{
		{"least", plan.New, nil},
		{"everything", plan.New, everything},
		{"init", plan.New, func(r *plan.Request) {
			r.Options.Init, r.Options.TTY, r.Options.Console = true, true, "/dev/pts/3"
			r.Manifest.Resources.PIDs = 10
		}},
		{"private", plan.New, func(r *plan.Request) {
			r.Manifest.Network = manifest.Network{
				Mode:   manifest.NetworkPrivate,
				Egress: []manifest.Egress{{Host: "api.example.com", Ports: []manifest.PortRange{{From: 443, To: 443}}, Protocol: manifest.TCP}},
				Listen: []manifest.Listen{{Port: 8080, Protocol: manifest.TCP, Publish: true}, {Port: 53, Protocol: manifest.UDP}},
			}
			option := []manifest.Condition{{Arg: 1, OneOf: []string{"6"}}, {Arg: 2, OneOf: []string{"1", "2"}}}
			r.Manifest.Syscalls.Allow = append(r.Manifest.Syscalls.Allow,
				manifest.Syscall{Name: "setsockopt", When: option}, manifest.Syscall{Name: "epoll_create1"})
			r.Options.Ports = []plan.Port{{Host: 9090, Container: 8080, Protocol: manifest.TCP}}
		}},
		{"record", plan.New, record},
		{"join", plan.NewJoin, record},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p, err := test.plan(request(test.change))
			if err != nil {
				t.Fatal(err)
			}
			got, file := print(p), filepath.Join("testdata", test.name+".golden")
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("the plan is another than in %s; if that is meant, run the test with -update\n%s", file, difference(string(want), got))
			}
		})
	}
}

// difference lists the lines that only one of two texts has.
func difference(want, got string) string {
	var b strings.Builder
	wanted, have := strings.Split(want, "\n"), strings.Split(got, "\n")
	for _, l := range wanted {
		if !slices.Contains(have, l) {
			fmt.Fprintln(&b, "-", l)
		}
	}
	for _, l := range have {
		if !slices.Contains(wanted, l) {
			fmt.Fprintln(&b, "+", l)
		}
	}
	return b.String()
}

func print(p *plan.Plan) string {
	var b strings.Builder
	fmt.Fprintf(&b, "process %+v\nidentity %+v\nnamespaces %v\nunenforced %q\nlandlock %+v\n", p.Process, p.Identity, p.Namespaces, p.Unenforced, p.Landlock)
	fmt.Fprintf(&b, "programs %v hidden %v calls %v\n", p.Supervision.Programs, p.Supervision.Hidden, p.Supervision.Syscalls)
	for _, e := range p.Layer.Entries {
		fmt.Fprintf(&b, "layer %s %s %s\n", e.Kind, e.Path, e.Target)
	}
	for i, f := range p.Filters {
		fmt.Fprintf(&b, "filter %d %s default %s\n", i, f.Architecture, f.Default)
		for _, r := range f.Rules {
			fmt.Fprintf(&b, "  %s %s", r.Action, r.Syscall)
			for _, c := range r.When {
				fmt.Fprintf(&b, " arg%d&%#x==%#x", c.Arg, c.Mask, c.Value)
			}
			fmt.Fprintln(&b)
		}
	}
	for _, op := range p.Ops {
		fmt.Fprintln(&b, op)
	}
	if p.Init != nil {
		fmt.Fprintln(&b, "init", p.Init.Filter)
	}
	for _, op := range p.Init.All() {
		fmt.Fprintln(&b, op)
	}
	if p.Join != nil {
		fmt.Fprintln(&b, "join")
	}
	for _, op := range p.Join.All() {
		fmt.Fprintln(&b, op)
	}
	return b.String()
}
