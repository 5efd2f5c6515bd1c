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
	needed := b.Manifest.Resources.Only("memory", "pids", "milliCPU", "ioWeight")
	g := b.bestGroup(needed)
	if g.Resources.IOWeight > 0 && !b.weigh(g.Kind) {
		g.Resources.IOWeight, needed.IOWeight = 0, 0
	}
	set := g.Resources.Bounds()
	for _, bound := range needed.Bounds() {
		switch {
		case slices.Contains(set, bound):
			b.plan.Limits = append(b.plan.Limits, Limit{Resource: bound.Name, Value: bound.Value, By: string(g.Kind)})
		case bound.Name != "pids": // which has another way
			b.unenforced("resources.%s: no control group with the %s controller can be made for this account", bound.Name, controller(bound.Name))
		}
	}
	if len(set) > 0 {
		b.plan.Group = g
	}
	return nil
}

// GroupMaker is a way to make control groups.
type GroupMaker struct {
	Kind GroupKind
	// Controllers are those that the groups can have, by their names of
	// cgroup v2.
	Controllers []string
}

// GroupMakers returns the ways that there are for the caller, sorted by what
// they ask of the machine.
func (h Host) GroupMakers() []GroupMaker {
	return slices.DeleteFunc([]GroupMaker{
		{GroupDelegated, h.Controllers},
		{GroupScope, h.Manager.Controllers},
		{GroupV1, v1Controllers(h.Cgroup1)},
	}, func(m GroupMaker) bool { return len(m.Controllers) == 0 })
}

// Group returns a group with those of the bounds that the maker can set.
func (m GroupMaker) Group(r manifest.Resources) Group {
	var set []string
	for _, bound := range r.Bounds() {
		if slices.Contains(m.Controllers, controller(bound.Name)) {
			set = append(set, bound.Name)
		}
	}
	return Group{Kind: m.Kind, Resources: r.Only(set...)}
}

// bestGroup returns the group of the maker that can set all of the bounds, or
// else most of them. The first of equals asks least of the machine.
func (b *builder) bestGroup(r manifest.Resources) (best Group) {
	for _, maker := range b.Host.GroupMakers() {
		if maker.Kind == GroupScope && r == (manifest.Resources{PIDs: r.PIDs}) && b.countsProcesses() {
			continue // a resource limit does, and nobody need be asked
		}
		if g := maker.Group(r); len(g.Resources.Bounds()) > len(best.Resources.Bounds()) {
			best = g
		}
	}
	return best
}

// weigh reports whether some disk heeds the weight of such a group, and says
// which do not.
func (b *builder) weigh(kind GroupKind) bool {
	var deaf []string
	for _, d := range b.Host.Disks {
		if !d.Heeds(kind) {
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

// v1Controllers returns the controllers by their names of cgroup v2, sorted.
func v1Controllers(folders map[string]string) []string {
	var names []string
	for name := range folders {
		if name == "blkio" {
			name = "io"
		}
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
