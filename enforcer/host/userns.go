package host

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// notAProgram is a path that cannot be executed whatever the machine: the
// kernel says ENOTDIR, which nothing on the way there says.
const notAProgram = "/dev/null/lpm"

// tryUserNamespace makes a user namespace with the caller mapped to root, and
// uses a capability in it. nil means that it works.
//
// The child does not get to run a program. Go's fork makes the namespaces,
// has the parent write the maps and changes the root, which takes
// CAP_SYS_CHROOT inside; only then does it execute notAProgram, so that
// ENOTDIR says that all went well. Where AppArmor restricts namespaces, making
// one succeeds and the capabilities are worth nothing.
func (m machine) tryUserNamespace() error {
	_, err := syscall.ForkExec(notAProgram, []string{"lpm"}, &syscall.ProcAttr{
		Sys: &syscall.SysProcAttr{
			Chroot:      "/",
			Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
			UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: int(m.uid), Size: 1}},
			GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: int(m.gid), Size: 1}},
		},
	})
	if errors.Is(err, unix.ENOTDIR) {
		return nil
	}
	if err == nil {
		return fmt.Errorf("executing %s: unexpected success", notAProgram)
	}
	return err
}

func (m machine) findUserNamespaces(context.Context) Finding {
	f := Finding{Name: "user-namespaces", Use: "everything: lpm has no other privilege", Required: true}
	err := m.tryUserNamespace()
	switch {
	case err == nil:
		return f.settle(true, nil)
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES), errors.Is(err, unix.ENOSPC),
		errors.Is(err, unix.EUSERS), errors.Is(err, unix.EINVAL), errors.Is(err, unix.ENOSYS):
		cause, hint := m.whyNoUserNamespace(err)
		f.Detail, f.Hint = cause+": "+err.Error(), hint
		return f.settle(false, nil)
	}
	return f.settle(false, fmt.Errorf("making a user namespace: %w", err))
}

// NamespaceError tells why a user namespace could not be made or used.
type NamespaceError struct {
	// Cause is one line, such as "AppArmor restricts user namespaces".
	Cause string
	// Err is the error that the launch met.
	Err  error
	hint string
}

// Error implements error.
func (e *NamespaceError) Error() string { return e.Cause + ": " + e.Err.Error() }

// Unwrap returns the error that the launch met.
func (e *NamespaceError) Unwrap() error { return e.Err }

// Hint returns the setting that would mend it, or "".
func (e *NamespaceError) Hint() string { return e.hint }

// ExplainUserNamespace returns a [*NamespaceError] around err, which is what
// a launch met when it made a user namespace, wrote its maps, or first used a
// capability in it. It reads the kernel's switches; it does not try again.
func ExplainUserNamespace(err error) error {
	m, hereErr := here()
	if hereErr != nil {
		return errors.Join(err, hereErr)
	}
	cause, hint := m.whyNoUserNamespace(err)
	return &NamespaceError{Cause: cause, Err: err, hint: hint}
}

// whyNoUserNamespace returns the first switch that explains the error.
func (m machine) whyNoUserNamespace(err error) (cause, hint string) {
	for _, s := range switches {
		value, readErr := m.read(s.path)
		if readErr == nil && strings.TrimSpace(value) == s.off {
			return s.cause, s.hint
		}
	}
	switch {
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EUSERS):
		return "the limit of user namespaces is reached", "sudo sysctl user.max_user_namespaces=65536"
	case errors.Is(err, unix.EINVAL), errors.Is(err, unix.ENOSYS):
		return "the kernel has no user namespaces", "boot a kernel with CONFIG_USER_NS=y"
	}
	return "user namespaces are refused, perhaps by a sandbox around this program", ""
}

// switches are the settings that keep ordinary users from user namespaces.
var switches = []struct{ path, off, cause, hint string }{
	{
		"/proc/sys/user/max_user_namespaces", "0",
		"user namespaces are switched off (user.max_user_namespaces is 0)",
		"sudo sysctl user.max_user_namespaces=65536",
	},
	{
		// A patch that Debian and others carry.
		"/proc/sys/kernel/unprivileged_userns_clone", "0",
		"user namespaces are for root only (kernel.unprivileged_userns_clone is 0)",
		"sudo sysctl kernel.unprivileged_userns_clone=1",
	},
	{
		// Ubuntu, from 23.10 on. A profile for the binary alone is the
		// narrower way; sysctl is the one that fits a line.
		"/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1",
		"AppArmor restricts user namespaces (kernel.apparmor_restrict_unprivileged_userns is 1)",
		"give the lpm binary an AppArmor profile with userns, or: sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0",
	},
}
