package launch

import (
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/enforcer/plan"
)

// OpError is an operation of the plan that failed in the child.
type OpError struct {
	Op    plan.Op
	Errno unix.Errno
}

func (e *OpError) Error() string {
	about := e.Op.About
	if about == "" {
		about = "the start"
	}
	if e.Errno == 0 {
		return fmt.Sprintf("%s: %s did not return %s", about, e.Op, e.Op.Want)
	}
	return fmt.Sprintf("%s: %s: %v", about, e.Op, e.Errno)
}

// Unwrap returns the error number.
func (e *OpError) Unwrap() error { return e.Errno }

// Hint names the likely way out of the failures that people meet.
func (e *OpError) Hint() string {
	switch {
	case e.Op.Call == "fsmount" && e.Errno == unix.EPERM, e.Op.Call == "fsconfig" && e.Errno == unix.EPERM:
		return "inside another container, /proc must be mounted whole: start the outer container with --security-opt systempaths=unconfined"
	case e.Op.Call == "openat2" && e.Errno == unix.ELOOP:
		return "there is a symbolic link in the path, which could lead anywhere: name the real path"
	case e.Op.Call == "landlock_create_ruleset" && (e.Errno == unix.ENOSYS || e.Errno == unix.EOPNOTSUPP):
		return "the kernel needs Landlock: CONFIG_SECURITY_LANDLOCK, and landlock in the lsm= parameter"
	case e.Op.Call == "execveat" && e.Errno == unix.ENOENT:
		return "the program's ELF loader is missing from the image"
	case e.Op.Call == "execveat" && e.Errno == unix.ENOEXEC:
		return "the program is neither an ELF file of this architecture nor a script"
	}
	return ""
}

// NamespaceError is returned where the container's namespaces could not be
// made.
type NamespaceError struct{ Err error }

func (e *NamespaceError) Error() string { return "making the container's namespaces: " + e.Err.Error() }

// Unwrap returns the error number.
func (e *NamespaceError) Unwrap() error { return e.Err }
