package manifest

import "fmt"

// Union returns a manifest that allows all that a or b allows. Where both have
// an entry, it keeps a's reason, and is optional only if both are.
//
// It can allow more than the two together where the format cannot say less:
// the host's network beside a private one drops the latter's addresses. The
// error is [ErrArchitecture], or an [*InvalidError] where the two contradict
// each other, such as by mounting different things at one path, or where the
// format cannot say it at all, such as ICMP on the host's network.
func Union(a, b *Manifest) (*Manifest, error) {
	if err := checkArchitectures(a, b); err != nil {
		return nil, err
	}
	arch := a.Syscalls.Architecture
	u := Manifest{
		Version: Version,
		Syscalls: Syscalls{
			Architecture: arch,
			Kernel:       olderKernel(a.Syscalls.Kernel, b.Syscalls.Kernel),
			Allow:        unionSyscalls(arch, a.Syscalls.Allow, b.Syscalls.Allow),
		},
		Capabilities: joinAll(a.Capabilities, b.Capabilities,
			func(c Capability) string { return c.Name },
			func(x, y Capability) Capability { x.Note = x.and(y.Note); return x }),
		Identity: unionIdentity(a.Identity, b.Identity),
		Execute: joinAll(a.Execute, b.Execute,
			func(p Program) string { return p.Path },
			func(x, y Program) Program { x.Note = x.and(y.Note); return x }),
		Filesystem: Filesystem{
			Readable: unionReadable(a.Filesystem.Readable, b.Filesystem.Readable),
			Writable: unionWritable(a.Filesystem.Writable, b.Filesystem.Writable),
		},
		Mounts: unionMounts(a.Mounts, b.Mounts),
		Devices: joinAll(a.Devices, b.Devices,
			func(d Device) string { return d.Path },
			func(x, y Device) Device { x.Note = x.and(y.Note); return x }),
		Network: unionNetwork(a.Network, b.Network),
	}
	for i, r := range u.Resources.bounds() {
		x, y := *a.Resources.bounds()[i].value, *b.Resources.bounds()[i].value
		if x != 0 && y != 0 {
			*r.value = max(x, y)
		}
	}
	if err := u.Validate(); err != nil {
		return nil, fmt.Errorf("joining manifests: %w", err)
	}
	return u.normalised(), nil
}

func unionSyscalls(arch string, a, b []Syscall) []Syscall {
	all := joinAll(a, b,
		func(s Syscall) string { return s.id(arch) },
		func(x, y Syscall) Syscall { x.Note = x.and(y.Note); return x })
	return absorb(all, syscallInside(arch), func(s Syscall) Note { return s.Note })
}

func unionIdentity(a, b Identity) Identity {
	switch {
	case a.Mode == b.Mode:
		a.Note = a.and(b.Note)
		return a
	case a.Mode == IdentityRange:
		return a
	}
	return b
}

func unionReadable(a, b []ReadablePath) []ReadablePath {
	if len(a) == 0 || len(b) == 0 {
		return nil // the whole image
	}
	return joinAll(a, b,
		func(r ReadablePath) string { return r.Path },
		func(x, y ReadablePath) ReadablePath { x.Note = x.and(y.Note); return x })
}

func unionWritable(a, b []WritablePath) []WritablePath {
	return joinAll(a, b,
		func(w WritablePath) string { return w.Path },
		func(x, y WritablePath) WritablePath {
			x.Size = max(x.Bound(), y.Bound())
			x.Note = x.and(y.Note)
			return x
		})
}

func unionMounts(a, b []Mount) []Mount {
	return joinAll(a, b,
		// With the source in the key, two mounts that contradict each other
		// stay two, which Validate refuses.
		func(t Mount) string { return t.Path + "\x00" + t.Volume + "\x00" + t.Host },
		func(x, y Mount) Mount {
			x.Write = x.Write || y.Write
			x.Note = x.and(y.Note)
			return x
		})
}

func unionNetwork(a, b Network) Network {
	wide, narrow := a, b
	if modeRank(b.Mode) > modeRank(a.Mode) {
		wide, narrow = b, a
	}
	u := Network{Mode: wide.Mode, Note: wide.Note}
	if narrow.Mode != NetworkNone {
		u.Note = wide.and(narrow.Note)
	}
	egress := func(n Network) []Egress {
		list := make([]Egress, 0, len(n.Egress))
		for _, e := range n.Egress {
			if u.Mode == NetworkHost {
				e.Host, e.CIDR = "", ""
			}
			list = append(list, e)
		}
		return list
	}
	u.Egress = absorb(append(egress(a), egress(b)...), Egress.inside, func(e Egress) Note { return e.Note })
	u.Listen = joinAll(a.Listen, b.Listen, Listen.id, func(x, y Listen) Listen {
		x.Publish = x.Publish || y.Publish
		x.Note = x.and(y.Note)
		return x
	})
	return u
}
