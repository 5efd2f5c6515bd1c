package front

import (
	"bytes"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// isJob reports whether this process is part of a job of a shell: somebody in
// its session is there to go on with what Ctrl-Z has stopped. Otherwise the
// kernel does not let a terminal stop it, and neither must lpm.
func isJob() bool {
	group := unix.Getpgrp()
	session, err := unix.Getsid(0)
	for pid := os.Getppid(); err == nil && pid > 0; pid, err = parent(pid) {
		above, errGroup := unix.Getpgid(pid)
		in, errSession := unix.Getsid(pid)
		if errGroup != nil || errSession != nil || in != session {
			return false
		}
		if above != group {
			return true
		}
	}
	return false
}

// parent returns the id of a process's parent.
func parent(pid int) (int, error) {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0, err
	}
	// The name may have spaces and brackets in it (proc_pid_stat(5)).
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 2 {
		return 0, fmt.Errorf("/proc/%d/stat has %d fields", pid, len(fields))
	}
	return strconv.Atoi(string(fields[1]))
}
