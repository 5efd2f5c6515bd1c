package confine

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/enforcer/plan"
)

// signalErratum is the second of Landlock's errata (landlock(7)): before it was
// fixed, a scope of signals kept apart the threads of one process, which have to
// signal each other here.
const signalErratum = 1 << 1

// landlock takes away what this kernel's Landlock can, and gives back that TCP
// sockets are bound to the ports. It returns the version, 0 where there is none.
func landlock(ports []uint16) (int, error) {
	abi, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	switch errno {
	case 0:
	case unix.ENOSYS, unix.EOPNOTSUPP, unix.EPERM: // not built in, not switched on, not for a container
		return 0, nil
	default:
		return 0, errno
	}
	// Linux before 6.15 does not know the question.
	errata, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_ERRATA)
	if errno != 0 {
		errata = 0
	}
	attr := rights(int(abi), errata&signalErratum != 0)
	fd, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr), 0)
	if errno != 0 {
		return 0, errno
	}
	defer unix.Close(int(fd))
	for _, port := range ports {
		// struct landlock_net_port_attr of linux/landlock.h.
		rule := struct{ access, port uint64 }{unix.LANDLOCK_ACCESS_NET_BIND_TCP, uint64(port)}
		if attr.ports&rule.access == 0 {
			break
		}
		if _, _, errno := unix.Syscall6(unix.SYS_LANDLOCK_ADD_RULE, fd, ruleNetPort, uintptr(unsafe.Pointer(&rule)), 0, 0, 0); errno != 0 {
			return 0, errno
		}
	}
	if _, _, errno = syscall.AllThreadsSyscall(unix.SYS_LANDLOCK_RESTRICT_SELF, fd, 0, 0); errno != 0 {
		return 0, errno
	}
	return int(abi), nil
}

// ruleset is struct landlock_ruleset_attr of linux/landlock.h. An older kernel
// takes it as long as what it does not know is 0.
type ruleset struct{ files, ports, scopes uint64 }

// rights are what a version of Landlock can take away. Connecting is what this
// process is for.
func rights(abi int, signals bool) ruleset {
	var all ruleset
	for _, r := range plan.LandlockLacks(0) {
		if r.ABI > abi {
			continue
		}
		files, ports, scopes := right(r.Name)
		all.files, all.ports, all.scopes = all.files|files, all.ports|ports, all.scopes|scopes
	}
	all.ports &^= unix.LANDLOCK_ACCESS_NET_CONNECT_TCP
	if !signals {
		all.scopes &^= unix.LANDLOCK_SCOPE_SIGNAL
	}
	return all
}

// right is a right by its name. What is none of these is a flag.
func right(name string) (files, ports, scopes uint64) {
	switch name {
	case "LANDLOCK_ACCESS_FS_EXECUTE":
		files = unix.LANDLOCK_ACCESS_FS_EXECUTE
	case "LANDLOCK_ACCESS_FS_WRITE_FILE":
		files = unix.LANDLOCK_ACCESS_FS_WRITE_FILE
	case "LANDLOCK_ACCESS_FS_READ_FILE":
		files = unix.LANDLOCK_ACCESS_FS_READ_FILE
	case "LANDLOCK_ACCESS_FS_READ_DIR":
		files = unix.LANDLOCK_ACCESS_FS_READ_DIR
	case "LANDLOCK_ACCESS_FS_REMOVE_DIR":
		files = unix.LANDLOCK_ACCESS_FS_REMOVE_DIR
	case "LANDLOCK_ACCESS_FS_REMOVE_FILE":
		files = unix.LANDLOCK_ACCESS_FS_REMOVE_FILE
	case "LANDLOCK_ACCESS_FS_MAKE_CHAR":
		files = unix.LANDLOCK_ACCESS_FS_MAKE_CHAR
	case "LANDLOCK_ACCESS_FS_MAKE_DIR":
		files = unix.LANDLOCK_ACCESS_FS_MAKE_DIR
	case "LANDLOCK_ACCESS_FS_MAKE_REG":
		files = unix.LANDLOCK_ACCESS_FS_MAKE_REG
	case "LANDLOCK_ACCESS_FS_MAKE_SOCK":
		files = unix.LANDLOCK_ACCESS_FS_MAKE_SOCK
	case "LANDLOCK_ACCESS_FS_MAKE_FIFO":
		files = unix.LANDLOCK_ACCESS_FS_MAKE_FIFO
	case "LANDLOCK_ACCESS_FS_MAKE_BLOCK":
		files = unix.LANDLOCK_ACCESS_FS_MAKE_BLOCK
	case "LANDLOCK_ACCESS_FS_MAKE_SYM":
		files = unix.LANDLOCK_ACCESS_FS_MAKE_SYM
	case "LANDLOCK_ACCESS_FS_REFER":
		files = unix.LANDLOCK_ACCESS_FS_REFER
	case "LANDLOCK_ACCESS_FS_TRUNCATE":
		files = unix.LANDLOCK_ACCESS_FS_TRUNCATE
	case "LANDLOCK_ACCESS_FS_IOCTL_DEV":
		files = unix.LANDLOCK_ACCESS_FS_IOCTL_DEV
	case "LANDLOCK_ACCESS_NET_BIND_TCP":
		ports = unix.LANDLOCK_ACCESS_NET_BIND_TCP
	case "LANDLOCK_ACCESS_NET_CONNECT_TCP":
		ports = unix.LANDLOCK_ACCESS_NET_CONNECT_TCP
	case "LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET":
		scopes = unix.LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET
	case "LANDLOCK_SCOPE_SIGNAL":
		scopes = unix.LANDLOCK_SCOPE_SIGNAL
	}
	return files, ports, scopes
}

// ruleNetPort is LANDLOCK_RULE_NET_PORT of linux/landlock.h.
const ruleNetPort = 2
