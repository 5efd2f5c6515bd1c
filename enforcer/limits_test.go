package enforcer_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/least-privilege/lpm/enforcer/cgroup/scope"
	"github.com/least-privilege/lpm/enforcer/plan"
	"github.com/least-privilege/lpm/manifest"
)

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
	r.until("the bound is reached", func() bool { return r.value("pids.current", "pids", "pids.current", "") == bound.PIDs })
	for range 20 {
		if n := r.processes(); n > bound.PIDs || n < bound.PIDs/2 {
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

// TestDiskTimeIsWeighed: a container has the weight that it was given, where
// some disk heeds weights, and is refused where none does.
func TestDiskTimeIsWeighed(t *testing.T) {
	bound := manifest.Resources{IOWeight: 50}
	l := newLab(t, "python3")
	l.options.Entrypoint = []string{"/usr/bin/python3", "-c"}
	_, done, err := l.prepare(t.Context(), plan.Enforce, bounds(bound), "pass")
	done()
	var refused *plan.UnenforceableError
	if errors.As(err, &refused) {
		if what := refused.Error(); !strings.Contains(what, "resources.ioWeight") {
			t.Errorf("the refusal is %q", what)
		}
		return
	}
	r := l.start(bounds(bound), "import time; print('ready', flush=True); time.sleep(60)")
	file, of := "io.weight", r.groups[""]
	if of == "" {
		of = r.groups["blkio"]
	}
	if _, err := os.Stat(filepath.Join(of, file)); err != nil {
		file = "io.bfq.weight"
	}
	if weight := r.value(file, "blkio", "blkio.bfq.weight", "default"); weight != bound.IOWeight {
		t.Errorf("the weight is %d", weight)
	}
	r.end()
	r.gone()
}

// TestInsideFromTheStart: the program is in its group before its first
// instruction, for its namespace of cgroups was made there: it is the root of
// all that it sees.
func TestInsideFromTheStart(t *testing.T) {
	bound := manifest.Resources{Memory: 64 << 20, PIDs: 20}
	l, ok := bounded(t, bound)
	if !ok {
		return
	}
	o := l.run(bounds(bound), "print(open('/proc/self/cgroup').read(), end='')")
	for line := range strings.Lines(o.out) {
		if !strings.HasSuffix(line, ":/\n") {
			t.Errorf("the program sees %q", line)
		}
	}
	if o.out == "" {
		t.Errorf("the program sees nothing: %s", o.err)
	}
}

// TestEnforcement: what is said to hold a container is what does.
func TestEnforcement(t *testing.T) {
	bound := manifest.Resources{Memory: 64 << 20, PIDs: 20, OpenFiles: 100}
	l, ok := bounded(t, bound)
	if !ok {
		return
	}
	r := l.start(bounds(bound), "import time; print('ready', flush=True); time.sleep(60)")
	var names []string
	for _, limit := range r.held.Enforced {
		names = append(names, limit.Resource)
		if limit.Resource == "openFiles" {
			if limit.By != "RLIMIT_NOFILE" || limit.Value != 100 {
				t.Errorf("open files are held by %+v", limit)
			}
			continue
		}
		words := strings.Fields(limit.By)
		group := filepath.Base(words[len(words)-1])
		if !slices.ContainsFunc(r.standing(), func(path string) bool { return filepath.Base(path) == group }) {
			t.Errorf("%+v is not among %q", limit, r.standing())
		}
	}
	if want := []string{"memory", "pids", "openFiles"}; !slices.Equal(names, want) {
		t.Errorf("enforced are %q, want %q", names, want)
	}
	if n := r.value("pids.max", "pids", "pids.max", ""); n != 20 {
		t.Errorf("pids.max is %d", n)
	}
	r.end()
	r.gone()
}

// TestKilledLauncherLeavesNoGroup: a scope goes by itself, and what lpm has
// made goes when the next container starts.
func TestKilledLauncherLeavesNoGroup(t *testing.T) {
	l, ok := bounded(t, killable)
	if !ok {
		return
	}
	process, out := l.launcher()
	r := running{t: t}
	if _, err := fmt.Fscanf(out, "pid %d\nready\n", &r.pid); err != nil {
		t.Fatalf("the launcher did not start a container: %v", err)
	}
	r.groups = groupsOf(t, r.pid)
	if len(r.groups) == 0 {
		t.Fatal("the container is in no group")
	}
	if err := process.Kill(); err != nil {
		t.Fatal(err)
	}
	if !ends(r.pid) {
		t.Errorf("process %d has outlived the launcher", r.pid)
	}
	process.Wait()
	if filepath.Ext(filepath.Base(r.groups[""])) != scope.Suffix {
		if len(r.standing()) == 0 {
			t.Error("the group went by itself: nothing was tested")
		}
		l.run(bounds(killable), "pass")
	}
	r.gone()
}

// TestKilledAtAnyMoment: the same for launchers that have not come far.
func TestKilledAtAnyMoment(t *testing.T) {
	l, ok := bounded(t, killable)
	if !ok {
		return
	}
	const moments = 12
	begun := time.Now()
	first, out := l.launcher()
	var pid int
	if _, err := fmt.Fscanf(out, "pid %d\nready\n", &pid); err != nil {
		t.Fatal(err)
	}
	whole := time.Since(begun)
	launchers := []*os.Process{first}
	for i := range moments {
		process, _ := l.launcher()
		time.Sleep(whole * time.Duration(i) / moments)
		process.Kill()
		launchers = append(launchers, process)
	}
	first.Kill()
	for _, process := range launchers {
		process.Wait()
	}
	if !ends(pid) {
		t.Errorf("process %d has outlived the launcher", pid)
	}
	l.run(bounds(killable), "pass")
	var left []string
	for range 1000 {
		left = nil
		for _, process := range launchers {
			left = append(left, named(fmt.Sprintf("lpm-%d-", process.Pid))...)
		}
		if len(left) == 0 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("left behind: %q", left)
}
