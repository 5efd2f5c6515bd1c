package plan

import (
	"slices"
	"strings"

	"github.com/least-privilege/lpm/manifest"
)

// controller returns the cgroup controller that sets a bound, under its name
// of cgroup v2, and "" for a bound that no cgroup sets.
func controller(bound string) string {
	switch bound {
	case "memory", "pids":
		return bound
	case "milliCPU":
		return "cpu"
	case "ioWeight":
		return "io"
	}
	return ""
}

// limits sets resource limits: those of the process here, the others by the
// control group that the container is to start in.
func (b *builder) limits() error {
	const about = "setting resource limits"
	set := func(name string, v int64) {
		limit := structure(u64("cur", number(v)), u64("max", number(v)))
		b.do(about, "prlimit64", null(), flags(name), limit, null())
	}
	// The kernel's core_pattern may name a program of the host.
	// Of all limits only this one, which leaves no room for a dump either,
	// keeps the kernel from starting it (core(5), fs/coredump.c).
	set("RLIMIT_CORE", 1)
	if b.Mode == Record {
		return nil
	}
	r := b.Manifest.Resources
	rlimit := func(name, bound string, v int64) {
		set(name, v)
		b.plan.Limits = append(b.plan.Limits, Limit{Resource: bound, Value: v, By: name})
	}
	if r.PIDs > 0 && b.plan.Group.Resources.PIDs == 0 {
		if b.countsProcesses() {
			rlimit("RLIMIT_NPROC", "pids", r.PIDs)
		} else {
			b.unenforced("resources.pids: no control group with the pids controller can be made for this account, and RLIMIT_NPROC binds neither root nor several users")
		}
	}
	if r.OpenFiles > 0 {
		rlimit("RLIMIT_NOFILE", "openFiles", min(r.OpenFiles, b.Host.OpenFiles))
	}
	if r.FileSize > 0 {
		rlimit("RLIMIT_FSIZE", "fileSize", r.FileSize)
	}
	return nil
}

// countsProcesses reports whether RLIMIT_NPROC bounds the container: it is
// counted for each user and user namespace since Linux 5.14, and never binds
// root.
func (b *builder) countsProcesses() bool {
	return b.identityMode() == manifest.IdentitySingle && b.Host.UID != 0
}

// group decides on the control group, and says which bounds that leaves open.
func (b *builder) group() error {
	if b.Mode == Record {
		return nil
	}
	r := b.Manifest.Resources
	var needed []string
	for _, bound := range r.Bounds() {
		if controller(bound.Name) != "" {
			needed = append(needed, bound.Name)
		}
	}
	kind, set := b.groupKind(needed)
	if slices.Contains(set, "ioWeight") && !b.weigh(kind) {
		set = slices.DeleteFunc(set, func(name string) bool { return name == "ioWeight" })
		needed = slices.DeleteFunc(needed, func(name string) bool { return name == "ioWeight" })
	}
	for _, bound := range r.Only(needed...).Bounds() {
		switch {
		case slices.Contains(set, bound.Name):
			b.plan.Limits = append(b.plan.Limits, Limit{Resource: bound.Name, Value: bound.Value, By: string(kind)})
		case bound.Name != "pids": // which has another way
			b.unenforced("resources.%s: no control group with the %s controller can be made for this account", bound.Name, controller(bound.Name))
		}
	}
	if len(set) > 0 {
		b.plan.Group = Group{Kind: kind, Resources: r.Only(set...)}
	}
	return nil
}

// groupKind returns who can set all of the bounds, or else most of them, and
// which those are. The first of equals asks least of the machine.
func (b *builder) groupKind(bounds []string) (kind GroupKind, set []string) {
	for _, maker := range []struct {
		kind        GroupKind
		controllers []string
	}{
		{GroupDelegated, b.Host.Controllers},
		{GroupScope, b.Host.Manager.Controllers},
		{GroupV1, v1Controllers(b.Host.Cgroup1)},
	} {
		if maker.kind == GroupScope && slices.Equal(bounds, []string{"pids"}) && b.countsProcesses() {
			continue // a resource limit does, and nobody need be asked
		}
		var can []string
		for _, bound := range bounds {
			if slices.Contains(maker.controllers, controller(bound)) {
				can = append(can, bound)
			}
		}
		if len(can) > len(set) {
			kind, set = maker.kind, can
		}
	}
	return kind, set
}

// weigh reports whether some disk heeds the weight of such a group, and says
// which do not.
func (b *builder) weigh(kind GroupKind) bool {
	var deaf []string
	for _, d := range b.Host.Disks {
		// iocost is a controller of cgroup v2.
		if d.Weights != "bfq" && (d.Weights != "iocost" || kind == GroupV1) {
			deaf = append(deaf, d.Name)
		}
	}
	switch {
	case len(b.Host.Disks) == 0:
		b.unenforced("resources.ioWeight: no disk to be shared was found")
	case len(deaf) > 0:
		b.unenforced("resources.ioWeight on %s: the I/O scheduler there knows no weights, as bfq does", strings.Join(deaf, ", "))
	}
	return len(deaf) < len(b.Host.Disks)
}

// v1Controllers returns the controllers by their names of cgroup v2.
func v1Controllers(folders map[string]string) []string {
	var names []string
	for name := range folders {
		if name == "blkio" {
			name = "io"
		}
		names = append(names, name)
	}
	return names
}
