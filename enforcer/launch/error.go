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

// Hint names the likely way out, or who knows one.
func (e *OpError) Hint() string {
	if remedy := e.Remedy(); remedy != "" || e.Op.Call == "execveat" {
		return remedy
	}
	return "lpm doctor tells what this machine lacks"
}

// What stands in the way inside of another container.
const (
	OuterProfile = "inside another container, whose engine refuses it: start that with --security-opt seccomp=unconfined"
	OuterProc    = "inside another container, /proc must be mounted whole: start that with --security-opt systempaths=unconfined"
)

// Remedy returns what mends the failures that people meet, and "" for others.
func (e *OpError) Remedy() string {
	switch e.Op.Call {
	case "execveat":
		return e.executing()
	case "fsopen", "fsconfig", "fsmount", "mount_setattr", "move_mount", "open_tree":
		return e.mounting()
	case "openat2":
		if e.Errno == unix.ELOOP {
			return "there is a symbolic link in the path, which could lead anywhere: name the real path"
		}
	case "landlock_create_ruleset":
		if e.Errno == unix.ENOSYS || e.Errno == unix.EOPNOTSUPP {
			return "the kernel needs Landlock: CONFIG_SECURITY_LANDLOCK, and landlock in the lsm= parameter"
		}
	case "seccomp":
		if e.Errno == unix.EBUSY {
			// A process has one listener at the most, those of its parents
			// counted.
			return "this program runs under a seccomp supervisor itself: start it outside of that"
		}
	}
	return ""
}

func (e *OpError) executing() string {
	switch e.Errno {
	case unix.ENOENT:
		return "the program's ELF loader is missing from the image"
	case unix.ENOEXEC:
		return "the program is neither an ELF file of this architecture nor a script"
	case unix.EACCES:
		return "the image's user may not execute the program, or not enter a folder on the way to it"
	}
	return ""
}

func (e *OpError) mounting() string {
	switch {
	case e.Errno == unix.ENOSYS:
		return "boot Linux 5.12 or later; or, " + OuterProfile
	case e.Op.Call == "fsmount" && e.Errno == unix.EPERM:
		// Of all file systems only proc is asked about here: the caller must
		// see the whole of one already (mount_too_revealing in fs/namespace.c).
		return OuterProc
	case e.Op.Call == "fsconfig" && e.Errno == unix.EPERM:
		return "boot Linux 5.11 or later, in which ordinary users may mount overlays"
	case e.Errno == unix.EPERM:
		return OuterProfile
	case e.Op.Call == "fsopen" && e.Errno == unix.ENODEV:
		return "the kernel has no such file system: sudo modprobe " + *e.Op.Args[0].Text
	case e.Op.Call == "fsconfig" && e.Errno == unix.EINVAL:
		return "lpm's data folder cannot be a part of an overlay: set XDG_DATA_HOME to a folder on ext4, xfs, btrfs or tmpfs"
	}
	return ""
}

// NamespaceError is returned where the container's namespaces could not be
// made.
type NamespaceError struct{ Err error }

func (e *NamespaceError) Error() string { return "making the container's namespaces: " + e.Err.Error() }

// Unwrap returns the error number.
func (e *NamespaceError) Unwrap() error { return e.Err }

// AccessError is returned where the listener could not be taken out of the
// child.
type AccessError struct{ Err error }

func (e *AccessError) Error() string { return "taking the seccomp listener: " + e.Err.Error() }

// Unwrap returns the error number.
func (e *AccessError) Unwrap() error { return e.Err }
