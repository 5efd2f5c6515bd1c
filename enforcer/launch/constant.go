package launch

import (
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// constants returns the value of names joined by "|".
func constants(names string) (uint64, error) {
	var v uint64
	for name := range strings.SplitSeq(names, "|") {
		bits, ok := constant(name)
		if !ok {
			return 0, fmt.Errorf("unknown constant %q", name)
		}
		v |= bits
	}
	return v, nil
}

// constant returns the value that the kernel's headers give to a name. It is
// a switch and no map, because a map would be built at every start of lpm.
func constant(name string) (uint64, bool) {
	for _, table := range []func(string) (uint64, bool){fileConstant, networkConstant, mountConstant, processConstant, securityConstant} {
		if v, ok := table(name); ok {
			return v, true
		}
	}
	return 0, false
}

func networkConstant(name string) (uint64, bool) {
	switch name {
	case "AF_NETLINK":
		return unix.AF_NETLINK, true
	case "AF_PACKET":
		return unix.AF_PACKET, true
	case "SOCK_RAW":
		return unix.SOCK_RAW, true
	case "SOCK_NONBLOCK":
		return unix.SOCK_NONBLOCK, true
	case "NETLINK_ROUTE":
		return unix.NETLINK_ROUTE, true
	case "SOL_PACKET":
		return unix.SOL_PACKET, true
	case "PACKET_IGNORE_OUTGOING":
		return unix.PACKET_IGNORE_OUTGOING, true
	case "NLM_F_REQUEST":
		return unix.NLM_F_REQUEST, true
	case "NLM_F_CREATE":
		return unix.NLM_F_CREATE, true
	case "NLM_F_EXCL":
		return unix.NLM_F_EXCL, true
	case "NLM_F_ACK":
		return unix.NLM_F_ACK, true
	case "IFLA_IFNAME":
		return unix.IFLA_IFNAME, true
	case "IFLA_ADDRESS":
		return unix.IFLA_ADDRESS, true
	case "IFLA_MTU":
		return unix.IFLA_MTU, true
	case "IFLA_LINKINFO":
		return unix.IFLA_LINKINFO, true
	case "IFLA_INFO_KIND":
		return unix.IFLA_INFO_KIND, true
	case "IFLA_INFO_DATA":
		return unix.IFLA_INFO_DATA, true
	case "IFLA_AF_SPEC":
		return unix.IFLA_AF_SPEC, true
	case "RTM_NEWLINK":
		return unix.RTM_NEWLINK, true
	case "RTM_SETLINK":
		return unix.RTM_SETLINK, true
	case "RTM_NEWADDR":
		return unix.RTM_NEWADDR, true
	case "RTM_NEWROUTE":
		return unix.RTM_NEWROUTE, true
	case "IFF_NOARP":
		return unix.IFF_NOARP, true
	case "IFA_LOCAL":
		return unix.IFA_LOCAL, true
	case "IFA_ADDRESS":
		return unix.IFA_ADDRESS, true
	case "IFA_F_NODAD":
		return unix.IFA_F_NODAD, true
	case "RTA_GATEWAY":
		return unix.RTA_GATEWAY, true
	case "RTA_DST":
		return unix.RTA_DST, true
	case "RTA_OIF":
		return unix.RTA_OIF, true
	case "RT_TABLE_LOCAL":
		return unix.RT_TABLE_LOCAL, true
	case "RT_TABLE_MAIN":
		return unix.RT_TABLE_MAIN, true
	case "RTPROT_BOOT":
		return unix.RTPROT_BOOT, true
	case "RT_SCOPE_UNIVERSE":
		return unix.RT_SCOPE_UNIVERSE, true
	case "RTN_LOCAL":
		return unix.RTN_LOCAL, true
	case "RTN_UNICAST":
		return unix.RTN_UNICAST, true
	case "PACKET_VNET_HDR":
		return unix.PACKET_VNET_HDR, true
	case "PACKET_QDISC_BYPASS":
		return unix.PACKET_QDISC_BYPASS, true
	case "SOL_SOCKET":
		return unix.SOL_SOCKET, true
	case "SO_RCVBUF":
		return unix.SO_RCVBUF, true
	case "IFLA_GSO_MAX_SEGS":
		return unix.IFLA_GSO_MAX_SEGS, true
	case "VETH_INFO_PEER":
		return 1, true // linux/veth.h
	case "IFLA_INET6_ADDR_GEN_MODE":
		return 8, true // linux/if_link.h
	case "IN6_ADDR_GEN_MODE_NONE":
		return 1, true
	case "AF_INET6":
		return unix.AF_INET6, true
	case "SIOCSIFFLAGS":
		return unix.SIOCSIFFLAGS, true
	case "IFF_UP":
		return unix.IFF_UP, true
	case "AF_INET":
		return unix.AF_INET, true
	case "SOCK_DGRAM":
		return unix.SOCK_DGRAM, true
	case "SOCK_CLOEXEC":
		return unix.SOCK_CLOEXEC, true
	}
	return 0, false
}

func fileConstant(name string) (uint64, bool) {
	switch name {
	case "AT_FDCWD":
		at := int64(unix.AT_FDCWD)
		return uint64(at), true
	case "AT_EMPTY_PATH":
		return unix.AT_EMPTY_PATH, true
	case "AT_RECURSIVE":
		return unix.AT_RECURSIVE, true
	case "AT_SYMLINK_NOFOLLOW":
		return unix.AT_SYMLINK_NOFOLLOW, true
	case "CLOSE_RANGE_CLOEXEC":
		return unix.CLOSE_RANGE_CLOEXEC, true
	case "F_SETFL":
		return unix.F_SETFL, true
	case "F_DUPFD_CLOEXEC":
		return unix.F_DUPFD_CLOEXEC, true
	case "O_CLOEXEC":
		return unix.O_CLOEXEC, true
	case "O_DIRECTORY":
		return unix.O_DIRECTORY, true
	case "O_NONBLOCK":
		return unix.O_NONBLOCK, true
	case "O_PATH":
		return unix.O_PATH, true
	case "O_RDONLY":
		return unix.O_RDONLY, true
	case "O_RDWR":
		return unix.O_RDWR, true
	case "O_WRONLY":
		return unix.O_WRONLY, true
	case "RESOLVE_IN_ROOT":
		return unix.RESOLVE_IN_ROOT, true
	case "RESOLVE_NO_MAGICLINKS":
		return unix.RESOLVE_NO_MAGICLINKS, true
	case "RESOLVE_NO_SYMLINKS":
		return unix.RESOLVE_NO_SYMLINKS, true
	case "TCSETS":
		return unix.TCSETS, true
	case "TIOCSCTTY":
		return unix.TIOCSCTTY, true
	}
	return 0, false
}

func mountConstant(name string) (uint64, bool) {
	switch name {
	case "FSCONFIG_CMD_CREATE":
		return unix.FSCONFIG_CMD_CREATE, true
	case "FSCONFIG_SET_FLAG":
		return unix.FSCONFIG_SET_FLAG, true
	case "FSCONFIG_SET_STRING":
		return unix.FSCONFIG_SET_STRING, true
	case "FSMOUNT_CLOEXEC":
		return unix.FSMOUNT_CLOEXEC, true
	case "FSOPEN_CLOEXEC":
		return unix.FSOPEN_CLOEXEC, true
	case "MNT_DETACH":
		return unix.MNT_DETACH, true
	case "MOUNT_ATTR_NODEV":
		return unix.MOUNT_ATTR_NODEV, true
	case "MOUNT_ATTR_NOEXEC":
		return unix.MOUNT_ATTR_NOEXEC, true
	case "MOUNT_ATTR_NOSUID":
		return unix.MOUNT_ATTR_NOSUID, true
	case "MOUNT_ATTR_RDONLY":
		return unix.MOUNT_ATTR_RDONLY, true
	case "MOVE_MOUNT_F_EMPTY_PATH":
		return unix.MOVE_MOUNT_F_EMPTY_PATH, true
	case "MOVE_MOUNT_T_EMPTY_PATH":
		return unix.MOVE_MOUNT_T_EMPTY_PATH, true
	case "MS_PRIVATE":
		return unix.MS_PRIVATE, true
	case "MS_REC":
		return unix.MS_REC, true
	case "OPEN_TREE_CLOEXEC":
		return unix.OPEN_TREE_CLOEXEC, true
	case "OPEN_TREE_CLONE":
		return unix.OPEN_TREE_CLONE, true
	}
	return 0, false
}

func processConstant(name string) (uint64, bool) {
	switch name {
	case "CLONE_FILES":
		return unix.CLONE_FILES, true
	case "CLONE_PARENT":
		return unix.CLONE_PARENT, true
	case "CLONE_NEWCGROUP":
		return unix.CLONE_NEWCGROUP, true
	case "CLONE_NEWIPC":
		return unix.CLONE_NEWIPC, true
	case "CLONE_NEWNET":
		return unix.CLONE_NEWNET, true
	case "CLONE_NEWNS":
		return unix.CLONE_NEWNS, true
	case "CLONE_NEWPID":
		return unix.CLONE_NEWPID, true
	case "CLONE_NEWUSER":
		return unix.CLONE_NEWUSER, true
	case "CLONE_NEWUTS":
		return unix.CLONE_NEWUTS, true
	case "RLIMIT_CORE":
		return unix.RLIMIT_CORE, true
	case "RLIMIT_FSIZE":
		return unix.RLIMIT_FSIZE, true
	case "RLIMIT_NOFILE":
		return unix.RLIMIT_NOFILE, true
	case "RLIMIT_NPROC":
		return unix.RLIMIT_NPROC, true
	case "SIGCHLD":
		return uint64(unix.SIGCHLD), true
	case "SIG_SETMASK":
		return unix.SIG_SETMASK, true
	case "SIGKILL":
		return uint64(unix.SIGKILL), true
	case "WNOHANG":
		return unix.WNOHANG, true
	}
	return 0, false
}

func securityConstant(name string) (uint64, bool) {
	switch name {
	case "KEYCTL_JOIN_SESSION_KEYRING":
		return unix.KEYCTL_JOIN_SESSION_KEYRING, true
	case "LANDLOCK_ACCESS_FS_EXECUTE":
		return unix.LANDLOCK_ACCESS_FS_EXECUTE, true
	case "LANDLOCK_ACCESS_FS_IOCTL_DEV":
		return unix.LANDLOCK_ACCESS_FS_IOCTL_DEV, true
	case "LANDLOCK_ACCESS_FS_MAKE_BLOCK":
		return unix.LANDLOCK_ACCESS_FS_MAKE_BLOCK, true
	case "LANDLOCK_ACCESS_FS_MAKE_CHAR":
		return unix.LANDLOCK_ACCESS_FS_MAKE_CHAR, true
	case "LANDLOCK_ACCESS_FS_MAKE_DIR":
		return unix.LANDLOCK_ACCESS_FS_MAKE_DIR, true
	case "LANDLOCK_ACCESS_FS_MAKE_FIFO":
		return unix.LANDLOCK_ACCESS_FS_MAKE_FIFO, true
	case "LANDLOCK_ACCESS_FS_MAKE_REG":
		return unix.LANDLOCK_ACCESS_FS_MAKE_REG, true
	case "LANDLOCK_ACCESS_FS_MAKE_SOCK":
		return unix.LANDLOCK_ACCESS_FS_MAKE_SOCK, true
	case "LANDLOCK_ACCESS_FS_MAKE_SYM":
		return unix.LANDLOCK_ACCESS_FS_MAKE_SYM, true
	case "LANDLOCK_ACCESS_FS_READ_DIR":
		return unix.LANDLOCK_ACCESS_FS_READ_DIR, true
	case "LANDLOCK_ACCESS_FS_READ_FILE":
		return unix.LANDLOCK_ACCESS_FS_READ_FILE, true
	case "LANDLOCK_ACCESS_FS_REFER":
		return unix.LANDLOCK_ACCESS_FS_REFER, true
	case "LANDLOCK_ACCESS_FS_REMOVE_DIR":
		return unix.LANDLOCK_ACCESS_FS_REMOVE_DIR, true
	case "LANDLOCK_ACCESS_FS_REMOVE_FILE":
		return unix.LANDLOCK_ACCESS_FS_REMOVE_FILE, true
	case "LANDLOCK_ACCESS_FS_TRUNCATE":
		return unix.LANDLOCK_ACCESS_FS_TRUNCATE, true
	case "LANDLOCK_ACCESS_FS_WRITE_FILE":
		return unix.LANDLOCK_ACCESS_FS_WRITE_FILE, true
	case "LANDLOCK_ACCESS_NET_BIND_TCP":
		return unix.LANDLOCK_ACCESS_NET_BIND_TCP, true
	case "LANDLOCK_ACCESS_NET_CONNECT_TCP":
		return unix.LANDLOCK_ACCESS_NET_CONNECT_TCP, true
	case "LANDLOCK_RESTRICT_SELF_LOG_SUBDOMAINS_OFF":
		return unix.LANDLOCK_RESTRICT_SELF_LOG_SUBDOMAINS_OFF, true
	case "LANDLOCK_RULE_NET_PORT":
		return 2, true // enum landlock_rule_type, not in x/sys
	case "LANDLOCK_RULE_PATH_BENEATH":
		return unix.LANDLOCK_RULE_PATH_BENEATH, true
	case "LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET":
		return unix.LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET, true
	case "LANDLOCK_SCOPE_SIGNAL":
		return unix.LANDLOCK_SCOPE_SIGNAL, true
	case "LINUX_CAPABILITY_VERSION_3":
		return unix.LINUX_CAPABILITY_VERSION_3, true
	case "PR_CAPBSET_DROP":
		return unix.PR_CAPBSET_DROP, true
	case "PR_CAP_AMBIENT":
		return unix.PR_CAP_AMBIENT, true
	case "PR_CAP_AMBIENT_RAISE":
		return unix.PR_CAP_AMBIENT_RAISE, true
	case "PR_CAP_AMBIENT_CLEAR_ALL":
		return unix.PR_CAP_AMBIENT_CLEAR_ALL, true
	case "PR_SET_DUMPABLE":
		return unix.PR_SET_DUMPABLE, true
	case "PR_SET_KEEPCAPS":
		return unix.PR_SET_KEEPCAPS, true
	case "PR_SET_NAME":
		return unix.PR_SET_NAME, true
	case "PR_SET_NO_NEW_PRIVS":
		return unix.PR_SET_NO_NEW_PRIVS, true
	case "PR_SET_PDEATHSIG":
		return unix.PR_SET_PDEATHSIG, true
	case "SECCOMP_FILTER_FLAG_NEW_LISTENER":
		return unix.SECCOMP_FILTER_FLAG_NEW_LISTENER, true
	case "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV":
		return unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, true
	case "SECCOMP_IOCTL_NOTIF_SET_FLAGS":
		return unix.SECCOMP_IOCTL_NOTIF_SET_FLAGS, true
	case "SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP":
		return unix.SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP, true
	case "SECCOMP_SET_MODE_FILTER":
		return unix.SECCOMP_SET_MODE_FILTER, true
	}
	return 0, false
}
