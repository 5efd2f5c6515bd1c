package supervise

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/least-privilege/lpm/manifest"
)

// Grant is what a manifest would have to say besides for a denial not to
// happen. The zero value is that of a denial which no manifest can help.
type Grant struct {
	Syscall  *manifest.Syscall
	Program  *manifest.Program
	Egress   *manifest.Egress
	Listen   *manifest.Listen
	Readable *manifest.ReadablePath
	Writable *manifest.WritablePath
	Mount    *manifest.Mount
	// Mode is the network that Egress and Listen are of; empty is the host's.
	Mode manifest.NetworkMode
}

// IsZero reports whether no manifest can say it.
func (g Grant) IsZero() bool { return g == Grant{} }

// MarshalText implements [encoding.TextMarshaler].
func (g Grant) MarshalText() ([]byte, error) { return []byte(g.String()), nil }

// String returns the manifest's line in CUE; empty for the zero value. It
// quotes strings that come from the container: escape it before printing.
func (g Grant) String() string {
	var parts []string
	add := func(format string, args ...any) { parts = append(parts, fmt.Sprintf(format, args...)) }
	if s := g.Syscall; s != nil {
		add("syscalls: allow: [{name: %q%s}]", s.Name, conditions(s.When))
	}
	if p := g.Program; p != nil {
		add("execute: [{path: %q}]", p.Path)
	}
	if e := g.Egress; e != nil {
		add("network: {mode: %q, egress: [{%s}]}", g.mode(), destination(*e))
	}
	if l := g.Listen; l != nil {
		add("network: {mode: %q, listen: [{port: %d, protocol: %q}]}", g.mode(), l.Port, l.Protocol)
	}
	if r := g.Readable; r != nil {
		add("filesystem: readable: [{path: %q}]", r.Path)
	}
	if w := g.Writable; w != nil {
		add("filesystem: writable: [{path: %q}]", w.Path)
	}
	if m := g.Mount; m != nil {
		source := fmt.Sprintf("volume: %q", m.Volume)
		if m.Host != "" {
			source = fmt.Sprintf("host: %q", m.Host)
		}
		add("mounts: [{path: %q, %s, write: true}]", m.Path, source)
	}
	return strings.Join(parts, ", ")
}

func (g Grant) mode() manifest.NetworkMode { return cmp.Or(g.Mode, manifest.NetworkHost) }

func destination(e manifest.Egress) string {
	var fields []string
	if e.Host != "" {
		fields = append(fields, fmt.Sprintf("host: %q", e.Host))
	}
	if e.CIDR != "" {
		fields = append(fields, fmt.Sprintf("cidr: %q", e.CIDR))
	}
	if len(e.Ports) > 0 {
		fields = append(fields, fmt.Sprintf("ports: [%q]", e.Ports[0]))
	}
	return strings.Join(append(fields, fmt.Sprintf("protocol: %q", e.Protocol)), ", ")
}

func conditions(when []manifest.Condition) string {
	if len(when) == 0 {
		return ""
	}
	texts := make([]string, len(when))
	for i, c := range when {
		mask := ""
		if c.Mask != "" {
			mask = fmt.Sprintf("mask: %q, ", c.Mask)
		}
		texts[i] = fmt.Sprintf("{arg: %d, %soneOf: [%q]}", c.Arg, mask, c.OneOf[0])
	}
	return ", when: [" + strings.Join(texts, ", ") + "]"
}

// Amend returns a manifest that says all that m says and the grant, for the
// given reason, unless it has one. What is new in it is optional, so that a reviewer can decide
// on each. The error is that of [manifest.Union].
func (g Grant) Amend(m *manifest.Manifest, reason string) (*manifest.Manifest, error) {
	// What a union would widen where one side says nothing of it, the other
	// has to say too.
	add := &manifest.Manifest{
		Version:    m.Version,
		Syscalls:   manifest.Syscalls{Architecture: m.Syscalls.Architecture, Kernel: m.Syscalls.Kernel},
		Identity:   m.Identity,
		Filesystem: manifest.Filesystem{Readable: slices.Clone(m.Filesystem.Readable)},
		Network:    manifest.Network{Mode: manifest.NetworkNone, Note: m.Network.Note},
		Resources:  m.Resources,
	}
	note := manifest.Note{Reason: reason, Optional: true}
	if m.Network.Mode != manifest.NetworkHost {
		add.Network.Note = note
	}
	if g.Syscall != nil {
		add.Syscalls.Allow = []manifest.Syscall{{Name: g.Syscall.Name, When: g.Syscall.When, Note: note}}
	}
	if g.Program != nil {
		add.Execute = []manifest.Program{{Path: g.Program.Path, Note: note}}
	}
	if g.Egress != nil {
		add.Network.Mode = g.mode()
		egress := *g.Egress
		egress.Note = note
		add.Network.Egress = []manifest.Egress{egress}
	}
	if g.Listen != nil {
		add.Network.Mode = g.mode()
		add.Network.Listen = []manifest.Listen{{Port: g.Listen.Port, Protocol: g.Listen.Protocol, Note: note}}
	}
	if g.Readable != nil && len(m.Filesystem.Readable) > 0 {
		add.Filesystem.Readable = append(add.Filesystem.Readable, manifest.ReadablePath{Path: g.Readable.Path, Note: note})
	}
	if g.Writable != nil {
		add.Filesystem.Writable = []manifest.WritablePath{{Path: g.Writable.Path, Note: note}}
	}
	if g.Mount != nil {
		mount := *g.Mount
		mount.Write, mount.Note = true, note
		add.Mounts = []manifest.Mount{mount}
	}
	return manifest.Union(m, add)
}
