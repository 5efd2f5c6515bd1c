package workload

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/least-privilege/lpm/analyzer/evidence"
	"github.com/least-privilege/lpm/analyzer/internal/stage"
	"github.com/least-privilege/lpm/analyzer/trace"
	"github.com/least-privilege/lpm/registry/store"
)

// foreign is a container that lpm has nothing to do with: a shell in namespaces
// of its own, in the image's files.
type foreign struct {
	pid  int
	tree *store.Tree
	stop func()
}

// enterPivot and enterChroot are the two ways to make a folder the root.
const (
	enterPivot  = `pivot_root . old && exec /bin/sh -c "$2"`
	enterChroot = `exec chroot . /bin/sh -c "$2"`
)

// startForeign starts a shell that runs a script in the image's files.
func (l *lab) startForeign(t *testing.T, enter, script string) *foreign {
	t.Helper()
	tree, err := l.store.Tree(t.Context(), l.image, store.Range)
	if err != nil {
		t.Fatal(err)
	}
	const overlay = `set -e; mount -t tmpfs tmpfs "$0"; cd "$0"; mkdir upper work root
mount -t overlay overlay -o "lowerdir=$1,upperdir=upper,workdir=work" root; cd root
mkdir -p dev proc old; mount --rbind /dev dev; mount -t proc proc proc
`
	cmd := exec.Command("unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", overlay+enter, t.TempDir(), tree.Path, script)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	f := &foreign{tree: tree, stop: func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }}
	t.Cleanup(func() { f.stop(); tree.Close() })
	children := fmt.Sprintf("/proc/%d/task/%d/children", cmd.Process.Pid, cmd.Process.Pid)
	for range 500 {
		list, _ := os.ReadFile(children)
		if pid, err := strconv.Atoi(strings.TrimSpace(string(list))); err == nil {
			line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
			if string(line) == "/bin/sh\x00-c\x00"+script+"\x00" {
				f.pid = pid
				return f
			}
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("the container did not start")
	return nil
}

// busy runs other programs over and over, beside one that was there before.
const busy = `/bin/sleep 1000 & while :; do /bin/readlink -f /etc/passwd >/dev/null; : >>/dev/null; /bin/sleep 0.05; done`

// TestAsRootAttach watches a container that runs already: by its first process, and
// by its control group.
func TestAsRootAttach(t *testing.T) {
	privileged(t)
	l := newLab(t, "redis-entry")
	check := func(t *testing.T, o *Outcome, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		r := o.Record
		if r.Lost > 0 || r.Recorder != "ebpf" || r.Image.Digest != l.image.Digest.String() || !mentions(o.Warnings, "before it was watched") {
			t.Errorf("lost %d, recorder %q, image %q, warnings %q", r.Lost, r.Recorder, r.Image.Digest, o.Warnings)
		}
		if mentions(o.Warnings, "of this image") {
			t.Errorf("warnings %q", o.Warnings)
		}
		var programs []string
		for _, p := range r.Programs {
			programs = append(programs, p.Path)
		}
		for _, want := range []string{"/usr/bin/dash", "/usr/bin/sleep", "/usr/bin/readlink"} {
			if !slices.Contains(programs, want) {
				t.Errorf("programs %q lack %s", programs, want)
			}
		}
		// The program that was there before waits in this call all along.
		if at := slices.IndexFunc(r.Calls, func(c evidence.Call) bool { return c.Name == "clock_nanosleep" }); at < 0 || r.Calls[at].First != 0 {
			t.Errorf("the call that was being made is missing")
		}
		if callCount(r, "execve") == 0 || len(r.Devices) == 0 || r.Devices[0].Path != "/dev/null" {
			t.Errorf("%d executions, devices %+v", callCount(r, "execve"), r.Devices)
		}
		propose(t, o)
	}
	t.Run("a process", func(t *testing.T) {
		f := l.startForeign(t, enterPivot, busy)
		o, err := Attach(t.Context(), l.store, Attachment{Target: strconv.Itoa(f.pid), Image: l.image, For: 2 * time.Second, Version: "test"})
		check(t, o, err)
	})
	t.Run("a process below chroot", func(t *testing.T) {
		f := l.startForeign(t, enterChroot, busy)
		o, err := Attach(t.Context(), l.store, Attachment{Target: strconv.Itoa(f.pid), Image: l.image, For: 2 * time.Second, Version: "test"})
		check(t, o, err)
	})
	t.Run("a control group", func(t *testing.T) {
		f := l.startForeign(t, enterPivot, busy)
		dir := ownGroup(t)
		// Children that are there stay where they are, but for the ones that
		// are made from now on.
		for _, pid := range descendants(f.pid) {
			if err := os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte(strconv.Itoa(pid)), 0); err != nil && !errors.Is(err, syscall.ESRCH) {
				t.Fatal(err)
			}
		}
		t.Cleanup(f.stop)
		o, err := Attach(t.Context(), l.store, Attachment{Target: dir, Image: l.image, For: 2 * time.Second, Version: "test"})
		check(t, o, err)
	})
	t.Run("until the container ends", func(t *testing.T) {
		f := l.startForeign(t, enterPivot, "/bin/sleep 3; exit")
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := Attach(ctx, l.store, Attachment{Target: strconv.Itoa(f.pid), Image: l.image}); err != nil {
			t.Error(err)
		}
	})
	t.Run("of another image", func(t *testing.T) {
		f := l.startForeign(t, enterPivot, busy)
		other := newLab(t, "static")
		o, err := Attach(t.Context(), other.store, Attachment{Target: strconv.Itoa(f.pid), Image: other.image, For: 100 * time.Millisecond})
		if err != nil || !mentions(o.Warnings, "of this image?") {
			t.Errorf("outcome %+v, error %v", o, err)
		}
	})
	for target, reason := range map[string]string{
		strconv.Itoa(os.Getpid()): "is in no container",
		"4194304":                 "there is no process",
		"-1":                      "no number of a process",
		"name":                    "neither a number nor an absolute path",
		"/":                       "no control group",
	} {
		t.Run("refused: "+target, func(t *testing.T) {
			_, err := Attach(t.Context(), l.store, Attachment{Target: target, Image: l.image})
			var wrong *trace.TargetError
			if !errors.As(err, &wrong) || !strings.Contains(err.Error(), reason) || wrong.Hint() == "" {
				t.Errorf("error: %v", err)
			}
		})
	}
}

func descendants(pid int) []int {
	all := []int{pid}
	list, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		return all
	}
	for _, field := range strings.Fields(string(list)) {
		if child, err := strconv.Atoi(field); err == nil {
			all = append(all, descendants(child)...)
		}
	}
	return all
}

// ownGroup makes a control group of version 2 for the test.
func ownGroup(t *testing.T) string {
	t.Helper()
	for _, root := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/unified"} {
		if _, err := os.Stat(filepath.Join(root, "cgroup.procs")); err != nil {
			continue
		}
		dir, err := os.MkdirTemp(root, "lpm-test-")
		if err != nil {
			continue
		}
		t.Cleanup(func() {
			for range 200 {
				if err = os.Remove(dir); err == nil {
					return
				}
				time.Sleep(10 * time.Millisecond)
			}
			t.Error(err)
		})
		return dir
	}
	stage.Missing(t, "no control group of version 2 can be made here")
	return ""
}
