package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Launchers is the group, below a delegated folder, that processes of lpm step
// aside into. All share one, which is never removed: whoever would remove it
// is in it. Groups of containers belong beside it, not below.
const Launchers = "lpm-launchers"

// enable lets groups below parent have the controllers.
func (f folders) enable(parent string, names []string) error {
	missing, err := without(filepath.Join(parent, "cgroup.subtree_control"), names)
	if err != nil || len(missing) == 0 {
		return err
	}
	unavailable, err := without(filepath.Join(parent, "cgroup.controllers"), missing)
	if err != nil {
		return err
	}
	if len(unavailable) > 0 {
		return &Error{
			Doing: "limiting resources in " + parent,
			Err:   fmt.Errorf("%w: %s", ErrController, strings.Join(unavailable, ", ")),
			hint:  "see systemd.resource-control(5), Delegate=, for user@.service, or run with --best-effort",
		}
	}
	value := "+" + strings.Join(missing, " +")
	err = write(parent, "cgroup.subtree_control", value)
	if errors.Is(err, unix.EBUSY) {
		if err := f.stepAside(parent); err != nil {
			return err
		}
		err = write(parent, "cgroup.subtree_control", value)
	}
	switch {
	case errors.Is(err, unix.EBUSY):
		return &Error{Doing: "handing down controllers in " + parent, Err: ErrOccupied, hint: delegateHint}
	case err != nil:
		return &Error{Doing: "handing down controllers in " + parent, Err: err, hint: delegateHint}
	}
	return nil
}

// without returns those of names that the file does not list.
func without(file string, names []string) ([]string, error) {
	if len(names) == 0 {
		return nil, nil
	}
	list, err := os.ReadFile(file)
	if err != nil {
		return nil, &Error{Doing: "reading a cgroup's controllers", Err: err, hint: delegateHint}
	}
	there := strings.Fields(string(list))
	var missing []string
	for _, name := range names {
		if !slices.Contains(there, name) {
			missing = append(missing, name)
		}
	}
	return missing, nil
}

// stepAside moves the calling process from parent to the launchers' group
// below it, if that is where it is.
func (f folders) stepAside(parent string) error {
	procs, err := os.ReadFile(filepath.Join(parent, "cgroup.procs"))
	if err != nil {
		return &Error{Doing: "reading a cgroup's processes", Err: err}
	}
	if !slices.Contains(strings.Fields(string(procs)), fmt.Sprint(os.Getpid())) {
		return nil
	}
	leaf := filepath.Join(parent, Launchers)
	if err := f.make(leaf, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return &Error{Doing: "stepping aside", Err: err, hint: delegateHint}
	}
	// 0 is the process that writes.
	if err := write(leaf, "cgroup.procs", "0"); err != nil {
		return &Error{Doing: "stepping aside into " + leaf, Err: err, hint: delegateHint}
	}
	return nil
}
