package manifest

import (
	"errors"
	"fmt"
	"slices"
)

// ErrUnknownPermission is returned for an ID that the manifest does not have.
var ErrUnknownPermission = errors.New("the manifest has no such permission")

// ErrRequired is returned for a permission that cannot be denied on its own.
var ErrRequired = errors.New("the permission is not optional")

// ErrLastReadable is returned for the last readable path: without any, the
// whole image could be read.
var ErrLastReadable = errors.New("the last readable path cannot be denied, for an empty list means the whole image")

// ErrStillAllowed is returned for a permission that another, which is not
// denied, includes: denying it would change nothing.
var ErrStillAllowed = errors.New("another permission includes this one")

// Without returns the manifest with the given optional permissions taken out.
// Denying the network takes its destinations and ports along.
func (m *Manifest) Without(ids ...string) (*Manifest, error) {
	optional := map[string]bool{}
	for _, p := range m.Permissions() {
		optional[p.ID] = p.Optional
	}
	for _, id := range ids {
		may, known := optional[id]
		switch {
		case !known:
			return nil, fmt.Errorf("%w: %q", ErrUnknownPermission, id)
		case !may:
			return nil, fmt.Errorf("%w: %q", ErrRequired, id)
		}
	}
	denied := func(id string) bool { return slices.Contains(ids, id) }

	n := *m
	arch := m.Syscalls.Architecture
	n.Syscalls.Allow = drop(m.Syscalls.Allow, func(s Syscall) bool { return denied(s.id(arch)) })
	n.Capabilities = drop(m.Capabilities, func(c Capability) bool { return denied("capability:" + c.Name) })
	n.Execute = drop(m.Execute, func(p Program) bool { return denied("execute:" + p.Path) })
	n.Filesystem.Readable = drop(m.Filesystem.Readable, func(r ReadablePath) bool { return denied("read:" + r.Path) })
	n.Filesystem.Writable = drop(m.Filesystem.Writable, func(w WritablePath) bool { return denied("write:" + w.Path) })
	n.Mounts = drop(m.Mounts, func(t Mount) bool { return denied("mount:" + t.Path) })
	n.Devices = drop(m.Devices, func(d Device) bool { return denied("device:" + d.Path) })
	n.Network.Egress = drop(m.Network.Egress, func(e Egress) bool { return denied(e.id()) })
	n.Network.Listen = drop(m.Network.Listen, func(l Listen) bool { return denied(l.id()) })
	if denied("identity:range") {
		n.Identity = Identity{Mode: IdentitySingle}
	}
	if denied("network:" + string(m.Network.Mode)) {
		n.Network = Network{Mode: NetworkNone}
	}
	if len(m.Filesystem.Readable) > 0 && len(n.Filesystem.Readable) == 0 {
		return nil, ErrLastReadable
	}
	if err := n.Validate(); err != nil {
		return nil, fmt.Errorf("denying permissions: %w", err)
	}
	for _, g := range m.grants() {
		if denied(g.ID) && g.in(&n) {
			return nil, fmt.Errorf("%w: %q", ErrStillAllowed, g.ID)
		}
	}
	return &n, nil
}

// drop returns the entries that are not denied, in a list of their own.
func drop[T any](list []T, denied func(T) bool) []T {
	return slices.DeleteFunc(slices.Clone(list), denied)
}
