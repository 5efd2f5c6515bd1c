package trace

import (
	"bytes"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// fromHere reports whether the program that a process runs is a file of one of
// the caller's own mounts. In a container it is then one of the engine's: the
// first process that lpm run --init leaves there, or one that is about to
// execute a program of the container's.
func fromHere(pid int) (bool, error) {
	fd, err := unix.Open(fmt.Sprintf("/proc/%d/exe", pid), unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return false, err
	}
	defer unix.Close(fd)
	info, err := os.ReadFile(fmt.Sprintf("/proc/self/fdinfo/%d", fd))
	if err != nil {
		return false, err
	}
	_, rest, _ := strings.Cut(string(info), "mnt_id:")
	id, _, _ := strings.Cut(strings.TrimSpace(rest), "\n")
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return false, err
	}
	for line := range bytes.Lines(mounts) {
		if own, _, _ := strings.Cut(string(line), " "); own == id {
			return true, nil
		}
	}
	return false, nil
}

// pastEngine has the target be the container's own first process where the one
// that was named is the engine's: the first of its descendants, or of the
// group's processes, that runs a program of the container.
func (t *Target) pastEngine() error {
	if here, err := t.shares("mnt"); err != nil || here && t.cgroup == "" {
		return err // it is in no container
	}
	list := tree(t.PID)
	if t.cgroup != "" {
		var err error
		if list, err = groupProcesses(t.cgroup); err != nil {
			return err
		}
	}
	for _, pid := range list {
		if engines, err := fromHere(pid); err == nil && !engines {
			t.PID = pid
			return nil
		}
	}
	return nil // what is wrong with it is found out next
}
