package trace

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"
)

// apart starts a process in a pid namespace of its own, and returns its number
// here.
func apart(t *testing.T) int {
	t.Helper()
	cmd := exec.Command("unshare", "--pid", "--fork", "--kill-child", "sleep", "600")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	for range 500 {
		list, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", cmd.Process.Pid, cmd.Process.Pid))
		if pid, err := strconv.Atoi(strings.TrimSpace(string(list))); err == nil {
			return pid
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("unshare has started nothing")
	return 0
}

// TestAsRootForgetsStrangers: who was put on the list by a number that is another
// process's by now is taken off it, where it is certain that he is no child of the
// target.
func TestAsRootForgetsStrangers(t *testing.T) {
	privileged(t)
	own, stranger := apart(t), apart(t)
	for _, test := range []struct {
		name  string
		pid   int // the target
		stays bool
	}{
		{"a namespace", own, false},
		{"a tree", os.Getpid(), true},
	} {
		t.Run(test.name, func(t *testing.T) {
			r, err := New(options())
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			if err := r.begin(test.pid, group{}); err != nil {
				t.Fatal(err)
			}
			known := map[int]bool{test.pid: true, stranger: true}
			for pid := range known {
				if err := r.adopt(pid); err != nil {
					t.Fatal(err)
				}
			}
			if err := r.forgetStrangers(&Target{PID: test.pid}, known, []int{test.pid}); err != nil {
				t.Fatal(err)
			}
			var found task
			if err := r.maps.tasks.Lookup(uint32(test.pid), &found); err != nil {
				t.Errorf("the target is not on the list: %v", err)
			}
			if err := r.maps.tasks.Lookup(uint32(stranger), &found); (err == nil) != test.stays || err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
				t.Errorf("the stranger: %v, stays %t", err, test.stays)
			}
		})
	}
}
