package plan_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/least-privilege/lpm/enforcer/plan"
	"github.com/least-privilege/lpm/manifest"
)

// mostLandlock asks for all that Landlock can do: a list of programs, narrowed
// reading, and ports of the host's network.
func mostLandlock(r *plan.Request) {
	everything(r)
	r.Manifest.Filesystem.Readable = []manifest.ReadablePath{{Path: "/etc"}}
	r.Options.BestEffort = true
}

// TestLandlockVersions: each version of Landlock is asked for what it knows
// and no more, and what it lacks is said: as not enforced where nothing else
// holds it, as missing where something else does.
func TestLandlockVersions(t *testing.T) {
	const (
		programs = "the list of programs: "
		reading  = "filesystem.readable: "
		ports    = "the ports of network: "
		sockets  = "the abstract Unix sockets of the host, "
		refer    = "refer (ABI 2, Linux 5.19)"
		truncate = "truncate (ABI 3, Linux 6.2)"
		ioctl    = "ioctl_dev (ABI 5, Linux 6.10)"
		signal   = "scope_signal (ABI 6, Linux 6.12)"
	)
	first := []string{
		"EXECUTE", "WRITE_FILE", "READ_FILE", "READ_DIR", "REMOVE_DIR", "REMOVE_FILE", "MAKE_CHAR", "MAKE_DIR",
		"MAKE_REG", "MAKE_SOCK", "MAKE_FIFO", "MAKE_BLOCK", "MAKE_SYM",
	}
	var none []string
	for _, right := range first {
		if right != "EXECUTE" && !strings.HasPrefix(right, "READ_") {
			none = append(none, strings.ToLower(right)+" (ABI 1, Linux 5.13)")
		}
	}
	tests := []struct {
		abi int
		// fs, net, scoped and flags are what is asked for beside that of the
		// version before.
		fs, net, scoped, flags []string
		unenforced, missing    []string
	}{
		{abi: 0, unenforced: []string{programs, reading, ports, sockets}, missing: append(none, refer, truncate, ioctl, signal)},
		{abi: 1, fs: first, unenforced: []string{ports, sockets}, missing: []string{refer, truncate, ioctl, signal}},
		{abi: 2, fs: []string{"REFER"}, unenforced: []string{ports, sockets}, missing: []string{truncate, ioctl, signal}},
		{abi: 3, fs: []string{"TRUNCATE"}, unenforced: []string{ports, sockets}, missing: []string{ioctl, signal}},
		{abi: 4, net: []string{"BIND_TCP", "CONNECT_TCP"}, unenforced: []string{sockets}, missing: []string{ioctl, signal}},
		{abi: 5, fs: []string{"IOCTL_DEV"}, unenforced: []string{sockets}, missing: []string{signal}},
		{abi: 6, scoped: []string{"ABSTRACT_UNIX_SOCKET", "SIGNAL"}},
		{abi: 7, flags: []string{"LOG_SUBDOMAINS_OFF"}},
		// What is new in versions that lpm does not know is not asked for.
		{abi: 8},
		{abi: 99},
	}
	var fs, net, scoped, flags []string
	for _, test := range tests {
		fs, net = append(fs, test.fs...), append(net, test.net...)
		scoped, flags = append(scoped, test.scoped...), append(flags, test.flags...)
		t.Run(fmt.Sprint("ABI ", test.abi), func(t *testing.T) {
			p, err := plan.New(request(func(r *plan.Request) { mostLandlock(r); r.Host.LandlockABI = test.abi }))
			if err != nil {
				t.Fatal(err)
			}
			got := handled(p)
			for prefix, want := range map[string][]string{
				"LANDLOCK_ACCESS_FS_": fs, "LANDLOCK_ACCESS_NET_": net, "LANDLOCK_SCOPE_": scoped, "LANDLOCK_RESTRICT_SELF_": flags,
			} {
				if have := short(got, prefix); !slices.Equal(have, want) {
					t.Errorf("%s: asks for %v, want %v", prefix, have, want)
				}
			}
			if test.abi > 0 && !slices.Equal(slices.Sorted(slices.Values(p.Landlock.Uses)), slices.Sorted(slices.Values(got))) {
				t.Errorf("the plan says %v and asks for %v", p.Landlock.Uses, got)
			}
			for what, rights := range allowed(p) {
				if !subset(rights, got) {
					t.Errorf("%s is allowed %v, some of which was not taken away", what, rights)
				}
			}
			if !slices.EqualFunc(p.Unenforced, test.unenforced, strings.HasPrefix) {
				t.Errorf("not enforced: %q, want %q", p.Unenforced, test.unenforced)
			}
			var missing []string
			for _, r := range p.Landlock.Missing {
				missing = append(missing, r.String())
			}
			if !slices.Equal(missing, test.missing) || p.Landlock.ABI != test.abi {
				t.Errorf("ABI %d misses %q, want %q", p.Landlock.ABI, missing, test.missing)
			}
		})
	}
}

