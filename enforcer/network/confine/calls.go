package confine

import (
	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/enforcer/filter/bpf"
)

// allowed are the calls that this process may make: those of the Go runtime, and
// those for the descriptors and sockets that it has and makes. There is no call
// among them that opens, makes or changes a file by its name, executes, or names
// another process.
func allowed(pid uint32) []bpf.Rule {
	var rules []bpf.Rule
	for _, number := range []int32{
		// Memory and threads.
		unix.SYS_MUNMAP, unix.SYS_MADVISE, unix.SYS_MINCORE, unix.SYS_BRK,
		unix.SYS_FUTEX, unix.SYS_SCHED_YIELD, unix.SYS_SCHED_GETAFFINITY, unix.SYS_GETTID, unix.SYS_GETPID,
		unix.SYS_EXIT, unix.SYS_EXIT_GROUP, unix.SYS_RESTART_SYSCALL,
		unix.SYS_SET_ROBUST_LIST, unix.SYS_RSEQ, // of a C library's threads
		// Signals that come.
		unix.SYS_RT_SIGACTION, unix.SYS_RT_SIGPROCMASK, unix.SYS_RT_SIGRETURN, unix.SYS_SIGALTSTACK,
		// Time, chance, and who one is.
		unix.SYS_NANOSLEEP, unix.SYS_CLOCK_NANOSLEEP, unix.SYS_CLOCK_GETTIME, unix.SYS_GETTIMEOFDAY,
		unix.SYS_GETRANDOM, unix.SYS_UNAME, unix.SYS_GETUID, unix.SYS_GETEUID, unix.SYS_GETGID, unix.SYS_GETEGID,
		// Descriptors, and the state of files: the resolver sees by it that one
		// has changed.
		unix.SYS_READ, unix.SYS_WRITE, unix.SYS_READV, unix.SYS_WRITEV, unix.SYS_PREAD64, unix.SYS_CLOSE, unix.SYS_LSEEK,
		unix.SYS_FSTAT, unix.SYS_NEWFSTATAT, unix.SYS_PIPE2, unix.SYS_SPLICE,
		unix.SYS_EPOLL_CREATE1, unix.SYS_EPOLL_CTL, unix.SYS_EPOLL_PWAIT, unix.SYS_EVENTFD2,
		// Sockets.
		unix.SYS_BIND, unix.SYS_CONNECT, unix.SYS_LISTEN, unix.SYS_ACCEPT4, unix.SYS_SHUTDOWN,
		unix.SYS_GETSOCKNAME, unix.SYS_GETPEERNAME, unix.SYS_GETSOCKOPT, unix.SYS_SETSOCKOPT,
		unix.SYS_SENDTO, unix.SYS_RECVFROM, unix.SYS_SENDMSG, unix.SYS_RECVMSG,
	} {
		rules = append(rules, bpf.Rule{Number: number})
	}
	return append(rules, conditional(pid)...)
}

// conditional are the calls that depend on their arguments.
func conditional(pid uint32) []bpf.Rule {
	one := func(index int, values ...uint32) bpf.Arg { return bpf.Arg{Index: index, Values: values} }
	// What must not be among the bits: memory that can be executed, a process
	// of its own, a new namespace.
	data := bpf.Arg{Index: 2, Mask: unix.PROT_EXEC, Values: []uint32{0}}
	const spaces = unix.CLONE_NEWTIME | unix.CLONE_NEWNS | unix.CLONE_NEWCGROUP | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC |
		unix.CLONE_NEWUSER | unix.CLONE_NEWPID | unix.CLONE_NEWNET
	thread := bpf.Arg{Index: 0, Mask: unix.CLONE_THREAD | spaces, Values: []uint32{unix.CLONE_THREAD}}
	// Neither raw sockets, nor Unix ones: a process of the user's that listens
	// at a path would do what it is asked.
	usual := bpf.Arg{Index: 1, Mask: 0xf, Values: []uint32{unix.SOCK_STREAM, unix.SOCK_DGRAM}}
	return []bpf.Rule{
		{Number: unix.SYS_MMAP, Args: []bpf.Arg{data}},
		{Number: unix.SYS_MPROTECT, Args: []bpf.Arg{data}},
		{Number: unix.SYS_CLONE, Args: []bpf.Arg{thread}},
		{Number: unix.SYS_TGKILL, Args: []bpf.Arg{one(0, pid)}},
		{Number: unix.SYS_KILL, Args: []bpf.Arg{one(0, pid)}},
		{Number: unix.SYS_PRCTL, Args: []bpf.Arg{one(0, unix.PR_SET_VMA)}}, // names memory
		{Number: unix.SYS_FCNTL, Args: []bpf.Arg{one(1, unix.F_GETFD, unix.F_SETFD, unix.F_GETFL, unix.F_SETFL,
			unix.F_DUPFD_CLOEXEC, unix.F_GETPIPE_SZ, unix.F_SETPIPE_SZ)}},
		{Number: unix.SYS_IOCTL, Args: []bpf.Arg{one(1, unix.TIOCINQ)}},
		{Number: unix.SYS_SOCKET, Args: []bpf.Arg{one(0, unix.AF_INET, unix.AF_INET6), usual}},
		// The machine's addresses are asked for.
		{Number: unix.SYS_SOCKET, Args: []bpf.Arg{one(0, unix.AF_NETLINK), one(2, unix.NETLINK_ROUTE)}},
	}
}
