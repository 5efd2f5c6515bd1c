package host

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/enforcer/launch"
	"github.com/least-privilege/lpm/enforcer/plan"
	"github.com/least-privilege/lpm/enforcer/userns"
)

// try tries a part of a launch as root of a user namespace that maps the
// caller alone.
func (m machine) try(t plan.Trial, filters ...[]byte) error {
	return m.tryWhile(t, func(int) error { return nil }, filters...)
}

// tryWhile is [machine.try] with something to do while the child waits.
func (m machine) tryWhile(t plan.Trial, while func(pid int) error, filters ...[]byte) error {
	own := plan.Identity{UIDs: []plan.IDMap{{Host: m.uid, Size: 1}}, GIDs: []plan.IDMap{{Host: m.gid, Size: 1}}}
	return launch.Try(launch.Trial{Trial: t, Filters: slices.Concat(filters...), MapIDs: func(pid int) error {
		if err := while(pid); err != nil {
			return err
		}
		return userns.Map(pid, own)
	}})
}

// refusal returns the error of the kernel that kept a trial from having its
// namespaces, or from using them.
func refusal(err error) (unix.Errno, bool) {
	var errno unix.Errno
	var namespace *launch.NamespaceError
	var op *launch.OpError
	is := errors.As(err, &namespace) || errors.As(err, &op)
	return errno, is && errors.As(err, &errno) && !transient(errno)
}

func (i *inspection) findUserNamespaces(_ context.Context, f Finding) Finding {
	err := i.try(plan.TrialUser())
	if err == nil {
		return f.settle(true, nil)
	}
	errno, ok := refusal(err)
	if !ok {
		return f.settle(false, fmt.Errorf("making a user namespace: %w", err))
	}
	cause, hint := i.whyNoUserNamespace(errno)
	f.Detail, f.Hint = cause+": "+errno.Error(), hint
	return f.settle(false, nil)
}

// kind is a kind of namespace beside user namespaces.
type kind struct{ name, flag, limit, config string }

func kinds() []kind {
	return []kind{
		{"mount", "CLONE_NEWNS", "max_mnt_namespaces", "CONFIG_NAMESPACES"},
		{"pid", "CLONE_NEWPID", "max_pid_namespaces", "CONFIG_PID_NS"},
		{"ipc", "CLONE_NEWIPC", "max_ipc_namespaces", "CONFIG_IPC_NS"},
		{"uts", "CLONE_NEWUTS", "max_uts_namespaces", "CONFIG_UTS_NS"},
		{"cgroup", "CLONE_NEWCGROUP", "max_cgroup_namespaces", "CONFIG_CGROUPS"},
		{"net", "CLONE_NEWNET", "max_net_namespaces", "CONFIG_NET_NS"},
	}
}

// namespaceProbes ask for each kind of namespace. All are tried together, and
// one by one only where that fails.
func (i *inspection) namespaceProbes(user string) []probe {
	var flags []string
	for _, k := range kinds() {
		flags = append(flags, k.flag)
	}
	tried, together := false, error(nil)
	var all []probe
	for _, k := range kinds() {
		f := Finding{Name: "namespace-" + k.name, Use: "a container's own " + k.name + " namespace", Required: true}
		all = append(all, probe{f, []string{user}, func(_ context.Context, f Finding) Finding {
			if !tried {
				tried, together = true, i.try(plan.TrialNamespaces(flags...))
			}
			if together == nil {
				return f.settle(true, nil)
			}
			return i.findNamespace(k, f)
		}})
	}
	return all
}

func (i *inspection) findNamespace(k kind, f Finding) Finding {
	err := i.try(plan.TrialNamespaces(k.flag))
	if err == nil {
		return f.settle(true, nil)
	}
	errno, ok := refusal(err)
	if !ok {
		return f.settle(false, err)
	}
	f.Detail = errno.Error()
	switch errno {
	case unix.ENOSPC, unix.EUSERS:
		f.Hint = "sudo sysctl user." + k.limit + "=65536"
	case unix.EINVAL:
		f.Hint = "boot a kernel with " + k.config + "=y"
	default:
		f.Hint = launch.OuterProfile
	}
	return f.settle(false, nil)
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
// a launch met when it made its namespaces, wrote its maps, or first used a
// capability in them. It reads the kernel's switches; it does not try again.
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
	for _, s := range m.switches() {
		if off, readErr := m.off(s); readErr == nil && off {
			return s.cause, s.hint
		}
	}
	for _, k := range kinds() {
		if value, readErr := m.read("/proc/sys/user/" + k.limit); readErr == nil && strings.TrimSpace(value) == "0" {
			return fmt.Sprintf("%s namespaces are switched off (user.%s is 0)", k.name, k.limit), "sudo sysctl user." + k.limit + "=65536"
		}
	}
	switch {
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EUSERS):
		return "the limit of user namespaces is reached", "sudo sysctl user.max_user_namespaces=65536"
	case errors.Is(err, unix.EAGAIN):
		return "the limit of processes is reached", "ulimit -u"
	case errors.Is(err, unix.ENOSYS):
		return "the kernel does not know clone3, or a sandbox around this program refuses it", launch.OuterProfile
	case errors.Is(err, unix.EINVAL):
		return "the kernel lacks user namespaces, or those of another kind", "boot a kernel with CONFIG_USER_NS=y; lpm doctor tells which kind it is"
	}
	return "user namespaces are refused, perhaps by a sandbox around this program", ""
}
