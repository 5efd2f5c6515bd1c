package host

import (
	"fmt"
	"math"

	"golang.org/x/sys/unix"
)

// Flags of seccomp(2), as linux/seccomp.h has them. The second needs the first.
const (
	newListener      = unix.SECCOMP_FILTER_FLAG_NEW_LISTENER
	waitKillableRecv = unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
)

// kernelRelease returns what uname -r prints, such as "6.1.0-18-amd64".
func kernelRelease() (string, error) {
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return "", fmt.Errorf("asking for the kernel's release: %w", err)
	}
	return unix.ByteSliceToString(name.Release[:]), nil
}

// openFiles returns the hard limit of open files; no limit is the largest
// number.
func openFiles() (int64, error) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return 0, fmt.Errorf("asking for the limit of open files: %w", err)
	}
	return int64(min(limit.Max, math.MaxInt64)), nil
}

// landlockABI returns the version of Landlock, 0 where it is not built in
// (ENOSYS), not switched on at boot (EOPNOTSUPP), or refused to this process
// by a filter around it (EPERM).
// See landlock_create_ruleset(2), LANDLOCK_CREATE_RULESET_VERSION.
func landlockABI() (int, error) {
	version, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET,
		0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	switch errno {
	case 0:
		return int(version), nil
	case unix.ENOSYS, unix.EOPNOTSUPP, unix.EPERM:
		return 0, nil
	}
	return 0, fmt.Errorf("asking for Landlock's version: %w", errno)
}

// waitKillable tells whether a supervised call can be made to wait through
// signals that do not kill (Linux 5.19).
func waitKillable() (bool, error) {
	return filterFlags(newListener | waitKillableRecv)
}

// filterFlags tells whether seccomp(2) knows the flags. It looks at them
// before it reads the program, so with no program the answer is EFAULT if it
// does and EINVAL if it does not; a kernel without seccomp says ENOSYS.
func filterFlags(flags uintptr) (bool, error) {
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, flags, 0)
	switch errno {
	case unix.EFAULT:
		return true, nil
	case unix.EINVAL, unix.ENOSYS:
		return false, nil
	}
	return false, fmt.Errorf("asking seccomp for its flags %#x: %w", flags, errno)
}
