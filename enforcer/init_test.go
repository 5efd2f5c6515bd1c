package enforcer_test

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/enforcer/container"
	"github.com/least-privilege/lpm/enforcer/plan"
	"github.com/least-privilege/lpm/manifest"
)

// script is a folder of the host with one script of testdata, for a container
// to mount at /test: the sources may be where its user cannot go.
func script(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, name), content, 0o644); err != nil {
		t.Fatal(err)
	}
	return folder
}

// newInitLab is a lab for the scripts of testdata/init.py, which the manifest
// that is returned lets run.
func newInitLab(t *testing.T) (*lab, func(...func(*manifest.Manifest)) *manifest.Manifest) {
	l := newLab(t, "python3")
	l.options.Init = true
	l.options.Entrypoint = []string{"/usr/bin/python3", "/test/init.py"}
	folder := script(t, "init.py")
	return l, func(changes ...func(*manifest.Manifest)) *manifest.Manifest {
		return python("/", append([]func(*manifest.Manifest){func(m *manifest.Manifest) {
			m.Mounts = []manifest.Mount{{Path: "/test", Host: folder}}
			grant(m, "getsid", "getpgid", "rt_sigtimedwait")
		}}, changes...)...)
	}
}

// TestInit: a program under a first process of lpm's own has what it lacks
// alone. Each is shown to be otherwise without.
func TestInit(t *testing.T) {
	l, manifest := newInitLab(t)
	tests := []struct {
		name string
		args []string
		code int
		out  string
		// alone is what comes without an init: of a code 0 there, nothing
		// is asked.
		aloneCode int
		alone     string
	}{
		{"who is there", []string{"family"}, 0, "2 1 True [1, 2] True\n", 0, "1 0 True [1] False\n"},
		{"orphans", []string{"orphans"}, 0, "collected\n", 0, "left behind\n"},
		{"a process that outlives the program", []string{"kept"}, 3, "ended\n", 3, "ended\n"},
		{"a status that is not the program's", []string{"grandchild"}, 5, "", 5, ""},
		{"a program that is killed", []string{"killed", "9"}, 128 + 9, "", 0, ""},
		{"a program that ends itself by a signal", []string{"killed", "15"}, 128 + 15, "", 0, ""},
		{"signals to the first process", []string{"passed"}, 0, "['SIGTERM', 'SIGUSR1', 'SIGHUP', 'SIGRTMIN']\n", 0, "['SIGTERM', 'SIGUSR1', 'SIGHUP', 'SIGRTMIN']\n"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			l := *l
			l.t = t
			o := l.run(manifest(), test.args...)
			if o.Code != test.code || o.out != test.out || len(o.Denials) > 0 {
				t.Errorf("code %d, stdout %q, want %d and %q; stderr %q, denials %+v", o.Code, o.out, test.code, test.out, o.err, o.Denials)
			}
			l.options.Init = false
			o = l.run(manifest(), test.args...)
			if o.Code != test.aloneCode || o.out != test.alone {
				t.Errorf("without init: code %d, stdout %q, want %d and %q; stderr %q", o.Code, o.out, test.aloneCode, test.alone, o.err)
			}
		})
	}
}

// TestForwardedSignals: every signal that lpm passes on reaches the program,
// and does to one that has no handler what it does to every other process; with
// and without a first process of lpm's own.
func TestForwardedSignals(t *testing.T) {
	l, manifests := newInitLab(t)
	m := manifests()
	args, want := []string{"handles"}, "ready\n"
	var all []syscall.Signal
	for _, s := range container.Signals() {
		// The last one says that all have been there.
		if s != unix.SIGTERM {
			all = append(all, s)
		}
	}
	all = append(all, unix.SIGTERM)
	for _, s := range all {
		args = append(args, strconv.Itoa(int(s)))
		want += "got " + strconv.Itoa(int(s)) + "\n"
	}
	for _, l.options.Init = range []bool{false, true} {
		if code, out := l.signalled(m, all, args...); code != 0 || out != want {
			t.Errorf("init %t: code %d, stdout %q, want %q", l.options.Init, code, out, want)
		}
		for _, s := range []syscall.Signal{unix.SIGTERM, unix.SIGINT, unix.SIGHUP, unix.SIGUSR1, unix.SIGIO, 37, unix.SIGKILL} {
			if code, _ := l.signalled(m, []syscall.Signal{s}, "waits"); code != 128+int(s) {
				t.Errorf("init %t: %s to a program that handles none: code %d", l.options.Init, s, code)
			}
		}
		// These end nothing, and a stop is taken back.
		list := []syscall.Signal{unix.SIGWINCH, unix.SIGCONT, unix.SIGTSTP, unix.SIGCONT, unix.SIGSTOP, unix.SIGCONT, unix.SIGTERM}
		if code, _ := l.signalled(m, list, "waits"); code != 128+int(unix.SIGTERM) {
			t.Errorf("init %t: after a stop: code %d", l.options.Init, code)
		}
	}
}

