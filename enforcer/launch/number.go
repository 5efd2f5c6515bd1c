package launch

import "golang.org/x/sys/unix"

// number returns the system call's number. Only the calls that plans are made
// of are known, so that a plan cannot name one by surprise.
func number(call string) (uintptr, bool) {
	switch call {
	case "bind":
		return unix.SYS_BIND, true
	case "capset":
		return unix.SYS_CAPSET, true
	case "chdir":
		return unix.SYS_CHDIR, true
	case "clone":
		return unix.SYS_CLONE, true
	case "close":
		return unix.SYS_CLOSE, true
	case "close_range":
		return unix.SYS_CLOSE_RANGE, true
	case "dup3":
		return unix.SYS_DUP3, true
	case "execveat":
		return unix.SYS_EXECVEAT, true
	case "exit_group":
		return unix.SYS_EXIT_GROUP, true
	case "fchownat":
		return unix.SYS_FCHOWNAT, true
	case "fchdir":
		return unix.SYS_FCHDIR, true
	case "fcntl":
		return unix.SYS_FCNTL, true
	case "fsconfig":
		return unix.SYS_FSCONFIG, true
	case "fsmount":
		return unix.SYS_FSMOUNT, true
	case "fsopen":
		return unix.SYS_FSOPEN, true
	case "ioctl":
		return unix.SYS_IOCTL, true
	case "keyctl":
		return unix.SYS_KEYCTL, true
	case "kill":
		return unix.SYS_KILL, true
	case "landlock_add_rule":
		return unix.SYS_LANDLOCK_ADD_RULE, true
	case "landlock_create_ruleset":
		return unix.SYS_LANDLOCK_CREATE_RULESET, true
	case "landlock_restrict_self":
		return unix.SYS_LANDLOCK_RESTRICT_SELF, true
	case "mkdirat":
		return unix.SYS_MKDIRAT, true
	case "mount":
		return unix.SYS_MOUNT, true
	case "mount_setattr":
		return unix.SYS_MOUNT_SETATTR, true
	case "move_mount":
		return unix.SYS_MOVE_MOUNT, true
	case "open_tree":
		return unix.SYS_OPEN_TREE, true
	case "openat":
		return unix.SYS_OPENAT, true
	case "openat2":
		return unix.SYS_OPENAT2, true
	case "pidfd_send_signal":
		return unix.SYS_PIDFD_SEND_SIGNAL, true
	case "pivot_root":
		return unix.SYS_PIVOT_ROOT, true
	case "prctl":
		return unix.SYS_PRCTL, true
	case "prlimit64":
		return unix.SYS_PRLIMIT64, true
	case "read":
		return unix.SYS_READ, true
	case "rt_sigprocmask":
		return unix.SYS_RT_SIGPROCMASK, true
	case "rt_sigtimedwait":
		return unix.SYS_RT_SIGTIMEDWAIT, true
	case "sendto":
		return unix.SYS_SENDTO, true
	case "setsockopt":
		return unix.SYS_SETSOCKOPT, true
	case "seccomp":
		return unix.SYS_SECCOMP, true
	case "setgroups":
		return unix.SYS_SETGROUPS, true
	case "sethostname":
		return unix.SYS_SETHOSTNAME, true
	case "setns":
		return unix.SYS_SETNS, true
	case "setresgid":
		return unix.SYS_SETRESGID, true
	case "setresuid":
		return unix.SYS_SETRESUID, true
	case "setsid":
		return unix.SYS_SETSID, true
	case "socket":
		return unix.SYS_SOCKET, true
	case "umask":
		return unix.SYS_UMASK, true
	case "umount2":
		return unix.SYS_UMOUNT2, true
	case "unshare":
		return unix.SYS_UNSHARE, true
	case "wait4":
		return unix.SYS_WAIT4, true
	case "write":
		return unix.SYS_WRITE, true
	}
	return 0, false
}
