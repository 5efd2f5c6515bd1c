package plan_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/least-privilege/lpm/enforcer/plan"
	"github.com/least-privilege/lpm/manifest"
)

// TestRefused lists what makes no plan.
func TestRefused(t *testing.T) {
	tests := []struct {
		name   string
		change func(r *plan.Request)
		err    string
	}{
		{"another architecture", func(r *plan.Request) { r.Manifest.Syscalls.Architecture = "arm64" }, "arm64"},
		{"no manifest", func(r *plan.Request) { r.Manifest = nil }, "no manifest"},
		{"a program that is not granted", func(r *plan.Request) { r.Image.Survey.Entry = "/usr/bin/dash" }, `"/usr/bin/dash"`},
		{"no program", func(r *plan.Request) { r.Image.Config.Entrypoint, r.Image.Config.Cmd = nil, nil }, "no program"},
		{"a range without subordinate ids", func(r *plan.Request) { r.Manifest.Identity.Mode = manifest.IdentityRange; r.Host.SubUIDs = nil }, "subordinate"},
		{"too few subordinate ids", func(r *plan.Request) {
			r.Manifest.Identity.Mode = manifest.IdentityRange
			r.Host.SubGIDs = []plan.IDMap{{Host: 1, Size: 100}}
		}, "subordinate"},
		{"a user past the range", func(r *plan.Request) { r.Manifest.Identity.Mode = manifest.IdentityRange; r.Image.Survey.UID = 65536 }, "65536"},
		{"a group past the range", func(r *plan.Request) {
			r.Manifest.Identity.Mode = manifest.IdentityRange
			r.Image.Survey.Groups = []uint32{70000}
		}, "70000"},
		{"a variable that would be cut", func(r *plan.Request) { r.Image.Config.Env = []string{"A=b\x00c"} }, "zero byte"},
		{"an argument that would be cut", func(r *plan.Request) { r.Image.Config.Cmd = []string{"b\x00c"} }, "zero byte"},
		{"a folder that is relative", func(r *plan.Request) { r.Options.WorkingDir = "srv" }, "absolute"},
		{"a writable file", func(r *plan.Request) {
			r.Manifest.Filesystem.Writable = []manifest.WritablePath{{Path: "/etc/conf"}}
			r.Image.Survey.Paths["/etc/conf"] = plan.PathFact{Real: "/etc/conf", Exists: true}
		}, "a file"},
		{"a folder of programs", func(r *plan.Request) {
			r.Manifest.Execute = append(r.Manifest.Execute, manifest.Program{Path: "/usr/bin/tool"})
			r.Image.Survey.Paths["/usr/bin/tool"] = plan.PathFact{Real: "/usr", Exists: true, Dir: true}
		}, "name the programs"},
		{"a mount over /proc", func(r *plan.Request) {
			r.Manifest.Mounts = []manifest.Mount{{Path: "/proc/sys", Host: "/tmp"}}
		}, "/proc"},
		{"a mount over /dev by a link", func(r *plan.Request) {
			r.Manifest.Mounts = []manifest.Mount{{Path: "/innocent", Host: "/tmp"}}
			r.Image.Survey.Paths["/innocent"] = plan.PathFact{Real: "/dev", Exists: true, Dir: true}
		}, "/innocent"},
		{"a mount over the root by a link", func(r *plan.Request) {
			r.Manifest.Mounts = []manifest.Mount{{Path: "/innocent", Host: "/tmp"}}
			r.Image.Survey.Paths["/innocent"] = plan.PathFact{Real: "/", Exists: true, Dir: true}
		}, "the root"},
		{"a tree outside the data folder", func(r *plan.Request) { r.Places.Tree = "/elsewhere" }, "/elsewhere"},
		{"a data folder that an overlay cannot take", func(r *plan.Request) { r.Places.Tree = "/store/a:b" }, "overlay"},
		{"a path to read that is not there", func(r *plan.Request) {
			r.Manifest.Filesystem.Readable = []manifest.ReadablePath{{Path: "/missing"}}
		}, "/missing"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := plan.New(request(test.change))
			if err == nil || !strings.Contains(err.Error(), test.err) {
				t.Errorf("error %v, want one with %q", err, test.err)
			}
		})
	}
}

