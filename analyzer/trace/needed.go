package trace

import (
	"slices"

	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/manifest"
)

// The kernel looks for some capabilities although the call does not need them:
// the check comes before the question whether it matters, or a failure only
// takes an advantage away. The tracepoint does not tell these from others
// (CAP_OPT_NOAUDIT is not among its arguments), but the call does.

// needed reports whether a passed check says that a call needs the capability.
// took tells whether a process has switched to an id that was not its own.
func needed(capability uint32, call string, args [2]uint64, took func(kind string, id uint32) bool) bool {
	switch capability {
	case unix.CAP_SETUID:
		// kernel/sys.c, __sys_setuid looks for it first.
		return call != "setuid" || took("uid", uint32(args[0]))
	case unix.CAP_SETGID:
		return call != "setgid" || took("gid", uint32(args[0]))
	case unix.CAP_SETPCAP:
		// security/commoncap.c, cap_inh_is_capped: looked for at each capset,
		// used where inheritable capabilities are added.
		return call != "capset"
	case unix.CAP_FSETID:
		// fs/attr.c, setattr_prepare: looked for at each chmod of a file of
		// another group, used to keep its set-group-id bit. Elsewhere it keeps
		// such bits of a file that is written to or given away.
		return isChmod(call) && args[0] != 0
	case unix.CAP_SYS_ADMIN:
		return !costsMemory(call) && !listsAttributes(call)
	case unix.CAP_SYS_RESOURCE:
		// File systems look for it where they run full, for their reserve.
		return call == "setrlimit" || call == "prlimit64" || call == "fcntl" || call == "mq_open" ||
			call == "setpriority" || call == "clone" || call == "fork" || call == "vfork"
	case unix.CAP_NET_ADMIN:
		// net/ipv4/tcp.c: looked for before it is known whether the algorithm
		// is one that everyone may choose.
		const tcpCongestion = 13
		return call != "setsockopt" || args != [2]uint64{unix.IPPROTO_TCP, tcpCongestion}
	case unix.CAP_SYS_PTRACE:
		// fs/proc/array.c, do_task_stat: addresses read as 0 without it.
		return call != "read" && call != "pread64"
	}
	return true
}

// overridden reports whether the file of an event was opened by force of
// CAP_DAC_OVERRIDE. With O_CREAT the kernel looks first whether the file could
// be made (fs/namei.c, lookup_open), and forgets the answer where it is there:
// so nginx's log does that is a link to /dev/stdout, in a folder of /proc.
func (e *event) overridden() bool {
	switch {
	case !e.override:
		return false
	case e.created:
		return true
	}
	mode := e.mode
	switch {
	case e.owner[0] == e.ids[3]:
		mode >>= 6
	case e.owner[1] == e.ids[7], slices.Contains(ids(e.strings[2]), e.owner[1]):
		mode >>= 3
	}
	bits := uint32(2)
	switch e.flags & unix.O_ACCMODE {
	case unix.O_RDONLY:
		bits = 4
	case unix.O_RDWR:
		bits = 6
	}
	return mode&bits != bits
}

func isChmod(call string) bool {
	switch call {
	case "chmod", "fchmod", "fchmodat", "fchmodat2":
		return true
	}
	return false
}

// costsMemory names the calls that promise memory, for which the kernel asks
// whether the caller may have the last of it (mm/util.c, __vm_enough_memory).
func costsMemory(call string) bool {
	switch call {
	case "mmap", "brk", "mprotect", "mremap", "munmap", "clone", "clone3", "fork", "vfork", "execve", "execveat",
		"shmget", "shmat", "memfd_create", "ftruncate", "truncate", "fallocate", "write", "pwrite64", "writev",
		"pwritev", "pwritev2", "sendfile", "splice", "copy_file_range", "open", "openat", "openat2", "creat",
		"mkdir", "mkdirat", "symlink", "symlinkat", "prctl", "userfaultfd", "remap_file_pages", "process_madvise", "madvise":
		return true
	}
	return false
}

// listsAttributes names the calls that leave out the attributes of others
// without it (fs/xattr.c, simple_xattr_list).
func listsAttributes(call string) bool {
	switch call {
	case "listxattr", "llistxattr", "flistxattr", "listxattrat":
		return true
	}
	return false
}

// capabilityName names a capability by its number, and reports whether there
// is one.
func capabilityName(number uint32) (string, bool) {
	for _, c := range manifest.Capabilities() {
		if uint32(c.Number) == number {
			return c.Name, true
		}
	}
	return "", false
}