// signalled runs a program and sends it signals once it has said "ready": the
// next one when it has said that it got the one before, if it does.
func (l *lab) signalled(m *manifest.Manifest, list []syscall.Signal, args ...string) (code int, out string) {
	l.t.Helper()
	p, done, err := l.prepare(l.t.Context(), plan.Enforce, m, args...)
	if err != nil {
		l.t.Fatal(err)
	}
	defer done()
	ctx, cancel := context.WithTimeout(l.t.Context(), patience)
	defer cancel()
	queue := newQueue(l.t)
	stdout, stderr := l.file("out"), l.file("err")
	r, err := p.Run(ctx, container.Streams{In: l.file("in"), Out: stdout, Err: stderr}, queue, container.Observer{
		Started: func(int) {
			go func() {
				waitFor(stdout, "ready")
				for _, s := range list {
					if queue.Send(s) != nil {
						return
					}
					if args[0] == "handles" {
						waitFor(stdout, "got "+strconv.Itoa(int(s))+"\n")
					}
				}
			}()
		},
	})
	if err != nil {
		l.t.Errorf("%v: %v, stderr %q", args, err, content(l.t, stderr))
	}
	return r.Code, content(l.t, stdout)
}

// TestInitTakeover: there is nothing to be had of the first process, whatever
// the manifest grants. The same attempts succeed on a process of one's own.
func TestInitTakeover(t *testing.T) {
	l, manifests := newInitLab(t)
	for _, mode := range []manifest.IdentityMode{manifest.IdentitySingle, manifest.IdentityRange} {
		t.Run(string(mode), func(t *testing.T) {
			l := *l
			l.t = t
			l.options.User = "root"
			m := manifests(func(m *manifest.Manifest) {
				m.Identity.Mode = mode
				for _, c := range []string{"CAP_SYS_PTRACE", "CAP_DAC_OVERRIDE", "CAP_KILL", "CAP_SYS_ADMIN"} {
					m.Capabilities = append(m.Capabilities, manifest.Capability{Name: c})
				}
				grant(m, "ptrace", "process_vm_readv", "pidfd_getfd", "kcmp")
			})
			o := l.run(m, "takeover", "init")
			if strings.Contains(o.out, "got through") || strings.Count(o.out, "\n") != 13 {
				t.Errorf("%s%s%+v", o.out, o.err, o.Denials)
			}
			o = l.run(m, "takeover", "own")
			if strings.Count(o.out, "got through") != 13 {
				t.Errorf("a process of its own: %s%s%+v", o.out, o.err, o.Denials)
			}
			o = l.run(m, "seen")
			if want := "b''\nCapPrm 0\nCapEff 0\nCapAmb 0\nNoNewPrivs 1\nSeccomp 2\nSeccomp_filters 1\nTrue True\n"; o.out != want {
				t.Errorf("%s%s%+v", o.out, o.err, o.Denials)
			}
		})
	}
}

// TestInitPIDs: the first process is lpm's own and does not count against the
// manifest's bound.
func TestInitPIDs(t *testing.T) {
	l, manifests := newInitLab(t)
	const bound = 12
	m := manifests(func(m *manifest.Manifest) { m.Resources.PIDs = bound })
	l.options.BestEffort = true
	p, done, err := l.prepare(t.Context(), plan.Enforce, m)
	if err != nil {
		t.Fatal(err)
	}
	done()
	want := strconv.Itoa(bound-1) + " EAGAIN\n"
	if len(p.Plan.Unenforced) > 0 {
		want = "" // as where there is no control group for root
	}
	for _, l.options.Init = range []bool{true, false} {
		if o := l.run(m, "forks"); o.Code != 0 || o.out != want {
			t.Errorf("init %t: code %d, stdout %q, want %q; stderr %q", l.options.Init, o.Code, o.out, want, o.err)
		}
	}
}

// TestInitTerminal: the container's terminal is the program's, for its jobs.
func TestInitTerminal(t *testing.T) {
	l, manifests := newInitLab(t)
	tty, err := container.OpenTerminal()
	if err != nil {
		t.Fatal(err)
	}
	defer tty.Close()
	l.options.TTY, l.options.Console = true, tty.Path
	p, done, err := l.prepare(t.Context(), plan.Enforce, manifests(), "terminal")
	if err != nil {
		t.Fatal(err)
	}
	defer done()
	out := l.file("out")
	attached := make(chan error, 1)
	r, err := p.Run(t.Context(), container.Streams{In: tty.Slave, Out: tty.Slave, Err: tty.Slave}, nil, container.Observer{
		Started: func(int) { go func() { attached <- tty.Attach(t.Context(), l.file("in"), out) }() },
	})
	if err != nil || r.Code != 0 {
		t.Fatalf("code %d, error %v, %q, %+v", r.Code, err, content(t, out), r.Denials)
	}
	if err := <-attached; err != nil {
		t.Error(err)
	}
	if got := content(t, out); got != "True True True\r\n" {
		t.Errorf("got %q", got)
	}
}
