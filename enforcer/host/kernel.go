package host

import (
	"context"
	"errors"
	"fmt"
	"math"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/enforcer/launch"
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

// intoCgroup tells whether there is clone3 (Linux 5.3) and whether it can start
// a process in a cgroup (5.7). It names a descriptor that cannot be open, which
// a kernel that knows the flag says is bad; nothing is ever started.
func intoCgroup() (clone3, known bool, err error) {
	args := [11]uint64{0: unix.CLONE_INTO_CGROUP, 10: math.MaxInt32}
	pid, _, errno := unix.RawSyscall(unix.SYS_CLONE3, uintptr(unsafe.Pointer(&args)), unsafe.Sizeof(args), 0)
	if errno == 0 && pid == 0 {
		// In a child that should not be.
		for {
			_, _, _ = unix.RawSyscall(unix.SYS_EXIT_GROUP, 1, 0, 0)
		}
	}
	switch errno {
	case unix.EBADF:
		return true, true, nil
	case unix.EINVAL, unix.E2BIG:
		return true, false, nil
	case unix.ENOSYS, unix.EPERM:
		return false, false, nil
	case 0:
		return false, false, errors.New("asking clone3 for its flags: unexpected success")
	}
	return false, false, fmt.Errorf("asking clone3 for its flags: %w", errno)
}

func (i *inspection) findClone3(_ context.Context, f Finding) Finding {
	clone3, _, err := intoCgroup()
	f.Hint += "; " + launch.OuterProfile
	return f.settle(clone3, err)
}

func (i *inspection) findIntoCgroup(_ context.Context, f Finding) Finding {
	_, known, err := intoCgroup()
	return f.settle(known, err)
}

func (i *inspection) findOpenat2(_ context.Context, f Finding) Finding {
	const resolve = unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS | unix.RESOLVE_NO_SYMLINKS
	fd, err := unix.Openat2(unix.AT_FDCWD, "/", &unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: resolve})
	if err == nil {
		err = unix.Close(fd)
	}
	return f.called("openat2", err)
}

func (i *inspection) findCloseRange(_ context.Context, f Finding) Finding {
	// The flag is as young as the call is useful (5.11); the range is empty.
	return f.called("close_range", unix.CloseRange(math.MaxInt32, math.MaxInt32, unix.CLOSE_RANGE_CLOEXEC))
}

// called completes a finding from the error of a call that cannot fail but for
// a kernel, or a sandbox, that does not have it.
func (f Finding) called(name string, err error) Finding {
	switch {
	case err == nil:
		return f.settle(true, nil)
	case errors.Is(err, unix.ENOSYS), errors.Is(err, unix.EINVAL):
	case errors.Is(err, unix.EPERM):
		f.Hint = launch.OuterProfile
	default:
		return f.settle(false, fmt.Errorf("%s: %w", name, err))
	}
	f.Detail = name + ": " + err.Error()
	return f.settle(false, nil)
}
