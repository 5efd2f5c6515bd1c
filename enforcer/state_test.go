package enforcer_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/enforcer/container"
	"github.com/least-privilege/lpm/enforcer/plan"
	"github.com/least-privilege/lpm/enforcer/supervise"
	"github.com/least-privilege/lpm/manifest"
	"github.com/least-privilege/lpm/registry/store"
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
	if s.Status["NoNewPrivs"] != "1" || s.Status["Seccomp"] != "2" || s.Status["Seccomp_filters"] != "1" {
		t.Errorf("no_new_privs %s, seccomp %s with %s filters", s.Status["NoNewPrivs"], s.Status["Seccomp"], s.Status["Seccomp_filters"])
	}
	if want := "0 " + strconv.Itoa(os.Getuid()) + " 1"; !slices.Equal(s.UIDMap, []string{want}) {
		t.Errorf("uid map %q, want %q", s.UIDMap, want)
	}
	if s.Limits["nofile"] != 64 || s.Limits["fsize"] != 1<<20 || s.Limits["core"] != 1 {
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
		writable := m.Path == "/proc" || m.Path == "/dev/shm"
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

// TestSignals: a program with a handler for a signal gets it.
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
			queue := newQueue(t)
			in, out, errs := l.file("in"), l.file("out"), l.file("err")
			r, err := p.Run(t.Context(), container.Streams{In: in, Out: out, Err: errs}, queue, container.Observer{
				Started: func(int) {
					go func() {
						waitFor(out, "ready")
						_ = queue.Send(test.signal)
					}()
				},
			})
			if err != nil || r.Code != test.code || !strings.Contains(content(t, out), test.out) {
				t.Errorf("code %d, error %v, stdout %q; want code %d and %q", r.Code, err, content(t, out), test.code, test.out)
			}
		})
	}
}

// TestUnhandledSignal: a signal ends a program that has no handler for it,
// although the kernel protects the first process of a pid namespace from that.
func TestUnhandledSignal(t *testing.T) {
	l := newLab(t, "python3")
	l.options.Entrypoint = []string{"/usr/bin/sleep"}
	m := python("/", func(m *manifest.Manifest) { m.Execute = []manifest.Program{{Path: "/usr/bin/sleep"}} })
	p, done, err := l.prepare(t.Context(), plan.Enforce, m, "60")
	if err != nil {
		t.Fatal(err)
	}
	defer done()
	queue := newQueue(t)
	_ = queue.Send(syscall.SIGTERM)
	r, err := p.Run(t.Context(), container.Streams{In: l.file("in"), Out: l.file("out"), Err: l.file("err")}, queue, container.Observer{})
	if err != nil || r.Code != 128+int(syscall.SIGTERM) {
		t.Errorf("code %d, error %v; want that of SIGTERM", r.Code, err)
	}
}

// slow is a policy that keeps a call until its process is gone.
type slow struct{ called, gone chan bool }

func (p slow) Decide(c *supervise.Call) supervise.Verdict {
	close(p.called)
	p.gone <- ends(c.TID)
	return supervise.Verdict{Errno: unix.EPERM}
}

// TestSignalMeanwhile: a supervisor that is kept waiting, as by a page of memory
// that the container does not let it have, keeps no signal from the container.
func TestSignalMeanwhile(t *testing.T) {
	l := newLab(t, "python3")
	l.options.Entrypoint = []string{"/usr/bin/python3", "-c"}
	p, done, err := l.prepare(t.Context(), plan.Enforce, python("/"), "import os; os.sync()")
	if err != nil {
		t.Fatal(err)
	}
	defer done()
	queue, policy := newQueue(t), slow{make(chan bool), make(chan bool, 1)}
	go func() {
		<-policy.called
		_ = queue.Send(unix.SIGTERM)
	}()
	r, err := p.Run(t.Context(), container.Streams{In: l.file("in"), Out: l.file("out"), Err: l.file("err")}, queue, container.Observer{Policy: policy})
	if gone := <-policy.gone; err != nil || r.Code != 128+int(unix.SIGTERM) || !gone {
		t.Errorf("code %d, error %v, gone %t", r.Code, err, gone)
	}
}