// TestUnenforceable lists what a host may lack. Each is an error by itself and
// a note with best effort.
func TestUnenforceable(t *testing.T) {
	hostNetwork := func(r *plan.Request) {
		r.Manifest.Network = manifest.Network{Mode: manifest.NetworkHost, Listen: []manifest.Listen{{Port: 80, Protocol: manifest.TCP}}}
	}
	tests := []struct {
		name   string
		change func(r *plan.Request)
		what   string
	}{
		{"no Landlock", func(r *plan.Request) { r.Host.LandlockABI = 0 }, "list of programs"},
		{"a Landlock that knows no ports", func(r *plan.Request) { hostNetwork(r); r.Host.LandlockABI = 3 }, "ports"},
		{"a Landlock that knows no scopes", func(r *plan.Request) { hostNetwork(r); r.Host.LandlockABI = 5 }, "abstract Unix sockets"},
		{"UDP on the host's network", func(r *plan.Request) {
			hostNetwork(r)
			r.Manifest.Network.Listen[0].Protocol = manifest.UDP
		}, "UDP"},
		{"a read-only mount that can be reopened", func(r *plan.Request) {
			r.Manifest.Capabilities = []manifest.Capability{{Name: "CAP_SYS_ADMIN"}}
			r.Manifest.Syscalls.Allow = append(r.Manifest.Syscalls.Allow, manifest.Syscall{Name: "mount_setattr"})
			r.Manifest.Filesystem.Writable = []manifest.WritablePath{{Path: "/srv"}}
			r.Manifest.Mounts = []manifest.Mount{{Path: "/srv/folder", Host: "/home/user/folder"}}
		}, "read-only mount at /srv/folder"},
		{"read-only mounts that can be reopened, and a Landlock that knows no truncate", func(r *plan.Request) {
			r.Manifest.Capabilities = []manifest.Capability{{Name: "CAP_SYS_ADMIN"}}
			r.Manifest.Syscalls.Allow = append(r.Manifest.Syscalls.Allow, manifest.Syscall{Name: "mount_setattr"})
			r.Host.LandlockABI = 2
		}, "read-only mounts"},
		{"memory without a cgroup", func(r *plan.Request) { r.Manifest.Resources.Memory = 1 << 20 }, "memory"},
		{"processor time without a cgroup", func(r *plan.Request) { r.Manifest.Resources.MilliCPU = 500 }, "milliCPU"},
		{"processes of a range without a cgroup", func(r *plan.Request) {
			r.Manifest.Identity.Mode = manifest.IdentityRange
			r.Manifest.Resources.PIDs = 10
		}, "pids"},
		{"processes of root without a cgroup", func(r *plan.Request) { r.Host.UID = 0; r.Manifest.Resources.PIDs = 10 }, "pids"},
		{"a cgroup without the controller", func(r *plan.Request) {
			r.Host.Cgroup, r.Host.Controllers = "/sys/fs/cgroup/x", []string{"pids"}
			r.Manifest.Resources.Memory = 1 << 20
		}, "memory"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := plan.New(request(test.change))
			var refused *plan.UnenforceableError
			if !errors.As(err, &refused) || !strings.Contains(refused.Error(), test.what) {
				t.Fatalf("error %v, want one about %q", err, test.what)
			}
			p, err := plan.New(request(func(r *plan.Request) { test.change(r); r.Options.BestEffort = true }))
			if err != nil || !slices.Equal(p.Unenforced, refused.What) {
				t.Errorf("with best effort: error %v, unenforced %q, want %q", err, p.Unenforced, refused.What)
			}
		})
	}
}

// TestEnforceable: what needs a cgroup is enforced where one is delegated.
func TestEnforceable(t *testing.T) {
	p, err := plan.New(request(func(r *plan.Request) {
		r.Host.Cgroup, r.Host.Controllers = "/sys/fs/cgroup/x", []string{"cpu", "memory", "pids"}
		r.Manifest.Resources = manifest.Resources{Memory: 1 << 30, PIDs: 10, MilliCPU: 500}
	}))
	if err != nil || len(p.Unenforced) > 0 {
		t.Errorf("error %v, unenforced %v", err, p.Unenforced)
	}
}

