package cgroup

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/manifest"
)

func TestNamesTellTheLauncher(t *testing.T) {
	if pid, ok := launcher(NewName()); !ok || pid != os.Getpid() {
		t.Errorf("%s is of process %d", NewName(), pid)
	}
	if err := checkName(NewName()); err != nil {
		t.Error(err)
	}
	for _, name := range []string{
		"", "lpm-", "lpm-1", "lpm-1-", Launchers, "lpm--1-a", "lpm-0-a", "lpm-01-a", "lpm-+1-a", "lpm-x-a", "lpm-1-.", "lpm-1-a-b",
		"lpm-1-A!", "xlpm-1-a", "lpm-99999999999999999999-a", "lpm-1-a.scope",
	} {
		if pid, ok := launcher(name); ok {
			t.Errorf("%q is of process %d", name, pid)
		}
	}
}

// gone is the id of a process that has ended.
func gone(t *testing.T) int {
	t.Helper()
	child := exec.Command("/bin/true")
	if err := child.Run(); err != nil {
		t.Fatal(err)
	}
	return child.Process.Pid
}

func TestSweep(t *testing.T) {
	dead := strconv.Itoa(gone(t))
	f, parent := imitation(t, "pids", "")
	for _, name := range []string{
		"lpm-" + dead + "-a",                 // left behind
		"lpm-" + dead + "-locked",            // of a launcher in another pid namespace
		fmt.Sprintf("lpm-%d-a", os.Getpid()), // of one that lives
		Launchers, "web", "lpm-x-y",
	} {
		if err := f.make(filepath.Join(parent, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	fill(t, parent, map[string]string{"lpm-" + dead + "-file": ""})
	held, err := lock(filepath.Join(parent, "lpm-"+dead+"-locked"))
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()

	before := subfolders(t, parent)
	f.sweep(parent)
	want := slices.DeleteFunc(before, func(name string) bool { return name == "lpm-"+dead+"-a" })
	if after := subfolders(t, parent); !slices.Equal(after, want) {
		t.Errorf("left %q, want %q", after, want)
	}
	if err := held.Close(); err != nil {
		t.Fatal(err)
	}
	f.sweep(parent)
	if after := subfolders(t, parent); slices.Contains(after, "lpm-"+dead+"-locked") {
		t.Error("a group whose lock was let go is still there")
	}
	f.sweep(filepath.Join(parent, "nowhere"))
}

// TestSweepKills: what is left of a container is ended, and what cannot be
// removed yet stays for the next launch.
func TestSweepKills(t *testing.T) {
	f, parent := imitation(t, "pids", "")
	path := filepath.Join(parent, "lpm-"+strconv.Itoa(gone(t))+"-a")
	if err := f.make(path, 0o755); err != nil {
		t.Fatal(err)
	}
	busy := f
	busy.remove = func(string) error { return unix.EBUSY }
	busy.sweep(parent)
	if got := content(t, path, "cgroup.kill"); got != "1" {
		t.Errorf("cgroup.kill holds %q", got)
	}
	f.sweep(parent)
	if _, err := os.Stat(path); err == nil {
		t.Error("the group is still there")
	}
}

// TestGroupsInUseAreLocked: so that launchers in other pid namespaces, who see
// no process with the id, leave them alone.
func TestGroupsInUseAreLocked(t *testing.T) {
	f, parent := imitation(t, "pids", "")
	g, err := f.group(parent, "lpm-"+strconv.Itoa(gone(t))+"-a", manifest.Resources{PIDs: 7})
	if err != nil {
		t.Fatal(err)
	}
	f.sweep(parent)
	if _, err := os.Stat(g.Path()); err != nil {
		t.Errorf("a group in use was swept away: %v", err)
	}
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
}