// TestKilledLauncher: when lpm is killed the container ends with it, even one
// that has taken its parent-death signal back, and one whose first process is
// not the program.
func TestKilledLauncher(t *testing.T) {
	for _, test := range []struct{ script, init string }{
		{"import time; print('ready', flush=True); time.sleep(60)", ""},
		{"import ctypes, time; ctypes.CDLL(None).prctl(1, 0); print('ready', flush=True); time.sleep(60)", ""},
		{"import os, time; os.fork() and print('ready', flush=True); time.sleep(60)", "1"},
	} {
		script := test.script
		l := newLab(t, "python3")
		self := exec.Command("/proc/self/exe", "-test.run=^TestLauncher$")
		self.Env = append(os.Environ(), "LPM_TEST_LAUNCHER="+l.store.Dir(), "LPM_TEST_SCRIPT="+script, "LPM_TEST_INIT="+test.init, "TMPDIR="+t.TempDir())
		out, err := self.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := self.Start(); err != nil {
			t.Fatal(err)
		}
		// The launcher and its container say who and that they are there, in
		// any order.
		var pid int
		ready := false
		for lines := bufio.NewScanner(out); (pid == 0 || !ready) && lines.Scan(); {
			if text, ok := strings.CutPrefix(lines.Text(), "pid "); ok {
				pid, _ = strconv.Atoi(text)
			}
			ready = ready || lines.Text() == "ready"
		}
		if err := self.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		self.Wait()
		if pid == 0 || !ready {
			t.Fatalf("the launcher did not start a container: pid %d, ready %t", pid, ready)
		}
		if !ends(pid) {
			t.Errorf("process %d has outlived the launcher: %s", pid, script)
			unix.Kill(pid, unix.SIGKILL)
		}
	}
}

// ends waits for the end of a process.
func ends(pid int) bool {
	for range 500 {
		// A zombie is dead: its parent is this machine's first process now.
		stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
		if err != nil || strings.Contains(string(stat), ") Z ") {
			return true
		}
		time.Sleep(10 * time.Millisecond)
	}
	return false
}

