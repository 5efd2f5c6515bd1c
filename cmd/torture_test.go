package cmd_test

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/least-privilege/lpm/manifest"
	"github.com/least-privilege/lpm/registry/store"
)

// torture is one person's lpm: the programs, and a store and settings of its
// own. Every process that comes of it has the token in its command line or its
// environment, inside of containers too, so that none can be missed; only a
// first process of lpm's own shows neither.
type torture struct {
	t     *testing.T
	lpm   string
	image string
	token string
	env   []string
	// flags are of every run.
	flags []string
	// store and work are folders; work has no other purpose than to go.
	store, work string
}

// tokenName is the variable that carries the token.
const tokenName = "LPM_TORTURE_TOKEN"

// newTorture loads a test image, and approves the manifest for it. The
// programs are those of the folder LPM_TEST_PROGRAMS, or copies of the test's.
func newTorture(t *testing.T, image string, m *manifest.Manifest) *torture {
	t.Helper()
	archive := testImage(t, image)
	lpm, err := exec.LookPath("lpm")
	if dir := os.Getenv("LPM_TEST_PROGRAMS"); dir != "" {
		lpm, err = exec.LookPath(filepath.Join(dir, "lpm"))
	}
	if err != nil {
		t.Fatal(err)
	}
	work := t.TempDir()
	o := &torture{
		t: t, lpm: lpm, image: image, work: work, token: "token-" + rand.Text(),
		store: filepath.Join(work, "data", "lpm"),
	}
	o.env = append(os.Environ(), tokenName+"="+o.token,
		"XDG_DATA_HOME="+filepath.Join(work, "data"), "XDG_CONFIG_HOME="+filepath.Join(work, "config"))
	o.must("load", archive)
	// What belongs to a range of owners can only be removed as their root.
	t.Cleanup(func() {
		o.must("rm", image)
		o.must("prune")
	})
	o.must("key", "new")
	o.approve(m)
	return o
}

// approve attaches the manifest and approves all of it.
func (o *torture) approve(m *manifest.Manifest) {
	o.t.Helper()
	content, err := m.Canonical()
	if err != nil {
		o.t.Fatal(err)
	}
	file := filepath.Join(o.work, "manifest.json")
	if err := os.WriteFile(file, content, 0o600); err != nil {
		o.t.Fatal(err)
	}
	o.must("attach", o.image, file)
	args := []string{"approve", "--yes"}
	for _, p := range m.Permissions() {
		if p.Level == manifest.Special {
			args = append(args, "--accept", p.ID)
		}
	}
	o.must(append(args, o.image)...)
}

// command is a command line of lpm.
func (o *torture) command(args ...string) *exec.Cmd {
	cmd := exec.Command(o.lpm, args...)
	cmd.Env = o.env
	return cmd
}

// run is the command line that runs the image with the arguments.
func (o *torture) run(args ...string) *exec.Cmd {
	flags := append([]string{"run", "-q", "-e", tokenName}, o.flags...)
	return o.command(append(append(flags, o.image, "--"), args...)...)
}

