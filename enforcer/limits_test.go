package enforcer_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/least-privilege/lpm/enforcer/container"
	"github.com/least-privilege/lpm/enforcer/plan"
	"github.com/least-privilege/lpm/manifest"
)

// bounded is a lab whose programs are Python's, on a machine that can set the
// bounds by a control group. Where it cannot, there is the refusal to be
// tested, and no more: ok is false. On the machine of the tests in a virtual
// one the account has a systemd, which has to be used.
func bounded(t *testing.T, r manifest.Resources) (l *lab, ok bool) {
	t.Helper()
	l = newLab(t, "python3")
	l.options.Entrypoint = []string{"/usr/bin/python3", "-c"}
	p, done, err := l.prepare(t.Context(), plan.Enforce, bounds(r), "pass")
	defer done()
	var refused *plan.UnenforceableError
	switch {
	case errors.As(err, &refused):
		if os.Getuid() == 0 || os.Getenv("LPM_TEST_VM") != "" {
			t.Errorf("refused where a group can be made: %v", refused)
		}
		if what := refused.Error(); !strings.Contains(what, "control group") {
			t.Errorf("the refusal does not say why: %s", what)
		}
		return l, false
	case err != nil:
		t.Fatal(err)
	}
	if kind := p.Plan.Group.Kind; os.Getenv("LPM_TEST_VM") != "" && kind != plan.GroupScope {
		t.Errorf("the group is a %q, want a scope", kind)
	}
	return l, true
}

// bounds is a manifest for Python with the bounds.
func bounds(r manifest.Resources) *manifest.Manifest {
	return python("/", func(m *manifest.Manifest) {
		m.Resources = r
		grant(m, "fork", "vfork", "clone", "wait4", "getrusage")
	})
}

// running is a container that runs while a test looks at it.
type running struct {
	t    *testing.T
	pid  int
	end  func() outcome
	held plan.Enforcement
	// groups gives the container's folder for each controller.
	groups map[string]string
}

