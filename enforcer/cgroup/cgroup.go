// Package cgroup bounds what a container uses with cgroup v2.
//
// A group is made below a folder that was delegated to the caller (see
// package host) and is empty until a child is cloned into it. Everything the
// package does is writing to files of that folder, as cgroups(7) and the
// kernel's cgroup-v2 documentation define them; it needs no privilege and
// never leaves the folder. A limit that cannot be set is an error: nothing is
// bounded less than was asked.
package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/manifest"
)

var (
	// ErrController is in the chain where a limit needs a controller that
	// was not delegated.
	ErrController = errors.New("cgroup controller is not delegated")
	// ErrOccupied is in the chain where the folder cannot hand controllers
	// to a group because other processes live in it.
	ErrOccupied = errors.New("cgroup has other processes in it")
	// ErrUnsupported is in the chain where the kernel lacks a file that a
	// limit, or the end of a group, relies on.
	ErrUnsupported = errors.New("kernel lacks a cgroup file")
)

// Error tells which limit or step failed, and how the host is mended.
type Error struct {
	// Doing says what was being done, such as "limiting memory in /sys/…".
	Doing string
	Err   error
	hint  string
}

// Error implements error.
func (e *Error) Error() string { return e.Doing + ": " + e.Err.Error() }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Hint returns what would help, or "".
func (e *Error) Hint() string { return e.hint }

const delegateHint = "start it with: systemd-run --user --scope -p Delegate=yes lpm …"

// Group is one container's group. It is to be closed. Its methods are for one
// goroutine at a time.
type Group struct {
	path    string
	dir     *os.File
	folders folders
}

// folders makes and removes folders. In a cgroup file system the kernel fills
// a new one with control files and takes them away again; tests do that
// themselves in a plain one.
type folders struct {
	make   func(path string, mode fs.FileMode) error
	remove func(path string) error
}

// kernel makes and removes real groups.
func kernel() folders { return folders{make: os.Mkdir, remove: unix.Rmdir} }

// New makes the group name below parent, a folder delegated to the caller,
// with the limits of r that are a cgroup's: Memory, PIDs, MilliCPU and
// IOWeight. If parent has to hand controllers down first and the calling process is in it,
// that process moves to the group [Launchers] below parent, for a cgroup
// with processes can hand nothing down; it stays there.
//
// Errors are of type [*Error], with [ErrController], [ErrOccupied],
// [ErrUnsupported] or the kernel's error in their chain; [fs.ErrExist] where
// the name is taken. After an error no group is left.
func New(parent, name string, r manifest.Resources) (*Group, error) {
	return kernel().group(parent, name, r)
}

func (f folders) group(parent, name string, r manifest.Resources) (*Group, error) {
	if err := checkName(name); err != nil {
		return nil, &Error{Doing: "making a cgroup", Err: err}
	}
	limits, err := limitsOf(r)
	if err != nil {
		return nil, &Error{Doing: "limiting resources", Err: err}
	}
	if err := f.enable(parent, controllers(limits)); err != nil {
		return nil, err
	}
	path := filepath.Join(parent, name)
	if err := f.make(path, 0o755); err != nil {
		return nil, &Error{Doing: "making a cgroup", Err: err, hint: delegateHint}
	}
	dir, err := open(path, limits)
	if err != nil {
		// Nothing is in it yet, so this fails only where mkdir should have.
		return nil, errors.Join(err, f.removeAll(path))
	}
	return &Group{path: path, dir: dir, folders: f}, nil
}

// checkName refuses names that are no single folder, or that could go
// astray or stand for a control file: those all have a dot.
func checkName(name string) error {
	if name == "" || name == Launchers || strings.ContainsAny(name, "./\x00\n") || len(name) > unix.NAME_MAX {
		return fmt.Errorf("%q is no name for a cgroup", name)
	}
	return nil
}

// open opens the folder of a group that was just made and sets its limits.
func open(path string, limits []limit) (*os.File, error) {
	for _, needed := range []string{"cgroup.kill", "cgroup.events"} {
		if err := need(path, needed); err != nil {
			return nil, err
		}
	}
	dir, err := lock(path)
	if err != nil {
		return nil, err
	}
	for _, l := range limits {
		if err := l.set(path); err != nil {
			return nil, errors.Join(err, dir.Close())
		}
	}
	return dir, nil
}

// need reports a file that the kernel should have put into a group.
func need(path, name string) error {
	if _, err := os.Stat(filepath.Join(path, name)); errors.Is(err, fs.ErrNotExist) {
		return &Error{
			Doing: "making a cgroup", Err: fmt.Errorf("%w: %s", ErrUnsupported, name),
			hint: "boot Linux 5.14 or later",
		}
	} else if err != nil {
		return &Error{Doing: "making a cgroup", Err: err}
	}
	return nil
}

// Path returns the group's folder.
func (g *Group) Path() string { return g.path }

// Dir returns the group's folder, opened. It belongs to the group and is valid
// until Close.
func (g *Group) Dir() *os.File { return g.dir }

// FD returns the descriptor of [Group.Dir] for CLONE_INTO_CGROUP (the cgroup
// field of struct clone_args).
func (g *Group) FD() int { return int(g.dir.Fd()) }

// write writes a control file in one call, as the kernel wants it.
func write(dir, name, value string) error {
	file, err := os.OpenFile(filepath.Join(dir, name), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = file.WriteString(value)
	return errors.Join(err, file.Close())
}
