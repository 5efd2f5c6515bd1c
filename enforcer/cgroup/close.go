package cgroup

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// ErrAlive is in the chain where processes of the group outlived being
// killed, as those do that wait for a disk or a network file system.
var ErrAlive = errors.New("processes did not end after they were killed")

// patience is how long killed processes may take to end.
const patience = 10 * time.Second

// Kill kills every process of the group and of groups below it, those that
// are just being forked too (cgroup.kill, Linux 5.14). It does not wait.
func (g *Group) Kill() error {
	if err := write(g.path, "cgroup.kill", "1"); err != nil {
		return &Error{Doing: "killing the processes of " + g.path, Err: err}
	}
	return nil
}

// Close kills what is left in the group, waits for its end (up to 10 s), and
// removes the group. A second call does nothing. After [ErrAlive] it can be
// called again.
func (g *Group) Close() error {
	if g.dir == nil {
		return nil
	}
	if err := g.Kill(); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := empty(g.path, patience); err != nil {
		return err
	}
	if err := g.folders.removeAll(g.path); err != nil {
		return err
	}
	err := g.dir.Close()
	g.dir = nil
	return err
}

// empty waits until the group at path has no processes.
func empty(path string, limit time.Duration) error {
	events, err := os.Open(filepath.Join(path, "cgroup.events"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return &Error{Doing: "waiting for the end of a cgroup", Err: err}
	}
	defer events.Close()
	content := make([]byte, 512)
	for deadline := time.Now().Add(limit); ; {
		// Reading also arms the next poll, so no change is missed.
		n, err := events.ReadAt(content, 0)
		if n == 0 {
			return &Error{Doing: "waiting for the end of " + path, Err: err}
		}
		if strings.Contains("\n"+string(content[:n]), "\npopulated 0\n") {
			return nil
		}
		left := time.Until(deadline)
		if left <= 0 {
			return &Error{Doing: "waiting for the end of " + path, Err: ErrAlive}
		}
		// The kernel tells of changes to the file as an exceptional event.
		poll := []unix.PollFd{{Fd: int32(events.Fd()), Events: unix.POLLPRI}}
		if _, err := unix.Poll(poll, int(left.Milliseconds())+1); err != nil && err != unix.EINTR {
			return &Error{Doing: "waiting for the end of " + path, Err: err}
		}
	}
}

// removeAll removes the group at path, and first those below it that a container
// made. Only folders are removed: the files are the kernel's and go with them.
func (f folders) removeAll(path string) error {
	entries, err := os.ReadDir(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return &Error{Doing: "removing a cgroup", Err: err}
	}
	for _, entry := range entries {
		if entry.IsDir() {
			if err := f.removeAll(filepath.Join(path, entry.Name())); err != nil {
				return err
			}
		}
	}
	if err := f.remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return &Error{Doing: "removing the cgroup " + path, Err: err}
	}
	return nil
}