func TestCommand(t *testing.T) {
	config := plan.Config{Entrypoint: []string{"entry", "-e"}, Cmd: []string{"default"}}
	tests := []struct {
		name    string
		options plan.Options
		want    []string
	}{
		{"the image's own", plan.Options{}, []string{"entry", "-e", "default"}},
		{"other arguments", plan.Options{Args: []string{"a", "b"}}, []string{"entry", "-e", "a", "b"}},
		{"another entry point drops the default arguments", plan.Options{Entrypoint: []string{"sh"}}, []string{"sh"}},
		{"both", plan.Options{Entrypoint: []string{"sh"}, Args: []string{"-c", "x"}}, []string{"sh", "-c", "x"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := plan.Command(config, test.options)
			if err != nil || !slices.Equal(got, test.want) {
				t.Errorf("got %q, %v; want %q", got, err, test.want)
			}
		})
	}
}

// TestEnvironment: the caller's settings win over the image's, and those over
// the defaults.
func TestEnvironment(t *testing.T) {
	p, err := plan.New(request(func(r *plan.Request) { r.Options.Env = []string{"MODE=caller", "NEW=1", "HOME=/other"} }))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"PATH=/usr/bin", "MODE=caller", "NEW=1", "HOME=/other", "HOSTNAME=lpm"} {
		if !slices.Contains(p.Process.Env, want) {
			t.Errorf("environment %q lacks %q", p.Process.Env, want)
		}
	}
	for i, setting := range p.Process.Env {
		name, _, _ := strings.Cut(setting, "=")
		for _, other := range p.Process.Env[i+1:] {
			if strings.HasPrefix(other, name+"=") {
				t.Errorf("%s is set twice", name)
			}
		}
	}
}

// TestTimeZone: a chosen time zone is in /etc/localtime, and in no variable of
// the image.
func TestTimeZone(t *testing.T) {
	p, err := plan.New(request(func(r *plan.Request) {
		r.Image.Config.Env = []string{"TZ=America/Lima", "TZDIR=/x"}
		r.Options.TimeZone, r.Places.Localtime = "Europe/Berlin", "/usr/share/zoneinfo/Europe/Berlin"
	}))
	if err != nil {
		t.Fatal(err)
	}
	if slices.ContainsFunc(p.Process.Env, func(s string) bool { return strings.HasPrefix(s, "TZ=") }) || !slices.Contains(p.Process.Env, "TZDIR=/x") {
		t.Errorf("environment %q", p.Process.Env)
	}
	if text := print(p); !strings.Contains(text, `"/usr/share/zoneinfo/Europe/Berlin"`) || !strings.Contains(text, "layer file /etc/localtime") {
		t.Error("the file is not mounted")
	}
	p, err = plan.New(request(func(r *plan.Request) {
		r.Image.Config.Env = []string{"TZ=America/Lima"}
		r.Options.TimeZone, r.Options.Env = "Europe/Berlin", []string{"TZ=UTC"}
	}))
	if err != nil || !slices.Contains(p.Process.Env, "TZ=UTC") {
		t.Errorf("the caller's own variable: %v", err)
	}
}

// TestRangeMap: the caller's own id is the container's root, and the
// subordinate ones follow, over as many ranges as there are.
func TestRangeMap(t *testing.T) {
	got, err := plan.RangeMap(1000, []plan.IDMap{{Host: 100000, Size: 60000}, {Host: 500000, Size: 60000}})
	want := []plan.IDMap{{Container: 0, Host: 1000, Size: 1}, {Container: 1, Host: 100000, Size: 60000}, {Container: 60001, Host: 500000, Size: 5535}}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %v, %v; want %v", got, err, want)
	}
	if _, err := plan.RangeMap(1000, []plan.IDMap{{Host: 1<<32 - 1, Size: 65536}}); err == nil {
		t.Error("a range past the last id was taken")
	}
}
