package host

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/enforcer/launch"
	"github.com/least-privilege/lpm/enforcer/plan"
)

// findAccess does to a child what the launcher does to a container: it takes a
// descriptor out of it, and reads its memory.
func (i *inspection) findAccess(_ context.Context, f Finding) Finding {
	var refused error
	trial := plan.TrialUser()
	err := i.tryWhile(trial, func(pid int) error {
		refused = access(pid)
		return nil
	})
	switch {
	case err != nil:
		return f.settle(false, err)
	case refused == nil:
		return f.settle(true, nil)
	case errors.Is(refused, unix.EPERM), errors.Is(refused, unix.ENOSYS):
		f.Detail = refused.Error()
		f.Hint, err = i.whyNoAccess(refused)
		return f.settle(false, err)
	}
	return f.settle(false, refused)
}

// access takes a descriptor from a child of this process that executes nothing,
// and reads its memory, which is at the same addresses.
func access(pid int) error {
	pidfd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return fmt.Errorf("pidfd_open: %w", err)
	}
	defer unix.Close(pidfd)
	// Whether there is such a descriptor is asked last.
	fd, err := unix.PidfdGetfd(pidfd, 0, 0)
	if err != nil && !errors.Is(err, unix.EBADF) {
		return fmt.Errorf("pidfd_getfd: %w", err)
	}
	if err == nil {
		unix.Close(fd)
	}
	const text = "a constant, which was there before the child"
	got := make([]byte, len(text))
	local := []unix.Iovec{{Base: &got[0], Len: uint64(len(got))}}
	remote := []unix.RemoteIovec{{Base: uintptr(unsafe.Pointer(unsafe.StringData(text))), Len: len(text)}}
	if _, err := unix.ProcessVMReadv(pid, local, remote, 0); err != nil {
		return fmt.Errorf("process_vm_readv: %w", err)
	}
	if string(got) != text {
		return fmt.Errorf("process_vm_readv read %q", got)
	}
	return nil
}

// whyNoAccess returns what to do about a refusal.
func (m machine) whyNoAccess(refused error) (string, error) {
	if errors.Is(refused, unix.ENOSYS) {
		return "boot Linux 5.6 or later with CONFIG_CROSS_MEMORY_ATTACH=y; " + launch.OuterProfile, nil
	}
	scope, err := m.read("/proc/sys/kernel/yama/ptrace_scope")
	if err != nil {
		return "", err
	}
	switch strings.TrimSpace(scope) {
	case "2":
		return "sudo sysctl kernel.yama.ptrace_scope=1", nil
	case "3":
		// The one value that can only be set (Documentation/admin-guide/LSM/Yama.rst).
		return "take kernel.yama.ptrace_scope=3 out of /etc/sysctl.d, and boot anew: it cannot be lowered before", nil
	}
	return launch.OuterProfile, nil
}

// AccessError tells why a launcher could not reach into its own child.
type AccessError struct {
	// Err is the error that the launch met.
	Err  error
	hint string
}

// Error implements error.
func (e *AccessError) Error() string { return e.Err.Error() }

// Unwrap returns the error that the launch met.
func (e *AccessError) Unwrap() error { return e.Err }

// Hint returns the setting that would mend it.
func (e *AccessError) Hint() string { return e.hint }

// ExplainAccess returns an [*AccessError] around err, which is what a launch
// met when it took the seccomp listener out of its child.
func ExplainAccess(err error) error {
	m, hereErr := here()
	if hereErr != nil {
		return errors.Join(err, hereErr)
	}
	hint, readErr := m.whyNoAccess(err)
	if readErr != nil {
		return errors.Join(err, readErr)
	}
	return &AccessError{Err: err, hint: hint}
}
