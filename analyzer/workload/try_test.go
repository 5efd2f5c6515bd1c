package workload

import (
	"fmt"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/enforcer/launch"
	"github.com/least-privilege/lpm/enforcer/plan"
)

// TestUnstarted: a machine that is out of memory or room is no failure of the
// workload, from which it would follow that it needs what was left out.
func TestUnstarted(t *testing.T) {
	for errno, judged := range map[unix.Errno]bool{
		unix.EACCES: true, unix.ENOENT: true, unix.EPERM: true,
		unix.ENOMEM: false, unix.ENOSPC: false, unix.EAGAIN: false, unix.EMFILE: false, unix.EDQUOT: false,
	} {
		trial, err := new(Trial).unstarted(fmt.Errorf("launching: %w", &launch.OpError{Op: plan.Op{Call: "mount"}, Errno: errno}))
		if got := err == nil && trial != nil && trial.Failure != nil; got != judged || !judged && err == nil {
			t.Errorf("%v: %+v, %v", errno, trial, err)
		}
	}
	if trial, err := new(Trial).unstarted(unix.EIO); err == nil || trial != nil {
		t.Errorf("an error of lpm's own: %+v, %v", trial, err)
	}
}
