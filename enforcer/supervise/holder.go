package supervise

import (
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// maxCompared bounds the descriptors of other processes that are looked at for
// one call, each of which takes about a microsecond.
const maxCompared = 8192

// held reports whether another process of the container may have the file of
// the descriptor that the call is about, as where it was made before a fork. To
// find out takes a look at all processes, which is too much for each
// connection, but not for a socket that is about to listen.
func (c *Call) held() bool {
	own := c.PID()
	space, err := os.Readlink(c.proc("ns/pid"))
	if c.check(err) != nil || own == 0 {
		return true
	}
	proc, err := os.Open("/proc")
	if err != nil {
		return true
	}
	defer proc.Close()
	names, err := proc.Readdirnames(-1)
	if err != nil {
		return true
	}
	left := maxCompared
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil || pid == own {
			continue
		}
		// One that is not the supervisor's to look at is none of the container.
		if its, err := os.Readlink("/proc/" + name + "/ns/pid"); err != nil || its != space {
			continue
		}
		if c.heldBy(pid, &left) {
			return true
		}
	}
	return !c.Alive()
}

// heldBy reports the same of one process.
func (c *Call) heldBy(pid int, left *int) bool {
	theirs, ok := descriptors(pid)
	if !ok {
		// It may have ended; one with so many descriptors may have this file.
		return unix.Kill(pid, 0) != unix.ESRCH
	}
	if *left -= len(theirs); *left < 0 {
		return true
	}
	for _, fd := range theirs {
		order, errno := c.kcmp(pid, kcmpFile, uint32(c.Args[0]), uintptr(fd))
		switch {
		case errno == unix.EBADF, errno == unix.ESRCH:
		case errno != 0 || order == 0:
			return true
		}
	}
	return false
}
