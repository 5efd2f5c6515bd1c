package cmd_test

import (
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/least-privilege/lpm/manifest"
)

// latest is the last of the moments after the start. A launch takes less.
const latest = 15 * time.Millisecond

// victim is a process of a running lpm that is killed.
type victim struct {
	name string
	// find returns the process, or 0 as long as there is none. front is the
	// process that was started, which becomes lpm-core where it must.
	find func(o *torture, front int) int
	// prepares says that the launch is to be prepared anew.
	prepares bool
	// ends says that the container ends of it. Else it is ended after.
	ends bool
}

func victims() []victim {
	front := func(_ *torture, front int) int { return front }
	return []victim{
		{name: "front", find: front, ends: true},
		{name: "core", find: front, ends: true, prepares: true},
		{name: "container", find: (*torture).first, ends: true},
		{name: "watcher", find: (*torture).watcher},
	}
}

// first finds the container's first process: a child of lpm's that is the
// first of a pid namespace.
func (o *torture) first(front int) int {
	return o.find(front, func(pid int) bool {
		ids := strings.Fields(field(o.t, pid, "NSpid"))
		return len(ids) > 1 && ids[len(ids)-1] == "1"
	})
}

// watcher finds the process that kills a container whose launcher is gone.
func (o *torture) watcher(front int) int {
	return o.find(front, func(pid int) bool { return field(o.t, pid, "Name") == "lpm-watcher" })
}

// find returns the child of a process that is as wanted, or 0.
func (o *torture) find(parent int, is func(pid int) bool) int {
	for _, pid := range childrenOf(o.t, parent) {
		if is(pid) {
			return pid
		}
	}
	return 0
}

// TestTortureKill kills each of lpm's processes at random moments: during the
// start, and while the container has processes that do what they can to live
// on. Nothing is left of it, and the next run works.
func TestTortureKill(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	// Of each kind of container and victim; ten make more than two hundred.
	moments := size(t, "LPM_TORTURE_MOMENTS", 4)
	for _, kind := range []struct {
		name    string
		m       *manifest.Manifest
		flags   []string
		watched bool
	}{
		{"single", everyday(), nil, false},
		{"single with an init", everyday(), []string{"--init"}, false},
		{"single and watched", sheds(), nil, true},
		{"range", ranged(), nil, true},
	} {
		t.Run(kind.name, func(t *testing.T) {
			o := newTorture(t, "static", kind.m)
			o.flags = kind.flags
			if watched := strings.Contains(o.must(slices.Concat([]string{"run", "--dry-run", "-o", "json"}, kind.flags, []string{o.image})...), `"watch": true`); watched != kind.watched {
				t.Fatalf("a watcher: %t, want %t", watched, kind.watched)
			}
			for _, v := range victims() {
				if v.name == "watcher" && !kind.watched {
					continue
				}
				for _, during := range []string{"start", "life"} {
					if v.prepares && during == "life" {
						continue
					}
					t.Run(v.name+" in its "+during, func(t *testing.T) {
						for range moments {
							o.kill(t, v, during == "life", random)
						}
					})
				}
			}
			o.litter(t)
		})
	}
}

// sheds is everyday with the call that takes back the death signal.
func sheds() *manifest.Manifest { return calls("clone", "execveat", "ioctl", "prctl") }

// ranged is sheds with a range of ids.
func ranged() *manifest.Manifest {
	m := sheds()
	m.Identity.Mode = manifest.IdentityRange
	return m
}

// kill starts a container, kills the victim at a random moment, and wants all
// of it to be gone.
func (o *torture) kill(t *testing.T, v victim, living bool, random *rand.Rand) {
	t.Helper()
	delay := time.Duration(random.Int64N(int64(latest)))
	if v.prepares {
		delay *= 20 // The preparation takes longer.
		o.forget(t, random.IntN(3))
	}
	cmd := o.run("scatter", "3", "1h")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	first := 0
	var said strings.Builder
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if living {
		if line, err := readLine(out); line != "ready" {
			t.Errorf("the container says %q: %v", line, err)
		}
		if first = o.first(cmd.Process.Pid); first == 0 {
			t.Error("the container has no first process")
		}
	}
	time.Sleep(delay)
	pid := o.shoot(t, v, cmd.Process)
	if !v.ends {
		pid = o.shoot(t, victim{name: "container", find: (*torture).first}, cmd.Process)
	}
	got := o.ended(t, cmd, out)
	// It says of the container's end, and of no other, with a code.
	if pid != cmd.Process.Pid && got != 128+9 && got != 125 {
		t.Errorf("lpm exits with %d when the container was killed\n%s", got, said.String())
	}
	if living {
		eventually(t, "the end of the container's first process", func() bool { return !alive(first) })
	}
	if !t.Failed() {
		o.clean(t)
	}
	for _, group := range cgroupsOf(t, map[int]bool{cmd.Process.Pid: true}) {
		t.Errorf("the cgroup %s is left", group)
	}
	if err := o.sound(); err != nil {
		t.Error(err)
	}
	o.once(t)
	if t.Failed() {
		t.Fatalf("%s, killed %v after the start (ready before: %t)", v.name, delay, living)
	}
}

