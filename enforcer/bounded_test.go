package enforcer_test

import (
	"context"
	"errors"
	"fmt"
	"io"
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
	"github.com/least-privilege/lpm/registry/store"
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
	ctx, cancel := context.WithTimeout(l.t.Context(), patience)
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

// processes returns how many there are. Of pids.current the kernel takes back only
// after a moment what a fork has asked for and not got (pids_try_charge).
func (r running) processes() int64 {
	r.t.Helper()
	group := r.groups[""]
	if group == "" {
		group = r.groups["pids"]
	}
	list, err := os.ReadFile(filepath.Join(group, "cgroup.procs"))
	if err != nil {
		r.t.Fatal(err)
	}
	return int64(len(strings.Fields(string(list))))
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
func (r running) standing() []string {
	for _, dir := range r.groups {
		return named(filepath.Base(dir)) // the name is the same in all
	}
	return nil
}

// named returns the groups below /sys/fs/cgroup whose names begin so.
func named(prefix string) (found []string) {
	filepath.WalkDir("/sys/fs/cgroup", func(path string, d fs.DirEntry, err error) error {
		if err == nil && strings.HasPrefix(d.Name(), prefix) {
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

// launcher starts this program as a launcher of a bounded container. It ends
// with the test.
func (l *lab) launcher() (process *os.Process, out io.Reader) {
	l.t.Helper()
	self := exec.Command("/proc/self/exe", "-test.run=^TestBoundedLauncher$")
	self.Env = append(os.Environ(), "LPM_TEST_BOUNDED="+l.store.Dir(), "TMPDIR="+l.t.TempDir())
	out, err := self.StdoutPipe()
	if err == nil {
		err = self.Start()
	}
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() {
		self.Process.Kill()
		self.Wait()
	})
	return self.Process, out
}

// killable are the bounds of containers whose launcher is killed.
var killable = manifest.Resources{Memory: 64 << 20, PIDs: 20}

// TestBoundedLauncher is that launcher.
func TestBoundedLauncher(t *testing.T) {
	dir := os.Getenv("LPM_TEST_BOUNDED")
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
	p, done, err := l.prepare(t.Context(), plan.Enforce, bounds(killable), "import time; print('ready', flush=True); time.sleep(60)")
	if err != nil {
		t.Fatal(err)
	}
	defer done()
	_, err = p.Run(t.Context(), container.Streams{In: l.file("in"), Out: os.Stdout, Err: os.Stderr}, nil, container.Observer{
		Started: func(pid int) { fmt.Printf("pid %d\n", pid) },
	})
	t.Log(err)
}
