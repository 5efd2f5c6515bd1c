package static

import "strings"

// wrapper says which system calls functions of glibc or musl make, on either
// architecture and for any release: the tables of package manifest leave out
// those that an architecture does not have.
type wrapper struct{ functions, calls string }

// wrappers has the functions whose name is not the call's. Where libraries or
// releases differ, all that one of them does is listed.
var wrappers = [...]wrapper{
	// Files.
	{"open open64 openat64 fopen fopen64 freopen freopen64 shm_open mkstemp mkstemp64 mkostemp mkostemp64 mkstemps tmpfile tmpfile64", "open openat"},
	{"creat creat64", "open openat creat"},
	{"openat open_2 open64_2 openat_2 openat64_2", "openat open"},
	{"stat stat64 fstatat fstatat64 xstat xstat64 fxstatat fxstatat64", "stat newfstatat statx"},
	{"lstat lstat64 lxstat lxstat64", "lstat newfstatat statx"},
	{"fstat fstat64 fxstat fxstat64", "fstat newfstatat statx"},
	{"opendir fdopendir scandir scandir64 scandirat nftw nftw64 ftw ftw64 fts_open glob glob64", "openat open fstat newfstatat getdents64"},
	{"readdir readdir64 readdir_r readdir64_r fts_read", "getdents64 getdents"},
	{"access euidaccess eaccess faccessat", "access faccessat faccessat2"},
	{"unlink unlinkat", "unlink unlinkat"},
	{"rmdir", "rmdir unlinkat"},
	{"remove", "unlink rmdir unlinkat"},
	{"rename renameat renameat2", "rename renameat renameat2"},
	{"mkdir mkdirat mkdtemp", "mkdir mkdirat"},
	{"mknod mknodat mkfifo mkfifoat xmknod xmknodat", "mknod mknodat"},
	{"link linkat", "link linkat"},
	{"symlink symlinkat", "symlink symlinkat"},
	{"readlink readlinkat readlink_chk realpath realpath_chk canonicalize_file_name", "readlink readlinkat"},
	{"chmod fchmodat lchmod", "chmod fchmodat fchmodat2"},
	{"chown fchownat", "chown fchownat"},
	{"lchown", "lchown fchownat"},
	{"utime utimes utimensat futimens futimes lutimes futimesat", "utime utimes utimensat futimesat"},
	{"truncate truncate64", "truncate"},
	{"ftruncate ftruncate64", "ftruncate"},
	{"pread pread64 pread_chk pread64_chk", "pread64"},
	{"pwrite pwrite64", "pwrite64"},
	{"preadv preadv64", "preadv"},
	{"pwritev pwritev64", "pwritev"},
	{"preadv2 preadv64v2", "preadv2 preadv"},
	{"pwritev2 pwritev64v2", "pwritev2 pwritev"},
	{"lseek64 fseek fseeko ftell rewind", "lseek"},
	{"sendfile64", "sendfile"},
	{"fallocate64 posix_fallocate posix_fallocate64", "fallocate"},
	{"posix_fadvise posix_fadvise64", "fadvise64"},
	{"statfs64 statvfs statvfs64", "statfs"},
	{"fstatfs64 fstatvfs fstatvfs64", "fstatfs"},
	{"fcntl fcntl64 lockf lockf64", "fcntl"},
	{"dup2", "dup2 dup3"},
	{"pipe", "pipe pipe2"},
	{"fdatasync", "fdatasync"},
	{"isatty tcgetattr tcsetattr ttyname ttyname_r tcgetpgrp tcsetpgrp", "ioctl"},
	{"flock", "flock"},

	// Waiting.
	{"poll poll_chk", "poll ppoll"},
	{"ppoll ppoll_chk", "ppoll"},
	{"select pselect", "select pselect6"},
	{"epoll_create", "epoll_create epoll_create1"},
	{"epoll_wait", "epoll_wait epoll_pwait"},
	{"epoll_pwait2", "epoll_pwait2"},
	{"eventfd", "eventfd eventfd2"},
	{"signalfd", "signalfd signalfd4"},
	{"inotify_init", "inotify_init inotify_init1"},

	// Processes and signals.
	{"fork vfork posix_spawn posix_spawnp popen system forkpty daemon wordexp", "clone clone3 fork vfork"},
	{"pthread_create thrd_create", "clone clone3"},
	{"execl execle execlp execv execvp execvpe fexecve posix_spawn posix_spawnp popen system", "execve"},
	{"fexecve", "execveat"},
	{"wait wait3 waitpid pclose system", "wait4"},
	{"waitid", "waitid"},
	{"raise pthread_kill abort", "tgkill tkill"},
	{"killpg", "kill"},
	{"sigqueue", "rt_sigqueueinfo"},
	{"signal bsd_signal sysv_signal sigaction sigset", "rt_sigaction"},
	{"sigprocmask pthread_sigmask sigblock sigsetmask", "rt_sigprocmask"},
	{"sigsuspend", "rt_sigsuspend"},
	{"sigpending", "rt_sigpending"},
	{"sigwait sigwaitinfo sigtimedwait", "rt_sigtimedwait"},
	{"pause", "pause ppoll"},
	{"alarm", "alarm setitimer"},
	{"getpgrp", "getpgrp getpgid"},
	{"setpgrp", "setpgid"},
	{"nice", "getpriority setpriority"},
	{"getrlimit getrlimit64", "getrlimit prlimit64"},
	{"setrlimit setrlimit64", "setrlimit prlimit64"},
	{"prlimit", "prlimit64"},
	{"setuid seteuid setreuid setresuid", "setuid setreuid setresuid"},
	{"setgid setegid setregid setresgid", "setgid setregid setresgid"},
	{"initgroups", "setgroups"},
	{"sched_getaffinity pthread_getaffinity_np get_nprocs", "sched_getaffinity"},
	{"sched_setaffinity pthread_setaffinity_np", "sched_setaffinity"},
	{"getrandom getentropy arc4random", "getrandom"},

	// Time.
	{"time", "time"},
	{"clock_gettime timespec_get", "clock_gettime"},
	{"nanosleep sleep usleep clock_nanosleep thrd_sleep", "nanosleep clock_nanosleep"},

	// Network.
	{"accept", "accept"},
	{"recv recvfrom recv_chk recvfrom_chk", "recvfrom"},
	{"send sendto", "sendto"},
	{"getaddrinfo gethostbyname gethostbyname2 gethostbyname_r getnameinfo gethostbyaddr res_query res_search res_nquery",
		"socket connect sendto sendmmsg recvfrom recvmsg poll ppoll bind getsockname"},
	{"syslog vsyslog openlog", "socket connect sendto"},
	{"getpwnam getpwuid getgrnam getgrgid getpwnam_r getpwuid_r getgrnam_r getgrgid_r getgrouplist initgroups", "openat open socket connect"},
}

// wrapperTable indexes the wrappers by function.
func wrapperTable() map[string][]string {
	table := map[string][]string{}
	for _, w := range wrappers {
		calls := strings.Fields(w.calls)
		for _, f := range strings.Fields(w.functions) {
			table[f] = append(table[f], calls...)
		}
	}
	return table
}

// callsOf returns the calls behind an imported function. Internal names such
// as __poll_chk and __xstat64 are those of the public ones with underscores
// before them. A function that is not in the table may be named as its call.
func callsOf(table map[string][]string, symbol string) []string {
	symbol, _, _ = strings.Cut(symbol, "@")
	name := strings.TrimLeft(symbol, "_")
	if calls, ok := table[name]; ok {
		return calls
	}
	return []string{name, strings.TrimSuffix(name, "64"), strings.TrimSuffix(name, "_chk")}
}
