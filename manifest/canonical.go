package manifest

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
)

// Canonical returns the manifest as compact JSON in the one spelling that all
// manifests with the same permissions and notes share: lists sorted, defaults
// left out or written out always in the same way, conditions in symbols where
// there are any. The error is that of [Manifest.Validate].
//
// Parse(Canonical) gives a manifest with the same canonical bytes.
func (m *Manifest) Canonical() ([]byte, error) {
	if err := m.Validate(); err != nil {
		return nil, err
	}
	data, err := json.Marshal(m.normalised())
	if err != nil {
		return nil, fmt.Errorf("encoding manifest: %w", err)
	}
	if len(data) > MaxSize {
		return nil, ErrTooLarge
	}
	return data, nil
}

// Digest returns "sha256:" with the hexadecimal digest of the canonical bytes.
func (m *Manifest) Digest() (string, error) {
	data, err := m.Canonical()
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(sum[:]), nil
}

// normalised returns a copy in canonical form. The receiver is valid.
func (m *Manifest) normalised() *Manifest {
	n := *m
	arch := m.Syscalls.Architecture
	n.Syscalls.Allow = sorted(m.Syscalls.Allow, func(s Syscall) string { return s.id(arch) })
	for i, s := range n.Syscalls.Allow {
		if b, err := s.resolve(arch); err == nil {
			n.Syscalls.Allow[i].When = b.when(arch, s.Name)
		}
	}
	n.Capabilities = sorted(m.Capabilities, func(c Capability) string { return c.Name })
	n.Execute = sorted(m.Execute, func(p Program) string { return p.Path })
	n.Filesystem.Readable = sorted(m.Filesystem.Readable, func(r ReadablePath) string { return r.Path })
	n.Filesystem.Writable = sorted(m.Filesystem.Writable, func(w WritablePath) string { return w.Path })
	for i, w := range n.Filesystem.Writable {
		if w.Size == DefaultWritableSize {
			n.Filesystem.Writable[i].Size = 0
		}
	}
	n.Mounts = sorted(m.Mounts, func(t Mount) string { return t.Path })
	n.Devices = sorted(m.Devices, func(d Device) string { return d.Path })
	n.Network.Egress = sorted(m.Network.Egress, Egress.id)
	for i, e := range n.Network.Egress {
		n.Network.Egress[i].Ports = mergePorts(e.Ports)
	}
	n.Network.Listen = sorted(m.Network.Listen, Listen.id)
	if n.Network.Mode == NetworkHost {
		for i := range n.Network.Listen {
			n.Network.Listen[i].Publish = false
		}
	}
	return &n
}

// sorted returns a sorted copy, nil for an empty list.
func sorted[T any](list []T, key func(T) string) []T {
	if len(list) == 0 {
		return nil
	}
	list = slices.Clone(list)
	slices.SortFunc(list, func(a, b T) int { return cmp.Compare(key(a), key(b)) })
	return list
}
