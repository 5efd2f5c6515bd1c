package enforcer_test

import (
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/least-privilege/lpm/enforcer/container"
	"github.com/least-privilege/lpm/enforcer/host"
	"github.com/least-privilege/lpm/enforcer/plan"
	"github.com/least-privilege/lpm/manifest"
)

// TestNames: what a program finds under the names that images read, without a
// network and with the host's.
func TestNames(t *testing.T) {
	hosts, err := os.ReadFile("/etc/hosts")
	if err != nil {
		t.Fatal(err)
	}
	resolv, err := os.ReadFile("/etc/resolv.conf")
	if err != nil {
		t.Fatal(err)
	}
	l := newLab(t, "static")
	// What a narrow Landlock leaves open on the host's network is not the
	// matter here.
	l.options.BestEffort = true
	own := "127.0.0.1\tlocalhost %s\n::1\tlocalhost %s\n"
	tests := []struct {
		name     string
		hostname string
		grant    func(m *manifest.Manifest)
		want     map[string]string
	}{
		{"no network", "", nil, map[string]string{
			"/etc/hostname": "lpm\n", "/etc/hosts": strings.ReplaceAll(own, "%s", "lpm"), "/etc/resolv.conf": "",
			"/proc/sys/kernel/hostname": "lpm\n",
		}},
		{"another name", "db-1.example", nil, map[string]string{
			"/etc/hostname": "db-1.example\n", "/etc/hosts": strings.ReplaceAll(own, "%s", "db-1.example"),
			"/proc/sys/kernel/hostname": "db-1.example\n",
		}},
		{"the host's network", "", hostNetwork(80, 0), map[string]string{
			"/etc/hostname": "lpm\n", "/etc/hosts": strings.ReplaceAll(own, "%s", "lpm") + string(hosts), "/etc/resolv.conf": string(resolv),
			"/proc/sys/kernel/hostname": "lpm\n",
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			l := *l
			l.t, l.options.Hostname = t, test.hostname
			for file, want := range test.want {
				if o := l.run(static(test.grant), "cat", file); o.Code != 0 || o.out != want {
					t.Errorf("%s is %q, want %q; code %d, %q", file, o.out, want, o.Code, o.err)
				}
			}
		})
	}
}

// TestEnvironment: what is set where neither the image nor the caller says
// anything, and who wins where both do.
func TestEnvironment(t *testing.T) {
	l := newLab(t, "static") // whose image sets PATH alone
	l.options.Env = []string{"A=1", "A=2", "EMPTY="}
	want := []string{"A=2", "EMPTY=", "HOME=/", "HOSTNAME=lpm", "PATH=/"}
	if got := strings.Fields(l.run(static(nil), "env").out); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	l.options.Env = []string{"HOME=/elsewhere", "PATH=/bin:/", "HOSTNAME=me"}
	want = []string{"HOME=/elsewhere", "HOSTNAME=me", "PATH=/bin:/"}
	if got := strings.Fields(l.run(static(nil), "env").out); !slices.Equal(got, want) {
		t.Errorf("the caller's: got %q, want %q", got, want)
	}
	l = newLab(t, "python3")
	l.options.Entrypoint = []string{"/usr/bin/python3", "-c", "import os; print(os.environ['HOME'], os.getcwd())"}
	m := python("/", func(m *manifest.Manifest) { m.Filesystem.Writable = nil })
	for options, want := range map[[2]string]string{
		{"", ""}: "/app /app", {"root", "/data"}: "/root /data", {"4321", "/not/there/yet"}: "/ /not/there/yet",
	} {
		l.options.User, l.options.WorkingDir = options[0], options[1]
		if o := l.run(m); strings.TrimSpace(o.out) != want {
			t.Errorf("as %q in %q: %q, want %q; %s", options[0], options[1], o.out, want, o.err)
		}
	}
}

// TestTimeZone: the zone that was chosen is the container's, whatever the image
// has and sets.
func TestTimeZone(t *testing.T) {
	if _, err := host.TimeZone("Asia/Kathmandu"); err != nil {
		missing(t, "%v", err)
	}
	l := newLab(t, "python3")
	l.options.Entrypoint = []string{"/usr/bin/python3", "-c", "import time; print(time.strftime('%z', time.localtime(0)))"}
	for zone, want := range map[string]string{"": "+0000", "Asia/Kathmandu": "+0530", "Etc/GMT+5": "-0500"} {
		l.options.TimeZone = zone
		for _, narrow := range []bool{false, true} {
			m := python("/", func(m *manifest.Manifest) {
				if narrow {
					m.Filesystem.Readable = []manifest.ReadablePath{{Path: "/usr"}}
				}
			})
			if o := l.run(m); strings.TrimSpace(o.out) != want {
				t.Errorf("in %q, narrowed %t: %q, want %q; %s", zone, narrow, o.out, want, o.err)
			}
		}
	}
	l.options.TimeZone = "Mars/Base"
	_, done, err := l.prepare(t.Context(), plan.Enforce, python("/"))
	done()
	var unknown *host.TimeZoneError
	if !asError(err, &unknown) || unknown.Hint() == "" {
		t.Errorf("error %v", err)
	}
}

