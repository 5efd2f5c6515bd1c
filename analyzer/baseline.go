package analyzer

import "github.com/least-privilege/lpm/manifest"

// baseline is what a program cannot start, take a signal or end without, and
// what touches only descriptors it already holds, its memory, locks and the
// time. All are in the normal protection level. They are allowed inside the
// kernel while recording, so no record shows them, and every proposal has them.
var baseline = [...]string{
	"brk", "exit", "exit_group", "mmap", "mprotect", "munmap",
	"restart_syscall", "rt_sigprocmask", "rt_sigreturn",

	"close", "epoll_pwait", "epoll_wait", "lseek", "read", "write",

	"clock_gettime", "futex", "getpid", "gettimeofday", "madvise",
	"sched_yield",
}

// hot are calls that some programs make too often to be watched, and others
// never. They are in the normal level too, name nothing outside of the process
// that its descriptors do not, and are allowed inside the kernel while
// recording; a proposal has those that the image's code can make, or may be
// able to.
var hot = [...]string{"epoll_ctl", "fcntl", "nanosleep", "rt_sigaction"}

// rare is what every program may come to make and few runs show. tgkill(2)
// is how abort(3) ends a program, and how the runtime of Go stops a thread that
// has run for too long, which on a quiet machine none does. Records show it, for
// it can also be sent to others.
var rare = [...]string{"tgkill"}

// Baseline returns the names of the calls that every program needs, sorted as
// declared. Those that the architecture does not have are left out.
func Baseline(architecture string) []string { return existing(architecture, baseline[:]) }

// Unwatched returns the names of the calls that the filter of a recording lets
// through without a notice: the baseline, and those that are too frequent.
func Unwatched(architecture string) []string {
	return append(Baseline(architecture), existing(architecture, hot[:])...)
}

func existing(architecture string, calls []string) []string {
	var names []string
	for _, name := range calls {
		if _, ok := manifest.LookupSyscall(architecture, name); ok {
			names = append(names, name)
		}
	}
	return names
}