// TestLandlockLacks: the table begins with version 1, lists each thing once,
// and its releases come one after the other.
func TestLandlockLacks(t *testing.T) {
	last := plan.LandlockRight{Linux: "5.12"}
	seen := map[string]bool{}
	for _, r := range plan.LandlockLacks(0) {
		if seen[r.Name] {
			t.Errorf("%s comes twice", r.Name)
		}
		seen[r.Name] = true
		if r.ABI != last.ABI && r.ABI != last.ABI+1 || (r.ABI == last.ABI) != (r.Linux == last.Linux) || !later(r.Linux, last.Linux) {
			t.Errorf("%v comes after %v", r, last)
		}
		last = r
	}
	for abi := range last.ABI + 2 {
		for _, r := range plan.LandlockLacks(abi) {
			if r.ABI <= abi {
				t.Errorf("ABI %d lacks %v", abi, r)
			}
		}
	}
	if lacks := plan.LandlockLacks(last.ABI); lacks != nil {
		t.Errorf("the newest lacks %v", lacks)
	}
}

// later reports whether a release is no earlier than another.
func later(a, b string) bool {
	var x, y [2]int
	fmt.Sscanf(a, "%d.%d", &x[0], &x[1])
	fmt.Sscanf(b, "%d.%d", &y[0], &y[1])
	return x[0] > y[0] || x[0] == y[0] && x[1] >= y[1]
}

// TestLandlockOnlyWall: what Landlock cannot hold is said where the manifest
// relies on it, and only there.
func TestLandlockOnlyWall(t *testing.T) {
	anyProgram := func(r *plan.Request) { r.Manifest.Execute = []manifest.Program{{Path: manifest.AnyProgram}} }
	host := func(r *plan.Request) { r.Manifest.Network.Mode = manifest.NetworkHost }
	tests := []struct {
		name   string
		change func(r *plan.Request)
		abi    int
		want   []string
	}{
		{"a list of programs", func(*plan.Request) {}, 0, []string{"the list of programs"}},
		{"every program", anyProgram, 0, nil},
		{"every program and a part of the image", func(r *plan.Request) {
			anyProgram(r)
			r.Manifest.Filesystem.Readable = []manifest.ReadablePath{{Path: "/etc"}}
		}, 0, []string{"filesystem.readable"}},
		{"every program on the host's network", func(r *plan.Request) { anyProgram(r); host(r) }, 0, []string{"the ports of network", "the abstract Unix sockets"}},
		{"a network of its own, and no scopes", func(*plan.Request) {}, 5, nil},
		{"recording", func(r *plan.Request) {
			r.Mode, r.Manifest, r.Options.Identity = plan.Record, nil, manifest.IdentitySingle
		}, 0, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p, err := plan.New(request(func(r *plan.Request) {
				test.change(r)
				r.Host.LandlockABI, r.Options.BestEffort = test.abi, true
			}))
			if err != nil {
				t.Fatal(err)
			}
			if !slices.EqualFunc(p.Unenforced, test.want, strings.HasPrefix) {
				t.Errorf("not enforced: %q, want %q", p.Unenforced, test.want)
			}
		})
	}
}

