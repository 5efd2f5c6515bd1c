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
// never. They are in the normal level too, and no record has more of them than
// that they were made; they are allowed inside the kernel while recording. A
// proposal has those that the image's code can make, and all of them where some
// of that code could not be read. One of them reaches beyond the process and
// its descriptors: by fcntl(2) with F_SETOWN a program has signals sent to
// others of its own user.
var hot = [...]string{
	"epoll_ctl", "fcntl", "fstat", "nanosleep", "pread64", "pwrite64", "rt_sigaction", "sigaltstack",
}

// starting are calls by which a C library, or the runtime of Go, starts each
// process and thread. They are as hot. Some libraries come to them by pointers
// that nothing follows, so that a proposal has them too where the image's code
// makes calls that cannot be told.
var starting = [...]string{"arch_prctl", "rseq", "set_robust_list", "set_tid_address"}

// hotVariants are forms of calls that are too frequent where their other forms
// tell something: tgkill(2) with a signal that is ignored unless it is asked
// for, by which the runtime of Go interrupts its own threads; recvfrom(2) by
// those who do not ask for the sender, as resolvers do; newfstatat(2) as C
// libraries make fstat of it, with an empty path; and prlimit64(2) by which a
// limit is asked for and none set.
func hotVariants() []manifest.Syscall {
	return []manifest.Syscall{
		{Name: "newfstatat", When: []manifest.Condition{{Arg: 3, OneOf: []string{"0x1000"}}}}, // AT_EMPTY_PATH
		{Name: "prlimit64", When: []manifest.Condition{{Arg: 2, OneOf: []string{"0"}}}},
		{Name: "recvfrom", When: []manifest.Condition{{Arg: 4, OneOf: []string{"0"}}}},
		{Name: "tgkill", When: []manifest.Condition{{Arg: 2, OneOf: []string{"23"}}}}, // SIGURG
	}
}

// rare is what every program may come to make and few runs show. tgkill(2)
// is how abort(3) ends a program, and how the runtime of Go stops a thread that
// has run for too long, which on a quiet machine none does. Records show its
// other signals, for they can also be sent to others.
var rare = [...]string{"tgkill"}

// Baseline returns the names of the calls that every program needs, sorted as
// declared. Those that the architecture does not have are left out.
func Baseline(architecture string) []string { return existing(architecture, baseline[:]) }

// Unwatched returns the calls that the filter of a recording lets through
// without a notice: the baseline, and those that are too frequent.
func Unwatched(architecture string) []manifest.Syscall {
	var calls []manifest.Syscall
	for _, list := range [][]string{baseline[:], hot[:], starting[:]} {
		for _, name := range existing(architecture, list) {
			calls = append(calls, manifest.Syscall{Name: name})
		}
	}
	return append(calls, hotVariants()...)
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