// start starts a container and returns once its program has printed "ready".
func (l *lab) start(m *manifest.Manifest, script string) running {
	l.t.Helper()
	p, done, err := l.prepare(l.t.Context(), plan.Enforce, m, script)
	if err != nil {
		l.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(l.t.Context(), time.Minute)
	r := running{t: l.t}
	started, ended := make(chan int, 1), make(chan outcome, 1)
	in, out, errs := l.file("in"), l.file("out"), l.file("err")
	go func() {
		var o outcome
		var err error
		o.Result, err = p.Run(ctx, container.Streams{In: in, Out: out, Err: errs}, nil, container.Observer{
			Limited: func(e plan.Enforcement) { r.held = e },
			Started: func(pid int) { started <- pid },
		})
		if err != nil && !errors.Is(err, context.Canceled) {
			l.t.Error(err)
		}
		o.out, o.err = content(l.t, out), content(l.t, errs)
		close(started)
		ended <- o
	}()
	r.end = func() outcome {
		cancel()
		o := <-ended
		done()
		return o
	}
	r.pid = <-started
	waitFor(out, "ready")
	r.groups = groupsOf(l.t, r.pid)
	return r
}

// groupsOf returns the folder of a process for each controller; all those of
// cgroup v2 are under "".
func groupsOf(t *testing.T, pid int) map[string]string {
	t.Helper()
	membership, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cgroup")
	if err != nil {
		t.Fatal(err)
	}
	groups := map[string]string{}
	for line := range strings.Lines(string(membership)) {
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		for controller := range strings.SplitSeq(fields[1], ",") {
			if strings.HasPrefix(filepath.Base(fields[2]), "lpm-") {
				groups[controller] = filepath.Join("/sys/fs/cgroup", controller, fields[2])
			}
		}
	}
	return groups
}

// value returns a number of a control file: that of cgroup v2, or that of v1's
// controller. The key names the one behind it in a file that has several.
func (r running) value(v2, controller, v1, key string) int64 {
	r.t.Helper()
	file := filepath.Join(r.groups[""], v2)
	if r.groups[""] == "" {
		file = filepath.Join(r.groups[controller], v1)
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		r.t.Fatal(err)
	}
	fields := strings.Fields(string(raw))
	// Where there is no such key, the first is the one.
	n, err := strconv.ParseInt(fields[slices.Index(fields, key)+1], 10, 64)
	if err != nil {
		r.t.Fatalf("%s holds %q", file, raw)
	}
	return n
}

// until waits, for half a minute at the most.
func (r running) until(what string, holds func() bool) {
	r.t.Helper()
	for range 3000 {
		if holds() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	r.t.Fatalf("%s: not in 30 s", what)
}

// standing returns the groups below /sys/fs/cgroup that have the names of
// those that a container was in.
func (r running) standing() (found []string) {
	names := map[string]bool{}
	for _, dir := range r.groups {
		names[filepath.Base(dir)] = true
	}
	filepath.WalkDir("/sys/fs/cgroup", func(path string, d fs.DirEntry, err error) error {
		if err == nil && names[d.Name()] {
			found = append(found, path)
		}
		return nil
	})
	return found
}

// gone waits, for ten seconds at the most, until no group is left: systemd
// learns a little later than lpm that a scope is empty.
func (r running) gone() {
	r.t.Helper()
	for range 1000 {
		if len(r.standing()) == 0 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	r.t.Errorf("left behind: %q", r.standing())
}

// alive shows that the machine still does what is asked of it.
func alive(t *testing.T) {
	t.Helper()
	for range 20 {
		if out, err := exec.Command("/bin/true").CombinedOutput(); err != nil {
			t.Fatalf("no process can be started any more: %v %s", err, out)
		}
	}
	memory := make([]byte, 64<<20)
	for i := 0; i < len(memory); i += os.Getpagesize() {
		memory[i] = 1
	}
}

// TestMemoryIsBounded: what is within the bound is there, and who wants more
// is ended.
func TestMemoryIsBounded(t *testing.T) {
	l, ok := bounded(t, manifest.Resources{Memory: 64 << 20})
	if !ok {
		return
	}
	m := bounds(manifest.Resources{Memory: 64 << 20})
	if o := l.run(m, "x = b'1' * (24 << 20); print(len(x))"); o.Code != 0 || o.out != "25165824\n" {
		t.Errorf("24 MiB within 64: code %d, %q %q", o.Code, o.out, o.err)
	}
	if o := l.run(m, "x = b'1' * (256 << 20); print(len(x))"); o.Code != 128+9 || o.out != "" {
		t.Errorf("256 MiB within 64: code %d, %q %q", o.Code, o.out, o.err)
	}
	alive(t)
}

// TestMemoryHog: processes that each want some memory are bounded together.
func TestMemoryHog(t *testing.T) {
	const bound = 64 << 20
	l, ok := bounded(t, manifest.Resources{Memory: bound})
	if !ok {
		return
	}
	r := l.start(bounds(manifest.Resources{Memory: bound}), `
import os, time
print('ready', flush=True)
while True:
    pid = os.fork()
    if pid == 0:
        x = bytearray(16 << 20)
        for i in range(0, len(x), 4096): x[i] = 1
        time.sleep(60)
    time.sleep(0.05)
    try: os.waitpid(-1, os.WNOHANG)
    except ChildProcessError: pass
`)
	// v1 counts how often the bound was reached, v2 whom it cost his life.
	ended := func() int64 { return r.value("memory.events", "memory", "memory.oom_control", "oom_kill") }
	r.until("the bound is reached", func() bool {
		if used := r.value("memory.current", "memory", "memory.usage_in_bytes", ""); used > bound {
			t.Errorf("%d bytes are in use", used)
		}
		return ended() > 0
	})
	alive(t)
	r.end()
	alive(t)
	r.gone()
}

// TestForkBomb: a program whose every child forks on stays within its bound,
// and all of it ends with the container.
func TestForkBomb(t *testing.T) {
	// That of memory has a group made where RLIMIT_NPROC alone would do.
	bound := manifest.Resources{PIDs: 40, Memory: 512 << 20}
	l, ok := bounded(t, bound)
	if !ok {
		return
	}
	r := l.start(bounds(bound), `
import os, time
print('ready', flush=True)
while True:
    try: os.fork()
    except OSError: time.sleep(0.01)
`)
	processes := func() int64 { return r.value("pids.current", "pids", "pids.current", "") }
	r.until("the bound is reached", func() bool { return processes() == bound.PIDs })
	for range 20 {
		if n := processes(); n > bound.PIDs {
			t.Errorf("%d processes within %d", n, bound.PIDs)
		}
	}
	alive(t)
	r.end()
	if !ends(r.pid) {
		t.Errorf("process %d is still there", r.pid)
	}
	r.gone()
}

// TestProcessorTimeIsBounded: a program that never waits is made to.
func TestProcessorTimeIsBounded(t *testing.T) {
	bound := manifest.Resources{MilliCPU: 50}
	l, ok := bounded(t, bound)
	if !ok {
		return
	}
	r := l.start(bounds(bound), "print('ready', flush=True)\nwhile True: pass")
	r.until("a busy program is made to wait", func() bool { return r.value("cpu.stat", "cpu", "cpu.stat", "nr_throttled") > 0 })
	r.end()
	r.gone()
}
