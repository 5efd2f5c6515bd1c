package analyzer

import "github.com/least-privilege/lpm/manifest"

// baseline is in three parts: what a program cannot start, take a signal or
// end without; what touches only descriptors it already holds and is made too
// often to be watched; and the same for time and locks. All are in the normal
// protection level. They are allowed inside the kernel while recording, so no
// record shows them, and every proposal has them.
var baseline = [...]string{
	"brk", "exit", "exit_group", "mmap", "mprotect", "munmap",
	"restart_syscall", "rt_sigprocmask", "rt_sigreturn",

	"close", "epoll_pwait", "epoll_wait", "lseek", "read", "write",

	"clock_gettime", "futex", "getpid", "gettimeofday", "madvise",
	"sched_yield",
}

// unwatched is what every program may come to make and few runs show. tgkill(2)
// is how abort(3) ends a program, and how the runtime of Go stops a thread that
// has run for too long, which on a quiet machine none does. Records show it, for
// it can also be sent to others.
var unwatched = [...]string{"tgkill"}

// Baseline returns the names of the calls that the filter of a recording lets
// through without a notice, sorted as declared. Those that the architecture
// does not have are left out.
func Baseline(architecture string) []string {
	var names []string
	for _, name := range baseline {
		if _, ok := manifest.LookupSyscall(architecture, name); ok {
			names = append(names, name)
		}
	}
	return names
}
