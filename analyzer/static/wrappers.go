package static

import "strings"

// wrapper says which system calls functions of a C library make, on either
// architecture and for any release of glibc since 2.28 and of musl since 1.2:
// the tables of package manifest leave out those that an architecture does not
// have. Calls in musl are made by musl alone, which prefers the oldest form
// of a call where there are several. Of "mkdir|mkdirat" it is the first that
// the architecture has.
type wrapper struct{ functions, calls, musl string }

// wrappers has the functions whose name is not the call's. Where libraries or
// releases differ, all that one of them does is listed.
var wrappers = [...]wrapper{
	// Files.
	{"open open64 openat64 fopen fopen64 freopen freopen64 shm_open mkstemp mkstemp64 mkostemp mkostemp64 mkstemps tmpfile tmpfile64", "openat", "open"},
	{"creat creat64", "openat creat", "open"},
	{"openat open_2 open64_2 openat_2 openat64_2", "openat", "open"},
	{"stat stat64 fstatat fstatat64 fxstatat fxstatat64", "newfstatat", "stat statx"},
	{"xstat xstat64", "newfstatat stat", ""},
	{"lstat lstat64", "newfstatat", "lstat statx"},
	{"lxstat lxstat64", "newfstatat lstat", ""},
	{"fstat fstat64 fxstat fxstat64", "fstat newfstatat", "statx"},
	{"opendir fdopendir scandir scandir64 scandirat nftw nftw64 ftw ftw64 fts_open glob glob64", "openat fstat newfstatat getdents64", "open"},
	{"readdir readdir64 readdir_r readdir64_r fts_read", "getdents64", ""},
	{"access", "access|faccessat", ""},
	{"euidaccess eaccess faccessat", "faccessat faccessat2", ""},
	{"unlink", "unlink|unlinkat", ""},
	{"rmdir", "rmdir|unlinkat", ""},
	{"remove", "unlink|unlinkat rmdir|unlinkat", ""},
	{"rename", "rename|renameat renameat2", ""},
	{"renameat", "renameat renameat2", ""},
	{"mkdir mkdtemp", "mkdir|mkdirat", ""},
	{"mknod mknodat mkfifo mkfifoat xmknod xmknodat", "mknod mknodat", ""},
	{"link", "link|linkat", ""},
	{"symlink", "symlink|symlinkat", ""},
	{"readlink readlink_chk realpath realpath_chk canonicalize_file_name", "readlink|readlinkat", ""},
	{"chmod", "chmod|fchmodat", ""},
	{"fchmodat lchmod", "fchmodat fchmodat2", ""},
	{"chown", "chown|fchownat", ""},
	{"lchown", "lchown|fchownat", ""},
	{"utime utimes utimensat futimens futimes lutimes futimesat", "utime utimes utimensat futimesat", ""},
	{"truncate truncate64", "truncate", ""},
	{"ftruncate ftruncate64", "ftruncate", ""},
	{"pread pread64 pread_chk pread64_chk", "pread64", ""},
	{"pwrite pwrite64", "pwrite64", ""},
	{"preadv preadv64", "preadv", ""},
	{"pwritev pwritev64", "pwritev", ""},
	{"preadv2 preadv64v2", "preadv2 preadv", ""},
	{"pwritev2 pwritev64v2", "pwritev2 pwritev", ""},
	{"lseek64 fseek fseeko ftell rewind", "lseek", ""},
	{"sendfile64", "sendfile", ""},
	{"fallocate64 posix_fallocate posix_fallocate64", "fallocate", ""},
	{"posix_fadvise posix_fadvise64", "fadvise64", ""},
	{"statfs64 statvfs statvfs64", "statfs", ""},
	{"fstatfs64 fstatvfs fstatvfs64", "fstatfs", ""},
	{"fcntl fcntl64 lockf lockf64", "fcntl", ""},
	{"dup2", "dup2|dup3", ""},
	{"pipe", "pipe pipe2", ""},
	{"fdatasync", "fdatasync", ""},
	{"isatty tcgetattr tcsetattr ttyname ttyname_r tcgetpgrp tcsetpgrp", "ioctl", ""},
	{"flock", "flock", ""},

	// Waiting.
	{"poll poll_chk", "poll|ppoll", ""},
	{"ppoll ppoll_chk", "ppoll", ""},
	{"select pselect", "select pselect6", ""},
	{"epoll_create", "epoll_create|epoll_create1", ""},
	{"epoll_wait", "epoll_wait|epoll_pwait", ""},
	{"epoll_pwait2", "epoll_pwait2", ""},
	{"eventfd", "eventfd2", "eventfd"},
	{"signalfd", "signalfd4", "signalfd"},
	{"inotify_init", "inotify_init1", "inotify_init"},

	// Processes and signals.
	{"fork posix_spawn posix_spawnp popen system forkpty daemon wordexp", "clone clone3", "fork"},
	{"vfork", "vfork clone", "fork"},
	{"pthread_create thrd_create", "clone clone3", ""},
	{"execl execle execlp execv execvp execvpe fexecve posix_spawn posix_spawnp popen system", "execve", ""},
	{"fexecve", "execveat", ""},
	{"wait wait3 waitpid pclose system", "wait4", ""},
	{"waitid", "waitid", ""},
	{"raise pthread_kill abort", "tgkill", "tkill"},
	{"killpg", "kill", ""},
	{"sigqueue", "rt_sigqueueinfo", ""},
	{"signal bsd_signal sysv_signal sigaction sigset", "rt_sigaction", ""},
	{"sigprocmask pthread_sigmask sigblock sigsetmask", "rt_sigprocmask", ""},
	{"sigsuspend", "rt_sigsuspend", ""},
	{"sigpending", "rt_sigpending", ""},
	{"sigwait sigwaitinfo sigtimedwait", "rt_sigtimedwait", ""},
	{"pause", "pause|ppoll", ""},
	{"alarm", "alarm|setitimer", ""},
	{"getpgrp", "getpgrp|getpgid", ""},
	{"setpgrp", "setpgid", ""},
	{"nice", "getpriority setpriority", ""},
	{"getrlimit getrlimit64", "prlimit64", "getrlimit"},
	{"setrlimit setrlimit64", "prlimit64", "setrlimit"},
	{"prlimit", "prlimit64", ""},
	{"seteuid", "setresuid", ""},
	{"setegid", "setresgid", ""},
	{"initgroups", "setgroups", ""},
	{"sched_getaffinity pthread_getaffinity_np get_nprocs", "sched_getaffinity", ""},
	{"sched_setaffinity pthread_setaffinity_np", "sched_setaffinity", ""},
	{"getrandom getentropy arc4random", "getrandom", ""},

	// Time.
	{"time", "time", ""},
	{"clock_gettime timespec_get", "clock_gettime", ""},
	{"nanosleep sleep usleep clock_nanosleep thrd_sleep", "nanosleep clock_nanosleep", ""},

	// Network.
	{"accept", "accept", ""},
	{"recv recvfrom recv_chk recvfrom_chk", "recvfrom", ""},
	{"send sendto", "sendto", ""},
	{"getaddrinfo gethostbyname gethostbyname2 gethostbyname_r getnameinfo gethostbyaddr res_query res_search res_nquery", "socket connect sendto sendmmsg recvfrom recvmsg poll|ppoll bind getsockname", ""},
	{"syslog vsyslog openlog", "socket connect sendto", ""},
	{"getpwnam getpwuid getgrnam getgrgid getpwnam_r getpwuid_r getgrnam_r getgrgid_r getgrouplist initgroups", "openat socket connect", "open"},
}

// wrapperTable indexes the wrappers by function.
func wrapperTable() map[string][]wrapper {
	table := map[string][]wrapper{}
	for _, w := range wrappers {
		for _, f := range strings.Fields(w.functions) {
			table[f] = append(table[f], w)
		}
	}
	return table
}

// callsOf returns the calls behind an imported function: those of every C
// library, and those of musl alone. Internal names such as __poll_chk and
// __xstat64 are those of the public ones with underscores before them. A
// function that is not in the table may be named as its call.
func callsOf(table map[string][]wrapper, symbol string) (calls, musl []string) {
	symbol, _, _ = strings.Cut(symbol, "@")
	name := strings.TrimLeft(symbol, "_")
	lines, ok := table[name]
	if !ok {
		return []string{name, strings.TrimSuffix(name, "64"), strings.TrimSuffix(name, "_chk")}, nil
	}
	for _, w := range lines {
		calls = append(calls, strings.Fields(w.calls)...)
		musl = append(musl, strings.Fields(w.musl)...)
	}
	return calls, musl
}