// must wants lpm to end well, and returns what it wrote.
func (o *torture) must(args ...string) string {
	o.t.Helper()
	out, err := o.command(args...).CombinedOutput()
	if err != nil {
		o.t.Fatalf("lpm %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// sound holds the store against its own digests.
func (o *torture) sound() error {
	s, err := store.Open(o.store, store.Options{})
	if err != nil {
		return err
	}
	return s.Verify(o.t.Context())
}

// calls grants the normal calls, and the others that are named. Of prctl it
// grants what Go programs do with it, which sheds no death signal.
func calls(also ...string) *manifest.Manifest {
	m := &manifest.Manifest{
		Version:  manifest.Version,
		Syscalls: manifest.Syscalls{Architecture: runtime.GOARCH, Kernel: "6.18"},
		Identity: manifest.Identity{Mode: manifest.IdentitySingle},
		Execute:  []manifest.Program{{Path: manifest.AnyProgram}},
		Network:  manifest.Network{Mode: manifest.NetworkNone},
	}
	for _, info := range manifest.SyscallTable(runtime.GOARCH) {
		call := manifest.Syscall{Name: info.Name}
		switch {
		case slices.Contains(also, info.Name):
		case info.Name == "prctl":
			call.When = []manifest.Condition{{Arg: 0, OneOf: []string{"PR_SET_VMA"}}}
		case info.Level != manifest.Normal:
			continue
		}
		m.Syscalls.Allow = append(m.Syscalls.Allow, call)
	}
	return m
}

// everyday is what the static image's program takes.
func everyday() *manifest.Manifest { return calls("clone", "execveat", "ioctl") }

// TestTortureTogether starts a hundred containers at once, first with nothing
// unpacked or prepared, so that all want to do it, and then with all in place.
func TestTortureTogether(t *testing.T) {
	o := newTorture(t, "static", everyday())
	for _, state := range []string{"unprepared", "prepared"} {
		t.Run(state, func(t *testing.T) { o.together(t, 100) })
	}
	if err := o.sound(); err != nil {
		t.Error(err)
	}
	if trees := o.entries("trees"); len(trees) != 1 {
		t.Errorf("a hundred processes have unpacked one image as %q", trees)
	}
	o.clean(t)
}

// together starts containers at once, of which the odd ones end with a code
// of their own.
func (o *torture) together(t *testing.T, count int) {
	begun := time.Now()
	var all sync.WaitGroup
	for i := range count {
		all.Go(func() {
			line := fmt.Sprintf("line %d", i)
			args, want, wantCode := []string{"echo", line}, line+"\n", 0
			if i%2 == 1 {
				args, want, wantCode = []string{"exit", strconv.Itoa(i)}, "", i
			}
			cmd := o.run(args...)
			var out, errs bytes.Buffer
			cmd.Stdout, cmd.Stderr = &out, &errs
			if got := code(cmd.Run()); got != wantCode || out.String() != want || errs.Len() > 0 {
				t.Errorf("container %d exits with %d and says %q, want %d and %q\n%s", i, got, out.String(), wantCode, want, errs.String())
			}
		})
	}
	all.Wait()
	t.Logf("%d at once: %v", count, time.Since(begun).Round(time.Millisecond))
}

// size is how much of something is done: what the variable of the environment
// says, which make torture sets, or less.
func size(t *testing.T, variable string, modest int) int {
	t.Helper()
	text := os.Getenv(variable)
	if text == "" {
		return modest
	}
	n, err := strconv.Atoi(text)
	if err != nil || n <= 0 {
		t.Fatalf("%s=%q is no size", variable, text)
	}
	return n
}

// TestTortureSequence runs containers one after the other, as many as
// LPM_TORTURE_RUNS says, after which there is no more of anything than after
// the first of them.
func TestTortureSequence(t *testing.T) {
	count := size(t, "LPM_TORTURE_RUNS", 300)
	o := newTorture(t, "static", everyday())
	runOne := func(i int) int {
		line := fmt.Sprintf("line %d", i)
		cmd := o.run("echo", line)
		out, err := cmd.CombinedOutput()
		if string(out) != line+"\n" || err != nil {
			t.Fatalf("container %d: %v\n%s", i, err, out)
		}
		return cmd.Process.Pid
	}
	for i := range 20 {
		runOne(i)
	}
	before, kernel := o.possessions(t), kernelObjects(t)
	pids := map[int]bool{}
	begun := time.Now()
	for i := range count {
		pids[runOne(i)] = true
	}
	took := time.Since(begun)
	t.Logf("%d in sequence: %.1f ms each, %.0f in a second", count, took.Seconds()*1e3/float64(count), float64(count)/took.Seconds())
	if after := o.possessions(t); after != before {
		t.Errorf("after %d containers there is %+v\nwhere there was    %+v", count, after, before)
	}
	for _, group := range cgroupsOf(t, pids) {
		t.Errorf("the cgroup %s is left", group)
	}
	kernel.within(t, count)
	o.clean(t)
	o.weigh(t)
}

// mostResident is what the process that supervises a container may have of
// memory, in KiB.
const mostResident = 10 << 10

// weigh says how much memory the front process of a running container takes.
// The test's copies of it are of another size.
func (o *torture) weigh(t *testing.T) {
	cmd := o.run("wait")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := readLine(out); line != "ready" {
		t.Errorf("the container says %q: %v", line, err)
	}
	of := func(name string) string { return strings.TrimSpace(field(t, cmd.Process.Pid, name)) }
	t.Logf("front process: VmRSS %s, RssAnon %s, VmHWM %s, of %s", of("VmRSS"), of("RssAnon"), of("VmHWM"), o.lpm)
	var resident int
	if _, err := fmt.Sscan(of("VmRSS"), &resident); err != nil || os.Getenv("LPM_TEST_PROGRAMS") != "" && resident > mostResident {
		t.Errorf("%d KiB are resident, at most %d should be: %v", resident, mostResident, err)
	}
	cmd.Process.Kill()
	cmd.Wait()
	o.clean(t)
}
