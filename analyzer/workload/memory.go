package workload

import (
	"bytes"
	"os"
	"runtime/debug"
	"strconv"

	"golang.org/x/sys/unix"
)

// The peak of a process that came and went between two samples is what the
// kernel tells of it at its end, as ru_maxrss. But the container's first process
// was one with lpm until it executed its program, and begins with lpm's peak
// (fs/exec.c, exec_mmap), so that only what is above that is its own.

// lower gives back what memory lpm no longer needs and has the kernel forget its
// peak (proc_pid_clear_refs(5)); where it cannot, the peak is just higher.
func lower() {
	debug.FreeOSMemory()
	_ = os.WriteFile("/proc/self/clear_refs", []byte("5"), 0)
}

// rarely is how much lpm's heap may grow while the container runs before it is
// collected, in percent: a recorder allocates a little for each call and keeps
// next to nothing of it, and the container waits meanwhile.
const rarely = 800

// highest returns lpm's peak since then, in bytes.
func highest() int64 {
	status, err := os.ReadFile("/proc/self/status")
	if err == nil {
		_, rest, _ := bytes.Cut(status, []byte("\nVmHWM:"))
		if fields := bytes.Fields(rest); len(fields) > 0 {
			if kib, err := strconv.ParseInt(string(fields[0]), 10, 64); err == nil {
				return kib << 10
			}
		}
	}
	var own unix.Rusage
	_ = unix.Getrusage(unix.RUSAGE_SELF, &own) // cannot fail: both arguments are valid
	return own.Maxrss << 10
}
