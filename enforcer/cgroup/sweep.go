package cgroup

import (
	"errors"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Sweep removes the groups below parent that launchers left behind which were
// killed. A group is taken for left behind if it has a name of [NewName], no
// process has the launcher's id, and nobody holds the group's lock: ids say
// nothing of launchers in other pid namespaces, and a lock nothing of one that
// has only just made its group.
//
// What cannot be removed yet, because its processes are still ending, is left
// to the next launch.
func Sweep(parent string) { kernel().sweep(parent) }

func (f folders) sweep(parent string) {
	entries, err := os.ReadDir(parent)
	if err != nil {
		return
	}
	for _, entry := range entries {
		pid, ours := launcher(entry.Name())
		if !ours || !entry.IsDir() || !errors.Is(unix.Kill(pid, 0), unix.ESRCH) {
			continue
		}
		path := filepath.Join(parent, entry.Name())
		dir, err := os.Open(path)
		if err != nil {
			continue
		}
		if unix.Flock(int(dir.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil {
			// There is no such file in cgroup v1, nor need of it: the end of
			// its first process ends a container.
			_ = write(path, "cgroup.kill", "1")
			_ = f.removeAll(path)
		}
		dir.Close()
	}
}

// lock opens a group's folder and marks it as in use, for as long as this
// process lives or the folder is open.
func lock(path string) (*os.File, error) {
	dir, err := os.OpenFile(path, os.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, &Error{Doing: "opening the cgroup", Err: err}
	}
	if err := unix.Flock(int(dir.Fd()), unix.LOCK_SH|unix.LOCK_NB); err != nil {
		return nil, errors.Join(&Error{Doing: "locking the cgroup " + path, Err: err}, dir.Close())
	}
	return dir, nil
}
