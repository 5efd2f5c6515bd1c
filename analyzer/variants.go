package analyzer

import "strings"

// variants are the calls that do the same in another form: each line's calls
// give a program that may make one of them nothing more by the others. Which
// of them a libc makes depends on its release, its architecture and the
// kernel it finds, so a proposal has the others where the image's code can
// make them.
var variants = [...]string{
	// Files, by path and relative to a folder.
	"open openat openat2",
	"stat lstat fstat newfstatat statx",
	"statfs fstatfs",
	"access faccessat faccessat2",
	"readlink readlinkat",
	"getdents getdents64",
	"unlink rmdir unlinkat",
	"rename renameat renameat2",
	"mkdir mkdirat",
	"link linkat",
	"symlink symlinkat",
	"mknod mknodat",
	"chmod fchmod fchmodat fchmodat2",
	"chown fchown lchown fchownat",
	"truncate ftruncate",
	"utime utimes futimesat utimensat",

	// Input and output at a place of a file or in pieces: no more than lseek,
	// read and write of the baseline.
	"pread64 pwrite64 preadv pwritev preadv2 pwritev2",
	"readv writev",
	"fsync fdatasync",

	// Descriptors.
	"dup dup2 dup3",
	"pipe pipe2",
	"eventfd eventfd2",
	"signalfd signalfd4",
	"inotify_init inotify_init1",
	"epoll_create epoll_create1",

	// Waiting.
	"poll ppoll",
	"select pselect6",
	"epoll_wait epoll_pwait epoll_pwait2",
	"nanosleep clock_nanosleep",
	"pause rt_sigsuspend",
	"alarm setitimer",

	// Processes.
	"fork vfork clone",
	"wait4 waitid",
	"tkill tgkill",
	"getpgrp getpgid",
	"getrlimit prlimit64",
	"setrlimit prlimit64",
	"setuid setreuid setresuid",
	"setgid setregid setresgid",

	// Sockets.
	"accept accept4",
	"getsockname getpeername",
	"recvfrom recvmsg recvmmsg",
	"sendto sendmsg sendmmsg",

	// Time.
	"time gettimeofday clock_gettime",
}

// variantsOf returns the other calls of all lines that have the given one.
func variantsOf(name string) []string {
	var others []string
	for _, v := range variants {
		calls := strings.Fields(v)
		member := false
		for _, c := range calls {
			member = member || c == name
		}
		for _, c := range calls {
			if member && c != name {
				others = append(others, c)
			}
		}
	}
	return others
}
