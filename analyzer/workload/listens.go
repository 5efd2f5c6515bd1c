package workload

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// listens reports whether a container's process listens on a socket that was bound
// to this path. pid is the container's first process. While it is recorded it has
// the machine's network, and with it the list of all sockets there: the path of one
// of the host's is another file.
func listens(pid int, name string) bool {
	table, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/unix", pid))
	if err != nil || !isBound(string(table), name) {
		return false
	}
	return slices.ContainsFunc(withChildren(pid), func(pid int) bool { return hasListener(pid, name) })
}

// isBound reports whether /proc/net/unix has a socket that listens at a path; see
// proc_net_unix(5).
func isBound(table, name string) bool {
	const acceptCon = "00010000" // __SO_ACCEPTCON of linux/net.h
	for line := range strings.Lines(table) {
		// Num, RefCount, Protocol, Flags, Type, St, Inode and Path, which can have
		// spaces; no number before the inode's is without a zero in front.
		f := strings.Fields(line)
		if len(f) < 8 || f[3] != acceptCon {
			continue
		}
		if _, bound, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " "+f[6]+" "); bound == name {
			return true
		}
	}
	return false
}

// hasListener reports whether a process has such a socket among its first
// descriptors. Their list in /proc is closed to the owner of the container's user
// namespace, where the process has another id; the descriptors are not.
func hasListener(pid int, name string) bool {
	process, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return false // it has ended
	}
	defer unix.Close(process)
	for n := range maxOpen {
		fd, err := unix.PidfdGetfd(process, n, 0)
		switch {
		case errors.Is(err, unix.EBADF):
			continue
		case err != nil:
			return false
		}
		listens, _ := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN)
		address, _ := unix.Getsockname(fd)
		// A container can have the last close of a connection wait (SO_LINGER),
		// and close its own meanwhile: nobody waits for this one.
		go unix.Close(fd)
		if bound, ok := address.(*unix.SockaddrUnix); ok && listens == 1 && bound.Name == name {
			return true
		}
	}
	return false
}

// maxOpen and maxProcesses bound the work in a container full of descriptors or
// processes.
const (
	maxOpen      = 1024
	maxProcesses = 256
)

// withChildren returns a process and those that it and its children have started
// (proc_pid_task(5), children).
func withChildren(pid int) []int {
	all := []int{pid}
	for at := 0; at < len(all) && len(all) < maxProcesses; at++ {
		tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", all[at]))
		if err != nil {
			continue
		}
		for _, t := range tasks {
			list, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/children", all[at], t.Name()))
			if err != nil {
				continue
			}
			for _, field := range strings.Fields(string(list)) {
				if child, err := strconv.Atoi(field); err == nil {
					all = append(all, child)
				}
			}
		}
	}
	return all
}
