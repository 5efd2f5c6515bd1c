package launch

import (
	"errors"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/enforcer/plan"
)

// TestHints: the failures that people meet name what mends them.
func TestHints(t *testing.T) {
	const doctor = "lpm doctor"
	overlay := []plan.Arg{text("overlay")}
	for _, test := range []struct {
		name  string
		op    plan.Op
		errno unix.Errno
		hint  string
	}{
		{"a container's /proc", plan.Op{Call: "fsmount"}, unix.EPERM, "systempaths=unconfined"},
		{"a container's profile", plan.Op{Call: "fsopen", Args: overlay}, unix.EPERM, "seccomp=unconfined"},
		{"another profile", plan.Op{Call: "mount_setattr"}, unix.EPERM, "seccomp=unconfined"},
		{"an old kernel", plan.Op{Call: "mount_setattr"}, unix.ENOSYS, "Linux 5.12"},
		{"overlays for root alone", plan.Op{Call: "fsconfig"}, unix.EPERM, "Linux 5.11"},
		{"no overlays", plan.Op{Call: "fsopen", Args: overlay}, unix.ENODEV, "sudo modprobe overlay"},
		{"a data folder that overlays cannot use", plan.Op{Call: "fsconfig"}, unix.EINVAL, "XDG_DATA_HOME"},
		{"a link in a path", plan.Op{Call: "openat2"}, unix.ELOOP, "real path"},
		{"no Landlock", plan.Op{Call: "landlock_create_ruleset"}, unix.EOPNOTSUPP, "lsm="},
		{"a supervisor above", plan.Op{Call: "seccomp"}, unix.EBUSY, "outside of that"},
		{"no loader", plan.Op{Call: "execveat"}, unix.ENOENT, "loader"},
		{"no program", plan.Op{Call: "execveat"}, unix.ENOEXEC, "architecture"},
		{"no right to execute", plan.Op{Call: "execveat"}, unix.EACCES, "user"},
		{"something else of the program", plan.Op{Call: "execveat"}, unix.E2BIG, ""},
		{"something else", plan.Op{Call: "sethostname"}, unix.EPERM, doctor},
		{"something else of mounts", plan.Op{Call: "move_mount"}, unix.ENOENT, doctor},
	} {
		t.Run(test.name, func(t *testing.T) {
			e := &OpError{Op: test.op, Errno: test.errno}
			if hint := e.Hint(); !strings.Contains(hint, test.hint) || (hint == "") != (test.hint == "") {
				t.Errorf("hint %q, want %q", hint, test.hint)
			}
			if remedy := e.Remedy(); strings.Contains(remedy, doctor) || test.hint == doctor && remedy != "" {
				t.Errorf("remedy %q", remedy)
			}
			if !errors.Is(e, test.errno) {
				t.Errorf("%v is not %v", e, test.errno)
			}
		})
	}
}