// TestProcessors: that /sys is empty does not keep programs from counting the
// processors.
func TestProcessors(t *testing.T) {
	stat, err := os.ReadFile("/proc/stat")
	if err != nil {
		t.Fatal(err)
	}
	online := 0
	for line := range strings.Lines(string(stat)) {
		if strings.HasPrefix(line, "cpu") && !strings.HasPrefix(line, "cpu ") {
			online++
		}
	}
	l := newLab(t, "python3")
	l.options.Entrypoint = []string{"/usr/bin/python3", "-c"}
	o := l.run(python("/"), "import os; print(os.listdir('/sys'), os.cpu_count(), os.sysconf('SC_NPROCESSORS_CONF') > 0)")
	if want := "[] " + strconv.Itoa(online) + " True\n"; o.out != want {
		t.Errorf("got %q, want %q; %s", o.out, want, o.err)
	}
}

// TestChosenMounts: a volume can be filled by a folder of the caller's, and
// written to no more than was granted and chosen.
func TestChosenMounts(t *testing.T) {
	l := newLab(t, "static")
	folder := t.TempDir()
	m := static(func(m *manifest.Manifest) {
		m.Mounts = []manifest.Mount{{Path: "/data", Volume: "data", Write: true}, {Path: "/extra", Volume: "extra", Note: manifest.Note{Optional: true}}}
	})
	write := func(want int, options plan.Options) {
		t.Helper()
		l.options = options
		if o := l.run(m, "write", "/data/file", "text"); o.Code != want {
			t.Errorf("%+v: code %d, want %d; %s", options, o.Code, want, o.err)
		}
	}
	write(0, plan.Options{})
	write(1, plan.Options{Volumes: []plan.Volume{{Source: folder, Path: "/data", ReadOnly: true}}})
	if _, err := os.Stat(folder + "/file"); err == nil {
		t.Error("a file was written to a read-only folder")
	}
	write(0, plan.Options{Volumes: []plan.Volume{{Source: folder, Path: "/data"}}})
	if b, err := os.ReadFile(folder + "/file"); err != nil || string(b) != "text" {
		t.Errorf("the folder has %q, %v", b, err)
	}
	write(1, plan.Options{Volumes: []plan.Volume{{Source: "data", Path: "/data", ReadOnly: true}}})
	// Another volume is another one.
	l.options = plan.Options{Volumes: []plan.Volume{{Source: "second", Path: "/data"}}}
	if o := l.run(m, "cat", "/data/file"); o.Code != 1 || !strings.Contains(o.err, "ENOENT") {
		t.Errorf("another volume: code %d, %q, %q", o.Code, o.out, o.err)
	}
	l.options = plan.Options{NoMounts: []string{"/extra"}}
	if o := l.run(m, "list", "/extra"); o.Code != 1 || !strings.Contains(o.err, "ENOENT") {
		t.Errorf("left out: code %d, %q, %q", o.Code, o.out, o.err)
	}
	l.options = plan.Options{}
	if o := l.run(m, "list", "/extra"); o.Code != 0 {
		t.Errorf("not left out: code %d, %q", o.Code, o.err)
	}
	// A link in the path could have been planted.
	if err := os.Symlink(folder, folder+"-link"); err != nil {
		t.Fatal(err)
	}
	defer os.Remove(folder + "-link")
	l.options = plan.Options{Volumes: []plan.Volume{{Source: folder + "-link", Path: "/data"}}}
	var hint interface {
		error
		Hint() string
	}
	if _, err := l.try(t.Context(), plan.Enforce, m, container.Observer{}, "list", "/data"); !asError(err, &hint) || !strings.Contains(hint.Hint(), "real path") {
		t.Errorf("a link: error %v", err)
	}
}

// missing fails where nothing may be skipped, and skips elsewhere.
func missing(t *testing.T, format string, args ...any) {
	t.Helper()
	if os.Getenv("LPM_MUST_SANDBOX") != "" {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}
