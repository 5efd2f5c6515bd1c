package prove

import (
	"fmt"
	"slices"

	"github.com/least-privilege/lpm/manifest"
)

// entry is the place of a list's entry in a manifest.
func entry(list string, i int) string { return fmt.Sprintf("%s[%d]", list, i) }

// Without returns a manifest without some of its candidates, and the places
// that the entries of its lists had before, by those that they have. Leaving
// the network out takes its ports and destinations along. The error is
// [manifest.ErrLastReadable], or that of [manifest.Manifest.Validate].
func Without(m *manifest.Manifest, left []Candidate) (*manifest.Manifest, map[string]string, error) {
	r := &remover{whole: map[string]bool{}, values: map[string][]Candidate{}, origin: map[string]string{}}
	for _, c := range left {
		if c.Value == "" {
			r.whole[c.Path] = true
		} else {
			r.values[c.Path] = append(r.values[c.Path], c)
		}
	}
	n := *m
	n.Syscalls.Allow = keep(r, "syscalls.allow", m.Syscalls.Allow, r.narrow)
	n.Capabilities = keep(r, "capabilities", m.Capabilities, nil)
	n.Execute = keep(r, "execute", m.Execute, nil)
	n.Filesystem.Readable = keep(r, "filesystem.readable", m.Filesystem.Readable, nil)
	n.Filesystem.Writable = keep(r, "filesystem.writable", m.Filesystem.Writable, nil)
	n.Mounts = keep(r, "mounts", m.Mounts, nil)
	n.Devices = keep(r, "devices", m.Devices, nil)
	if r.whole["network"] {
		n.Network = manifest.Network{Mode: manifest.NetworkNone}
	} else {
		n.Network.Egress = keep(r, "network.egress", m.Network.Egress, nil)
		n.Network.Listen = keep(r, "network.listen", m.Network.Listen, nil)
	}
	if r.whole["identity"] {
		n.Identity = manifest.Identity{Mode: manifest.IdentitySingle}
	}
	if len(m.Filesystem.Readable) > 0 && len(n.Filesystem.Readable) == 0 {
		return nil, nil, manifest.ErrLastReadable
	}
	if err := n.Validate(); err != nil {
		return nil, nil, fmt.Errorf("leaving permissions out: %w", err)
	}
	return &n, r.origin, nil
}

type remover struct {
	whole  map[string]bool
	values map[string][]Candidate
	origin map[string]string
}

// keep returns the entries of a list that stay, in a list of their own. narrow,
// where not nil, may change an entry, and says whether anything is left of it.
func keep[T any](r *remover, name string, list []T, narrow func(path string, e T) (T, bool)) []T {
	var kept []T
	for i, e := range list {
		path := entry(name, i)
		if r.whole[path] {
			continue
		}
		if narrow != nil {
			var stays bool
			if e, stays = narrow(path, e); !stays {
				continue
			}
		}
		r.origin[entry(name, len(kept))] = path
		kept = append(kept, e)
	}
	return kept
}

// narrow takes values out of a call's conditions.
func (r *remover) narrow(path string, s manifest.Syscall) (manifest.Syscall, bool) {
	left := r.values[path]
	if len(left) == 0 {
		return s, true
	}
	s.When = slices.Clone(s.When)
	for _, c := range left {
		w := &s.When[c.Condition]
		w.OneOf = slices.DeleteFunc(slices.Clone(w.OneOf), func(v string) bool { return v == c.Value })
		if len(w.OneOf) == 0 {
			return s, false
		}
	}
	return s, true
}

// places returns the places of all entries in the manifest's order.
func places(m *manifest.Manifest) []string {
	var all []string
	list := func(name string, n int) {
		for i := range n {
			all = append(all, entry(name, i))
		}
	}
	list("syscalls.allow", len(m.Syscalls.Allow))
	list("capabilities", len(m.Capabilities))
	list("devices", len(m.Devices))
	list("network.egress", len(m.Network.Egress))
	list("filesystem.readable", len(m.Filesystem.Readable))
	list("filesystem.writable", len(m.Filesystem.Writable))
	list("mounts", len(m.Mounts))
	list("execute", len(m.Execute))
	all = append(all, "identity", "network")
	list("network.listen", len(m.Network.Listen))
	return all
}