// TestLandlockRules: which path gets which rights.
func TestLandlockRules(t *testing.T) {
	const (
		read   = "READ_FILE READ_DIR"
		write  = "WRITE_FILE REMOVE_DIR REMOVE_FILE MAKE_DIR MAKE_REG MAKE_SOCK MAKE_FIFO MAKE_SYM REFER TRUNCATE"
		update = "REMOVE_DIR REMOVE_FILE MAKE_DIR MAKE_REG MAKE_SOCK MAKE_FIFO MAKE_SYM REFER TRUNCATE"
	)
	least := map[string]string{
		"/usr/bin/server": "EXECUTE", "/usr/lib/ld.so": "EXECUTE",
		"/proc": "WRITE_FILE TRUNCATE", "/dev": "WRITE_FILE IOCTL_DEV", "/dev/shm": update,
		"/dev/null": "WRITE_FILE IOCTL_DEV",
	}
	tests := []struct {
		name   string
		change func(r *plan.Request)
		// want is what differs from the least; "" is no rule.
		want map[string]string
	}{
		{"the least", func(*plan.Request) {}, nil},
		{"every program", func(r *plan.Request) {
			r.Manifest.Execute = []manifest.Program{{Path: manifest.AnyProgram}}
		}, map[string]string{"/usr/bin/server": "", "/usr/lib/ld.so": ""}},
		{"writable folders, one below the other", func(r *plan.Request) {
			r.Manifest.Filesystem.Writable = []manifest.WritablePath{{Path: "/tmp/below"}, {Path: "/tmp"}, {Path: "/tmp-2"}}
		}, map[string]string{"/tmp": write, "/tmp-2": write}},
		{"a writable folder by a link", func(r *plan.Request) {
			r.Manifest.Filesystem.Writable = []manifest.WritablePath{{Path: "/var/run"}}
			r.Image.Survey.Paths["/var/run"] = plan.PathFact{Real: "/run", Exists: true, Dir: true}
		}, map[string]string{"/run": write}},
		{"shared memory of another size", func(r *plan.Request) {
			r.Manifest.Filesystem.Writable = []manifest.WritablePath{{Path: "/dev/shm", Size: 1 << 30}}
		}, nil},
		{"a volume to read and a folder to write", func(r *plan.Request) {
			r.Manifest.Mounts = []manifest.Mount{{Path: "/data", Volume: "data"}, {Path: "/host", Host: "/srv", Write: true}}
		}, map[string]string{"/host": write}},
		{"a folder to write in one to read", func(r *plan.Request) {
			r.Manifest.Mounts = []manifest.Mount{{Path: "/host", Host: "/srv"}, {Path: "/host/below", Host: "/tmp", Write: true}}
		}, map[string]string{"/host/below": write}},
		{"narrowed reading", func(r *plan.Request) {
			r.Manifest.Filesystem.Readable = []manifest.ReadablePath{{Path: "/etc"}, {Path: "/etc/conf"}, {Path: "/usr/bin/server"}}
			r.Manifest.Filesystem.Writable = []manifest.WritablePath{{Path: "/etc/state"}, {Path: "/tmp"}}
			r.Manifest.Mounts = []manifest.Mount{{Path: "/data", Volume: "data"}}
			r.Image.Survey.Paths["/etc/conf"] = plan.PathFact{Real: "/etc/conf", Exists: true}
			r.Image.Survey.Paths["/usr/bin/server"] = plan.PathFact{Real: "/usr/bin/server", Exists: true}
		}, map[string]string{
			"/usr/bin/server": "EXECUTE READ_FILE", "/usr/lib/ld.so": "EXECUTE READ_FILE", "/etc": read, "/etc/state": write,
			"/tmp": "WRITE_FILE READ_FILE READ_DIR " + update, "/data": read,
			"/proc": "WRITE_FILE READ_FILE READ_DIR TRUNCATE", "/dev": "WRITE_FILE READ_FILE READ_DIR IOCTL_DEV",
			"/dev/null": "WRITE_FILE READ_FILE IOCTL_DEV",
		}},
		{"a terminal", func(r *plan.Request) {
			r.Options.TTY, r.Options.Console = true, "/dev/pts/3"
		}, map[string]string{"/dev/console": "WRITE_FILE IOCTL_DEV"}},
		{"mounts in a namespace below, for every program", func(r *plan.Request) {
			r.Manifest.Execute = []manifest.Program{{Path: manifest.AnyProgram}}
			r.Manifest.Syscalls.Allow = append(r.Manifest.Syscalls.Allow, manifest.Syscall{Name: "unshare"}, manifest.Syscall{Name: "mount"})
		}, map[string]string{"/usr/bin/server": "", "/usr/lib/ld.so": "", "/proc": "", "/dev": "", "/dev/shm": "", "/dev/null": ""}},
		{"the same for one program", func(r *plan.Request) {
			r.Manifest.Syscalls.Allow = append(r.Manifest.Syscalls.Allow, manifest.Syscall{Name: "unshare"}, manifest.Syscall{Name: "mount"})
		}, nil},
		{"mounts that no namespace holds", func(r *plan.Request) {
			r.Manifest.Execute = []manifest.Program{{Path: manifest.AnyProgram}}
			r.Manifest.Syscalls.Allow = append(r.Manifest.Syscalls.Allow, manifest.Syscall{Name: "unshare"}, manifest.Syscall{Name: "mount"})
			r.Manifest.Capabilities = []manifest.Capability{{Name: "CAP_SYS_ADMIN"}}
		}, map[string]string{"/usr/bin/server": "", "/usr/lib/ld.so": ""}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p, err := plan.New(request(test.change))
			if err != nil {
				t.Fatal(err)
			}
			want := maps.Clone(least)
			maps.Copy(want, test.want)
			maps.DeleteFunc(want, func(_, rights string) bool { return rights == "" })
			got := map[string]string{}
			for what, rights := range allowed(p) {
				got[what] = strings.Join(short(rights, "LANDLOCK_ACCESS_FS_"), " ")
			}
			if !maps.Equal(got, want) {
				t.Errorf("got  %v\nwant %v", got, want)
			}
			if files := strings.Contains(strings.Join(p.Landlock.Uses, " "), "_FS_"); files == (p.Landlock.NoFiles != "") {
				t.Errorf("files are ruled: %t; why not: %q", files, p.Landlock.NoFiles)
			}
		})
	}
}

