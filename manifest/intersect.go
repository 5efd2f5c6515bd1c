package manifest

import (
	"errors"
	"fmt"
)

// Intersect returns the manifest of what both a and b allow. Where both have
// an entry, it keeps a's reason, and is optional only if both are.
//
// The error is [ErrArchitecture], [ErrNothingReadable], or an [*InvalidError]
// where the result breaks a bound of the format.
func Intersect(a, b *Manifest) (*Manifest, error) {
	if err := checkArchitectures(a, b); err != nil {
		return nil, err
	}
	arch := a.Syscalls.Architecture
	readable, err := meetReadable(a.Filesystem.Readable, b.Filesystem.Readable)
	if err != nil {
		return nil, err
	}
	m := Manifest{
		Version: Version,
		Syscalls: Syscalls{
			Architecture: arch,
			Kernel:       olderKernel(a.Syscalls.Kernel, b.Syscalls.Kernel),
			Allow:        meetSyscalls(arch, a.Syscalls, b.Syscalls),
		},
		Capabilities: meetAll(a.Capabilities, b.Capabilities, func(x, y Capability) (Capability, bool) {
			return Capability{x.Name, x.and(y.Note)}, x.Name == y.Name
		}),
		Identity: meetIdentity(a.Identity, b.Identity),
		Execute:  meetPrograms(a.Execute, b.Execute),
		Filesystem: Filesystem{
			Readable: readable,
			Writable: meetWritable(a.Filesystem.Writable, b.Filesystem.Writable),
		},
		Mounts: meetAll(a.Mounts, b.Mounts, func(x, y Mount) (Mount, bool) {
			same := x.Path == y.Path && x.Volume == y.Volume && x.Host == y.Host
			x.Write = x.Write && y.Write
			x.Note = x.and(y.Note)
			return x, same
		}),
		Devices: meetAll(a.Devices, b.Devices, func(x, y Device) (Device, bool) {
			return Device{x.Path, x.and(y.Note)}, x.Path == y.Path
		}),
		Network: meetNetwork(a.Network, b.Network),
	}
	for i, r := range m.Resources.bounds() {
		x, y := *a.Resources.bounds()[i].value, *b.Resources.bounds()[i].value
		*r.value = max(x, y)
		if x != 0 && y != 0 {
			*r.value = min(x, y)
		}
	}
	if err := m.Validate(); err != nil {
		return nil, fmt.Errorf("intersecting manifests: %w", err)
	}
	return m.normalised(), nil
}

func meetSyscalls(arch string, a, b Syscalls) []Syscall {
	byName := map[string][]Syscall{}
	for _, s := range b.Allow {
		byName[s.Name] = append(byName[s.Name], s)
	}
	var common []Syscall
	for _, s := range a.Allow {
		common = append(common, meetAll([]Syscall{s}, byName[s.Name], func(x, y Syscall) (Syscall, bool) {
			p, errP := x.resolve(arch)
			q, errQ := y.resolve(arch)
			if errors.Join(errP, errQ) != nil {
				return Syscall{}, false
			}
			both, ok := p.meet(q)
			return Syscall{x.Name, both.when(arch, x.Name), x.and(y.Note)}, ok
		})...)
	}
	return absorb(common, syscallInside(arch), func(s Syscall) Note { return s.Note })
}

func meetIdentity(a, b Identity) Identity {
	switch {
	case a.Mode == b.Mode:
		a.Note = a.and(b.Note)
		return a
	case a.Mode == IdentitySingle:
		return a
	}
	return b
}

func meetPrograms(a, b []Program) []Program {
	common := meetAll(a, b, func(x, y Program) (Program, bool) {
		switch {
		case x.Path == y.Path || y.Path == AnyProgram:
			return Program{x.Path, x.and(y.Note)}, true
		case x.Path == AnyProgram:
			return Program{y.Path, y.and(x.Note)}, true
		}
		return Program{}, false
	})
	return joinAll(nil, common,
		func(p Program) string { return p.Path },
		func(x, y Program) Program { x.Note = x.and(y.Note); return x })
}

func meetReadable(a, b []ReadablePath) ([]ReadablePath, error) {
	switch {
	case len(a) == 0:
		return b, nil
	case len(b) == 0:
		return a, nil
	}
	common := meetAll(a, b, func(x, y ReadablePath) (ReadablePath, bool) {
		path, ok := deeper(x.Path, y.Path)
		return ReadablePath{path, x.and(y.Note)}, ok
	})
	if len(common) == 0 {
		return nil, ErrNothingReadable
	}
	return joinAll(nil, common,
		func(r ReadablePath) string { return r.Path },
		func(x, y ReadablePath) ReadablePath { x.Note = x.and(y.Note); return x }), nil
}

func meetWritable(a, b []WritablePath) []WritablePath {
	common := meetAll(a, b, func(x, y WritablePath) (WritablePath, bool) {
		path, ok := deeper(x.Path, y.Path)
		return WritablePath{path, min(x.Bound(), y.Bound()), x.and(y.Note)}, ok
	})
	return unionWritable(nil, common)
}

// deeper returns the one of two paths that lies at or below the other.
func deeper(a, b string) (string, bool) {
	switch {
	case within(a, b):
		return b, true
	case within(b, a):
		return a, true
	}
	return "", false
}

func meetNetwork(a, b Network) Network {
	wide, narrow := a, b
	if modeRank(b.Mode) >= modeRank(a.Mode) {
		wide, narrow = b, a
	}
	m := Network{Mode: narrow.Mode, Note: narrow.and(wide.Note)}
	if m.Mode == NetworkNone {
		return m
	}
	egress := meetAll(a.Egress, b.Egress, func(x, y Egress) (Egress, bool) {
		ports := commonPorts(x.Ports, y.Ports)
		narrow := x
		if !targetWithin(y, x) {
			narrow = y
		}
		fits := x.Protocol == y.Protocol && (len(ports) > 0 || x.Protocol == ICMP) && (targetWithin(y, x) || targetWithin(x, y))
		return Egress{narrow.Host, narrow.CIDR, ports, x.Protocol, x.and(y.Note)}, fits
	})
	m.Egress = absorb(egress, Egress.inside, func(e Egress) Note { return e.Note })
	m.Listen = meetAll(a.Listen, b.Listen, func(x, y Listen) (Listen, bool) {
		publish := a.published(x) && b.published(y)
		return Listen{x.Port, x.Protocol, publish, x.and(y.Note)}, x.Port == y.Port && x.Protocol == y.Protocol
	})
	return m
}
