package enforcer_test

import (
	"context"
	"encoding/json"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/enforcer"
	"github.com/least-privilege/lpm/enforcer/plan"
	"github.com/least-privilege/lpm/manifest"
)

// state is what the test program's "status" prints of itself.
type state struct {
	PID      int
	UID, GID int
	UIDMap   []string
	Hostname string
	Dir      string
	Status   map[string]string
	Limits   map[string]uint64
	Mounts   []struct{ Path, Type, Options string }
	FDs      []string
}

func (l *lab) state(m *manifest.Manifest) state {
	l.t.Helper()
	o := l.run(m, "status")
	var s state
	if err := json.Unmarshal([]byte(o.out), &s); err != nil {
		l.t.Fatalf("status: %v\n%s%s%+v", err, o.out, o.err, o.Denials)
	}
	return s
}

// TestState looks at a container with hardly any permission from the inside.
func TestState(t *testing.T) {
	l := newLab(t, "static")
	s := l.state(static(func(m *manifest.Manifest) {
		m.Resources = manifest.Resources{OpenFiles: 64, FileSize: 1 << 20}
	}))
	if s.PID != 1 || s.UID != 0 || s.Hostname != "lpm" || s.Dir != "/" {
		t.Errorf("pid %d, uid %d, host name %q, folder %q", s.PID, s.UID, s.Hostname, s.Dir)
	}
	for _, set := range []string{"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"} {
		if n, err := strconv.ParseUint(s.Status[set], 16, 64); err != nil || n != 0 {
			t.Errorf("%s is %s, want none", set, s.Status[set])
		}
	}
	if s.Status["NoNewPrivs"] != "1" || s.Status["Seccomp"] != "2" || s.Status["Seccomp_filters"] != "2" {
		t.Errorf("no_new_privs %s, seccomp %s with %s filters", s.Status["NoNewPrivs"], s.Status["Seccomp"], s.Status["Seccomp_filters"])
	}
	if want := "0 " + strconv.Itoa(os.Getuid()) + " 1"; !slices.Equal(s.UIDMap, []string{want}) {
		t.Errorf("uid map %q, want %q", s.UIDMap, want)
	}
	if s.Limits["nofile"] != 64 || s.Limits["fsize"] != 1<<20 || s.Limits["core"] != 0 {
		t.Errorf("limits %v", s.Limits)
	}
	// The three standard ones, the folder that is being listed, and what
	// the Go runtime opens.
	for _, fd := range s.FDs {
		number, target, _ := strings.Cut(fd, " ")
		if n, _ := strconv.Atoi(number); n > 2 && !strings.HasPrefix(target, "/proc/") && !strings.HasPrefix(target, "anon_inode:[event") {
			t.Errorf("descriptor %s has come from the outside", fd)
		}
	}
	for _, m := range s.Mounts {
		options := strings.Split(m.Options, ",")
		device := strings.HasPrefix(m.Path, "/dev/") && m.Path != "/dev/shm" || strings.HasPrefix(m.Path, "/proc/") && m.Type != "proc"
		writable := m.Path == "/proc" || m.Path == "/dev/shm" || device
		if !writable && !slices.Contains(options, "ro") {
			t.Errorf("%s is mounted %s, want ro", m.Path, m.Options)
		}
		if !device && !slices.Contains(options, "nosuid") {
			t.Errorf("%s is mounted %s, want nosuid", m.Path, m.Options)
		}
		if m.Path != "/" && !device && !slices.Contains(options, "noexec") {
			t.Errorf("%s is mounted %s, want noexec", m.Path, m.Options)
		}
	}
}

