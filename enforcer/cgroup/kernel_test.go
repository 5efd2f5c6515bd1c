//go:build cgroup

// These tests use a real cgroup v2 folder, named by LPM_TEST_CGROUP, that was
// delegated to the user who runs them and holds only them. Few machines have
// one to spare, hence the build tag.

package cgroup

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/manifest"
)

const childVariable = "LPM_TEST_CGROUP_CHILD"

// TestMain also plays the child that runs inside a group.
func TestMain(m *testing.M) {
	switch os.Getenv(childVariable) {
	case "":
		os.Exit(m.Run())
	case "wait":
		os.Stdout.WriteString("ready\n")
		select {}
	case "eat":
		if hoard := bytes.Repeat([]byte{1}, 256<<20); hoard[len(hoard)-1] == 1 {
			os.Stdout.WriteString("ate\n")
		}
	case "fork":
		for range 64 {
			// Each child waits; the first that cannot be started ends this.
			if err := command(nil, "wait").Start(); err != nil {
				if errors.Is(err, unix.EAGAIN) {
					os.Stdout.WriteString("refused\n")
				}
				return
			}
		}
		os.Stdout.WriteString("forked\n")
	}
}

func command(g *Group, role string) *exec.Cmd {
	child := exec.Command("/proc/self/exe")
	child.Env = append(os.Environ(), childVariable+"="+role, "GOMAXPROCS=1")
	if g != nil {
		child.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: g.FD()}
	}
	return child
}

func delegated(t *testing.T) string {
	t.Helper()
	parent := os.Getenv("LPM_TEST_CGROUP")
	if parent == "" {
		t.Fatal("LPM_TEST_CGROUP names no delegated folder")
	}
	return parent
}

func group(t *testing.T, r manifest.Resources) *Group {
	t.Helper()
	g, err := New(delegated(t), "test-"+strconv.FormatInt(r.Memory+r.PIDs+r.MilliCPU, 10), r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := g.Close(); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(g.Path()); err == nil {
			t.Error("the group is still there")
		}
	})
	return g
}

// output returns what a child in the group prints. That it may be killed
// first is what is tested.
func output(t *testing.T, g *Group, role string) string {
	t.Helper()
	out, err := command(g, role).Output()
	if ended := (*exec.ExitError)(nil); err != nil && !errors.As(err, &ended) {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

func TestMemory(t *testing.T) {
	if got := output(t, group(t, manifest.Resources{Memory: 512 << 20}), "eat"); got != "ate" {
		t.Errorf("256 MiB within 512: %q", got)
	}
}

func TestMemoryExceeded(t *testing.T) {
	g := group(t, manifest.Resources{Memory: 64 << 20})
	if got := output(t, g, "eat"); got == "ate" {
		t.Error("256 MiB fitted into 64")
	}
	if got := content(t, g.Path(), "memory.events"); strings.Contains(got, "oom_kill 0") {
		t.Errorf("no kill was counted: %q", got)
	}
}

func TestProcesses(t *testing.T) {
	for _, test := range []struct {
		name  string
		limit int64
		want  string
	}{{"enough", 2000, "forked"}, {"too few", 40, "refused"}} {
		t.Run(test.name, func(t *testing.T) {
			if got := output(t, group(t, manifest.Resources{PIDs: test.limit}), "fork"); got != test.want {
				t.Errorf("64 processes within %d: %q, want %q", test.limit, got, test.want)
			}
		})
	}
}

func TestProcessorTime(t *testing.T) {
	g := group(t, manifest.Resources{MilliCPU: 5})
	if got := content(t, g.Path(), "cpu.max"); got != "5000 1000000" {
		t.Errorf("cpu.max holds %q", got)
	}
}

func TestCloseEndsWhatRuns(t *testing.T) {
	g := group(t, manifest.Resources{PIDs: 100})
	child := command(g, "wait")
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	if got := content(t, g.Path(), "cgroup.procs"); got == "" {
		t.Error("the child is not in the group")
	}
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
	var ended *exec.ExitError
	if err := child.Wait(); !errors.As(err, &ended) || ended.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Errorf("the child ended with %v", err)
	}
}

func TestTheLauncherStepsAside(t *testing.T) {
	// The second launch finds it aside already.
	for range 2 {
		g := group(t, manifest.Resources{PIDs: 100})
		if own := content(t, "/proc/self/cgroup"); !strings.HasSuffix(own, "/"+Launchers) {
			t.Errorf("this process is in %q", own)
		}
		if got := content(t, delegated(t), "cgroup.procs"); got != "" {
			t.Errorf("processes %q are left in the parent", got)
		}
		if err := g.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