// TestLauncher is the launcher that TestKilledLauncher kills.
func TestLauncher(t *testing.T) {
	dir := os.Getenv("LPM_TEST_LAUNCHER")
	if dir == "" {
		return
	}
	s, err := store.Open(dir, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	image, err := s.Resolve("python3")
	if err != nil {
		t.Fatal(err)
	}
	l := &lab{t: t, store: s, image: image}
	l.options.Entrypoint = []string{"/usr/bin/python3", "-c"}
	l.options.Init = os.Getenv("LPM_TEST_INIT") != ""
	p, done, err := l.prepare(t.Context(), plan.Enforce, python("/", nil), os.Getenv("LPM_TEST_SCRIPT"))
	if err != nil {
		t.Fatal(err)
	}
	defer done()
	_, err = p.Run(t.Context(), container.Streams{In: l.file("in"), Out: os.Stdout, Err: os.Stderr}, nil, container.Observer{
		Started: func(pid int) { fmt.Printf("pid %d\n", pid) },
	})
	t.Log(err)
}

// TestTerminal: a container with a terminal has one of its own, of the size
// it is given; one without has none.
func TestTerminal(t *testing.T) {
	l := newLab(t, "static")
	if o := l.run(static(nil), "terminal"); !strings.Contains(o.out, "no terminal") {
		t.Errorf("without: %q", o.out)
	}
	tty, err := container.OpenTerminal()
	if err != nil {
		t.Fatal(err)
	}
	defer tty.Close()
	l.options.TTY, l.options.Console = true, tty.Path
	p, done, err := l.prepare(t.Context(), plan.Enforce, static(nil), "terminal")
	if err != nil {
		t.Fatal(err)
	}
	defer done()
	in, out := l.file("in"), l.file("out")
	attached := make(chan error, 1)
	r, err := p.Run(t.Context(), container.Streams{In: tty.Slave, Out: tty.Slave, Err: tty.Slave}, nil, container.Observer{
		Started: func(int) { go func() { attached <- tty.Attach(t.Context(), in, out) }() },
	})
	if err != nil || r.Code != 0 {
		t.Fatalf("code %d, error %v", r.Code, err)
	}
	if err := <-attached; err != nil {
		t.Error(err)
	}
	if got := content(t, out); !strings.Contains(got, "rows") {
		t.Errorf("with: %q", got)
	}
}

// TestWritable: a writable folder shows the image's content, takes changes up
// to its size, and has lost them when the next container starts.
func TestWritable(t *testing.T) {
	for _, mode := range []manifest.IdentityMode{manifest.IdentitySingle, manifest.IdentityRange} {
		t.Run(string(mode), func(t *testing.T) {
			l := newLab(t, "python3")
			l.options.Entrypoint = []string{"/usr/bin/python3", "-c"}
			// /app has content, /data is empty, /new is not in the image.
			m := python("/", func(m *manifest.Manifest) {
				m.Identity.Mode = mode
				m.Filesystem.Writable = []manifest.WritablePath{{Path: "/app", Size: 1 << 20}, {Path: "/data", Size: 1 << 20}, {Path: "/new", Size: 1 << 20}}
				if mode == manifest.IdentityRange {
					// Of these folders, two belong to the image's root.
					m.Capabilities = []manifest.Capability{{Name: "CAP_DAC_OVERRIDE"}}
				}
			})
			for range 2 {
				o := l.run(m, "import os\nfor d in '/app', '/data', '/new':\n print(sorted(os.listdir(d)))\n open(d+'/mine', 'w').write('x')\nopen('/app/notes.py', 'a').write('x')")
				if want := "['notes.py']\n[]\n[]\n"; o.Code != 0 || o.out != want {
					t.Errorf("code %d, stdout %q, stderr %q; want %q", o.Code, o.out, o.err, want)
				}
			}
			o := l.run(m, "for d in '/app', '/data', '/new':\n try: open(d+'/big', 'wb').write(bytes(2 << 20))\n except OSError as e: print(e.errno)")
			if want := "28\n28\n28\n"; o.out != want {
				t.Errorf("beyond the size: %q %q, want %q", o.out, o.err, want)
			}
		})
	}
}

// TestVolume: what one container writes to a volume the next one reads, and a
// new volume has the image's content, for one id and for a range.
func TestVolume(t *testing.T) {
	for _, mode := range []manifest.IdentityMode{manifest.IdentitySingle, manifest.IdentityRange} {
		t.Run(string(mode), func(t *testing.T) {
			l := newLab(t, "python3")
			l.options.Entrypoint = []string{"/usr/bin/python3", "-c"}
			m := python("/", func(m *manifest.Manifest) {
				m.Identity.Mode = mode
				m.Mounts = []manifest.Mount{{Path: "/data", Volume: "data", Write: true}, {Path: "/app", Volume: "app"}}
			})
			if o := l.run(m, "open('/data/note', 'w').write('kept')"); o.Code != 0 {
				t.Fatalf("writing: %s", o.err)
			}
			o := l.run(m, "import os; print(open('/data/note').read(), os.listdir('/app'))")
			if o.Code != 0 || !strings.Contains(o.out, "kept") || !strings.Contains(o.out, "notes.py") {
				t.Errorf("reading: %q %q", o.out, o.err)
			}
		})
	}
}

// waitFor waits, for ten seconds at the most, until a file holds a text.
func waitFor(f *os.File, text string) {
	for range 1000 {
		b, _ := os.ReadFile(f.Name())
		if strings.Contains(string(b), text) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
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
	_, err = p.Run(ctx, container.Streams{In: l.file("in"), Out: l.file("out"), Err: l.file("err")}, nil, container.Observer{
		Started: func(p int) { pid = p; cancel() },
	})
	if err == nil {
		t.Error("no error after the context was cancelled")
	}
	if err := unix.Kill(pid, 0); err != unix.ESRCH {
		t.Errorf("the container's process is still there: %v", err)
	}
}