// TestCapabilities: exactly what is granted arrives, for root and for another
// user.
func TestCapabilities(t *testing.T) {
	const chown, netBind = 0, 10
	l := newLab(t, "static")
	s := l.state(static(func(m *manifest.Manifest) {
		m.Identity.Mode = manifest.IdentityRange
		m.Capabilities = []manifest.Capability{{Name: "CAP_CHOWN"}, {Name: "CAP_NET_BIND_SERVICE"}}
	}))
	want := strconv.FormatUint(1<<chown|1<<netBind, 16)
	for _, set := range []string{"CapPrm", "CapEff", "CapBnd", "CapAmb"} {
		if strings.TrimLeft(s.Status[set], "0") != want {
			t.Errorf("%s is %s, want %s", set, s.Status[set], want)
		}
	}
	if len(s.UIDMap) < 2 {
		t.Errorf("uid map %q is no range", s.UIDMap)
	}
}

// TestDryRunIsWhatRuns: the operations that are printed are the ones that the
// child is given, word for word, and preparing twice gives the same plan.
func TestPlanIsDeterministic(t *testing.T) {
	l := newLab(t, "static")
	var texts []string
	for range 2 {
		p, done, err := l.prepare(t.Context(), plan.Enforce, static(nil), "hello")
		if err != nil {
			t.Fatal(err)
		}
		done()
		b, err := json.Marshal(p.Plan)
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, string(b))
	}
	if texts[0] != texts[1] {
		t.Errorf("two plans of one request differ:\n%s\n%s", texts[0], texts[1])
	}
}

// TestSignals: a signal ends a program that has no handler for it, although
// the kernel protects the first process of a pid namespace from that; one
// with a handler gets it.
func TestSignals(t *testing.T) {
	tests := []struct {
		name   string
		args   []string
		signal syscall.Signal
		code   int
		out    string
	}{
		{"handled", []string{"wait"}, syscall.SIGTERM, 128 + int(syscall.SIGTERM), "SIGTERM"},
		{"handled interrupt", []string{"wait"}, syscall.SIGINT, 128 + int(syscall.SIGINT), "SIGINT"},
		{"kill", []string{"ignore-signals", "1m"}, syscall.SIGKILL, 128 + int(syscall.SIGKILL), ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			l := newLab(t, "static")
			p, done, err := l.prepare(t.Context(), plan.Enforce, static(nil), test.args...)
			if err != nil {
				t.Fatal(err)
			}
			defer done()
			signals := make(chan os.Signal, 1)
			in, out, errs := l.file("in"), l.file("out"), l.file("err")
			r, err := p.Run(t.Context(), enforcer.Streams{In: in, Out: out, Err: errs}, signals, enforcer.Observer{
				Started: func(pid int) {
					go func() {
						waitForHandler(pid)
						signals <- test.signal
					}()
				},
			})
			if err != nil || r.Code != test.code || !strings.Contains(content(t, out), test.out) {
				t.Errorf("code %d, error %v, stdout %q; want code %d and %q", r.Code, err, content(t, out), test.code, test.out)
			}
		})
	}
}

// waitForHandler waits until the process catches signals: until then a signal
// would meet the Go runtime's start.
func waitForHandler(pid int) {
	for range 500 {
		b, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
		if _, rest, found := strings.Cut(string(b), "SigCgt:\t"); found && !strings.HasPrefix(rest, "0000000000000000") {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	time.Sleep(100 * time.Millisecond)
}

// TestCancel: the end of the context ends the container.
func TestCancel(t *testing.T) {
	l := newLab(t, "static")
	p, done, err := l.prepare(t.Context(), plan.Enforce, static(nil), "ignore-signals", "1m")
	if err != nil {
		t.Fatal(err)
	}
	defer done()
	ctx, cancel := context.WithCancel(t.Context())
	var pid int
	_, err = p.Run(ctx, enforcer.Streams{In: l.file("in"), Out: l.file("out"), Err: l.file("err")}, nil, enforcer.Observer{
		Started: func(p int) { pid = p; cancel() },
	})
	if err == nil {
		t.Error("no error after the context was cancelled")
	}
	if err := unix.Kill(pid, 0); err != unix.ESRCH {
		t.Errorf("the container's process is still there: %v", err)
	}
}
