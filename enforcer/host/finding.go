package host

import (
	"context"
	"fmt"
	"strings"
)

// State is what a probe came to.
type State string

// The states. Inconclusive is neither of the others: the question itself
// could not be answered.
const (
	Present      State = "present"
	Missing      State = "missing"
	Inconclusive State = "inconclusive"
)

// Finding is one ability of the machine.
type Finding struct {
	// Name is stable, such as "user-namespaces".
	Name string `json:"name"`
	// Use says in a few words what lpm does with it.
	Use   string `json:"use"`
	State State  `json:"state"`
	// Required tells that nothing runs without it.
	Required bool `json:"required"`
	// Detail says what was found, in one line.
	Detail string `json:"detail,omitempty"`
	// Hint is the command or setting that mends it; empty where Present, or
	// where nothing does.
	Hint string `json:"hint,omitempty"`
}

// Inspect tries every ability that lpm uses and returns all findings, in a
// fixed order. Unlike [Probe] it starts child processes, for a user namespace
// and its maps can only be known by making one. It takes some 10 ms, leaves
// nothing behind, and returns the context's error if that ends first.
func Inspect(ctx context.Context) ([]Finding, error) {
	m, err := here()
	if err != nil {
		return nil, err
	}
	return m.inspect(ctx)
}

func (m machine) inspect(ctx context.Context) ([]Finding, error) {
	var all []Finding
	for _, probe := range []func(context.Context) Finding{
		m.findKernel, m.findUserNamespaces, m.findSubordinate, m.findOverlay,
		findNotification, findWaitKillable, findLandlock, m.findCgroup,
	} {
		finding := probe(ctx)
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		all = append(all, finding)
	}
	return all, nil
}

// settle completes a finding from the answer to its question.
func (f Finding) settle(present bool, err error) Finding {
	switch {
	case err != nil:
		f.State, f.Detail, f.Hint = Inconclusive, err.Error(), ""
	case present:
		f.State, f.Hint = Present, ""
	default:
		f.State = Missing
	}
	return f
}

func (m machine) findKernel(context.Context) Finding {
	f := Finding{Name: "kernel", Use: "limits counted per container, overlay mounts by an ordinary user", Required: true,
		Hint: "boot Linux 5.14 or later"}
	release, err := kernelRelease()
	f.Detail = "Linux " + release
	return f.settle(atLeast(release, 5, 14), err)
}

func findNotification(context.Context) Finding {
	f := Finding{Name: "seccomp-notification", Use: "recording, and reports of what was refused",
		Required: true, Hint: "boot a kernel with CONFIG_SECCOMP_FILTER=y"}
	return f.settle(filterFlags(newListener))
}

func findWaitKillable(context.Context) Finding {
	f := Finding{Name: "seccomp-wait-killable", Use: "supervised calls that signals do not restart",
		Hint: "boot Linux 5.19 or later"}
	return f.settle(filterFlags(newListener | waitKillableRecv))
}

func findLandlock(context.Context) Finding {
	f := Finding{Name: "landlock", Use: "the list of programs, TCP ports on the host's network",
		Hint: "add landlock to the lsm= list on the kernel's command line"}
	abi, err := landlockABI()
	if abi > 0 {
		f.Detail = fmt.Sprintf("ABI %d", abi)
	}
	return f.settle(abi > 0, err)
}

func (m machine) findOverlay(context.Context) Finding {
	f := Finding{Name: "overlay", Use: "the container's root", Required: true}
	list, err := m.read("/proc/filesystems")
	for line := range strings.Lines(list) {
		if fields := strings.Fields(line); len(fields) > 0 && fields[len(fields)-1] == "overlay" {
			return f.settle(true, err)
		}
	}
	if err != nil {
		return f.settle(false, err)
	}
	// It may be a module that the first mount loads.
	f.State, f.Detail, f.Hint = Inconclusive, "not in /proc/filesystems", "sudo modprobe overlay"
	return f
}

func (m machine) findCgroup(context.Context) Finding {
	f := Finding{Name: "cgroup-delegation", Use: "limits on memory, processes and processor time",
		Hint: "start it with: systemd-run --user --scope -p Delegate=yes lpm …" +
			" (and once: loginctl enable-linger)"}
	dir, controllers, err := m.delegated()
	if dir != "" {
		f.Detail = fmt.Sprintf("%s: %s", dir, strings.Join(controllers, ", "))
	}
	return f.settle(dir != "", err)
}

// atLeast tells whether a release such as "6.1.0-18-amd64" is major.minor or
// later.
func atLeast(release string, major, minor int) bool {
	var a, b int
	if n, _ := fmt.Sscanf(release, "%d.%d", &a, &b); n != 2 {
		return false
	}
	return a > major || a == major && b >= minor
}