// TestLandlockLines: a person is told what only one wall is left for.
func TestLandlockLines(t *testing.T) {
	nested := func(r *plan.Request) {
		r.Manifest.Execute = []manifest.Program{{Path: manifest.AnyProgram}}
		r.Manifest.Syscalls.Allow = append(r.Manifest.Syscalls.Allow, manifest.Syscall{Name: "unshare"}, manifest.Syscall{Name: "mount"})
	}
	for _, test := range []struct {
		name   string
		abi    int
		change func(r *plan.Request)
		want   []string
	}{
		{"all", 7, func(*plan.Request) {}, []string{"ABI 7"}},
		{"newer than lpm", 9, func(*plan.Request) {}, []string{"ABI 9"}},
		{"an older one", 5, func(*plan.Request) {}, []string{"ABI 5",
			"left to mounts and namespaces alone: scope_abstract_unix_socket (ABI 6, Linux 6.12), scope_signal (ABI 6, Linux 6.12)"}},
		{"none", 0, func(r *plan.Request) { r.Options.BestEffort = true }, []string{"none: what is written, made and asked of devices rests on the mounts alone"}},
		{"mounts inside", 7, nested, []string{"ABI 7", "no rules about files: the manifest grants mount and every program, and rules about files would forbid all mounts"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			p, err := plan.New(request(func(r *plan.Request) { test.change(r); r.Host.LandlockABI = test.abi }))
			if err != nil {
				t.Fatal(err)
			}
			if got := p.Landlock.Lines(); !slices.Equal(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

// TestLandlockPorts: which ports are ruled.
func TestLandlockPorts(t *testing.T) {
	egress := func(from, to uint16, protocol manifest.Protocol) func(r *plan.Request) {
		return func(r *plan.Request) {
			r.Manifest.Network = manifest.Network{Mode: manifest.NetworkHost, Egress: []manifest.Egress{
				{Ports: []manifest.PortRange{{From: from, To: to}}, Protocol: protocol},
			}}
			r.Options.BestEffort = true
		}
	}
	tests := []struct {
		name   string
		change func(r *plan.Request)
		uses   string
		rules  int
	}{
		{"a network of its own", func(*plan.Request) {}, "", 0},
		{"no port", func(r *plan.Request) { r.Manifest.Network.Mode = manifest.NetworkHost }, "BIND_TCP CONNECT_TCP", 1},
		{"two ports", egress(80, 81, manifest.TCP), "BIND_TCP CONNECT_TCP", 3},
		{"ports of UDP", egress(80, 81, manifest.UDP), "BIND_TCP CONNECT_TCP", 1},
		{"all ports", egress(1, 65535, manifest.TCP), "BIND_TCP", 1},
		{"all ports of UDP", egress(1, 65535, manifest.UDP), "BIND_TCP CONNECT_TCP", 1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p, err := plan.New(request(test.change))
			if err != nil {
				t.Fatal(err)
			}
			n := 0
			for _, op := range p.Ops {
				if op.About == "allowing a port" {
					n++
				}
			}
			if uses := strings.Join(short(p.Landlock.Uses, "LANDLOCK_ACCESS_NET_"), " "); uses != test.uses || n != test.rules {
				t.Errorf("%q with %d rules, want %q with %d", uses, n, test.uses, test.rules)
			}
		})
	}
}

// handled returns every name that the plan hands to the kernel when it makes
// its rule set and puts it in force.
func handled(p *plan.Plan) []string {
	var names []string
	take := func(a plan.Arg) {
		if a.Flags != "" {
			names = append(names, strings.Split(a.Flags, "|")...)
		}
	}
	for _, op := range p.Ops {
		switch op.Call {
		case "landlock_create_ruleset":
			for _, f := range op.Args[0].Struct {
				take(f.Value)
			}
		case "landlock_restrict_self":
			take(op.Args[1])
		}
	}
	return names
}

// allowed returns the rights that rules give back, by the paths they are for.
func allowed(p *plan.Plan) map[string][]string {
	all := map[string][]string{}
	for _, op := range p.Ops {
		if op.Call == "landlock_add_rule" {
			what := strings.TrimPrefix(op.About, "allowing ")
			all[what] = append(all[what], strings.Split(op.Args[2].Struct[0].Value.Flags, "|")...)
		}
	}
	return all
}

// short returns those of the names that have the prefix, without it.
func short(names []string, prefix string) []string {
	var rest []string
	for _, n := range names {
		if s, ok := strings.CutPrefix(n, prefix); ok {
			rest = append(rest, s)
		}
	}
	return rest
}

func subset(part, whole []string) bool {
	return !slices.ContainsFunc(part, func(s string) bool { return !slices.Contains(whole, s) })
}
