package cgroup

import (
	"os"
	"strconv"
	"strings"
	"time"
)

// NewName returns a name for a group that no other has: it holds the calling
// process's id, by which [Sweep] knows whom it belongs to, and the time.
func NewName() string {
	return "lpm-" + strconv.Itoa(os.Getpid()) + "-" + strconv.FormatInt(time.Now().UnixNano(), 36)
}

// launcher returns the id of the process that gave a group its name.
func launcher(name string) (pid int, ok bool) {
	rest, ours := strings.CutPrefix(name, "lpm-")
	number, moment, dash := strings.Cut(rest, "-")
	pid, err := strconv.Atoi(number)
	if !ours || !dash || err != nil || pid <= 0 || strconv.Itoa(pid) != number {
		return 0, false
	}
	_, err = strconv.ParseInt(moment, 36, 64)
	return pid, err == nil
}