// once wants a run to work.
func (o *torture) once(t *testing.T) {
	t.Helper()
	if out, err := o.run("echo", "next").CombinedOutput(); string(out) != "next\n" || err != nil {
		t.Errorf("the next run: %v\n%s", err, out)
	}
}

// forget makes the next launch be prepared anew: its last step, and with more
// the layer and the unpacking of the image, which come before it.
func (o *torture) forget(t *testing.T, more int) {
	t.Helper()
	o.once(t)
	// What is moved away gets names by which it is known from litter, and
	// removed at the end.
	number := rand.Uint64()
	away := func(pattern string, to func(path string) string) {
		paths, err := filepath.Glob(filepath.Join(o.store, pattern))
		if err != nil || len(paths) == 0 {
			t.Fatalf("no %s in the store: %v", pattern, err)
		}
		for _, path := range paths {
			if err := os.Rename(path, to(path)); err != nil {
				t.Fatal(err)
			}
		}
	}
	away("launches", func(string) string { return filepath.Join(o.work, fmt.Sprintf("launches-%d", number)) })
	if more >= 1 {
		away("prepared/*/layer", func(path string) string {
			return filepath.Join(filepath.Dir(path), fmt.Sprintf("%s%d", forgotten, number))
		})
	}
	if more >= 2 {
		away("trees/*", func(path string) string {
			return filepath.Join(o.store, "tmp", fmt.Sprintf("range-%s%d", forgotten, number))
		})
	}
}

// forgotten is in the names of what was moved away.
const forgotten = "forgotten-"

// shoot kills the victim as soon as it is there, and returns it. Where lpm has
// ended before, there is none.
func (o *torture) shoot(t *testing.T, v victim, front *os.Process) int {
	t.Helper()
	var shot int
	if left := settled(func() string {
		pid := v.find(o, front.Pid)
		if pid == 0 && !alive(front.Pid) {
			return ""
		}
		if pid == 0 {
			return "there is none"
		}
		// It may end, and its number be another's, before it is held. The
		// token is no way to know it: a first process of lpm's own shows none.
		p := front
		if pid != front.Pid {
			var err error
			if p, err = os.FindProcess(pid); err != nil || v.find(o, front.Pid) != pid {
				return "it has just ended"
			}
			defer p.Release()
		}
		if err := p.Kill(); err == nil {
			shot = pid
		}
		return ""
	}); left != "" {
		t.Errorf("looking for the %s: %s", v.name, left)
	}
	return shot
}

// ended waits for lpm's end, and for that of all that hold its output.
func (o *torture) ended(t *testing.T, cmd *exec.Cmd, out io.Reader) int {
	t.Helper()
	done := make(chan int)
	go func() {
		io.Copy(io.Discard, out)
		done <- code(cmd.Wait())
	}()
	select {
	case got := <-done:
		return got
	case <-time.After(patience):
		t.Errorf("lpm, or what holds its output, has not ended: %d", o.alive())
		for _, pid := range o.alive() {
			if p, err := os.FindProcess(pid); err == nil {
				p.Kill()
			}
		}
		return <-done
	}
}

// litter wants the store to have nothing that was left half made, once an
// image has been prepared in peace.
func (o *torture) litter(t *testing.T) {
	t.Helper()
	o.forget(t, 2)
	o.once(t)
	var found []string
	for _, pattern := range []string{"launches/.*", "tmp/*", "prepared/*/tmp-*"} {
		paths, err := filepath.Glob(filepath.Join(o.store, pattern))
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, paths...)
	}
	for _, path := range found {
		if !strings.Contains(path, forgotten) {
			t.Errorf("left in the store: %s", path)
		}
	}
}
