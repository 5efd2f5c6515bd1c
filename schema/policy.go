package schema

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"

	"cuelang.org/go/cue"

	"github.com/least-privilege/lpm/manifest"
)

// policy is the part of #Policy that is data. The rest, constraints on the
// manifest, stays in CUE.
type policy struct {
	Version       int             `json:"version"`
	Name          string          `json:"name"`
	MaxLevel      *manifest.Level `json:"maxLevel"`
	RequireReason *manifest.Level `json:"requireReason"`
	Forbid        []named         `json:"forbid"`
	Ceiling       *ceiling        `json:"ceiling"`
	Waive         []named         `json:"waive"`

	// constraints is the field manifest as written; it need not exist.
	constraints cue.Value
}

// named is a permission of which a policy says something.
type named struct {
	Permission string `json:"permission"`
	Reason     string `json:"reason"`
}

// ceiling has the sections of a manifest that a policy bounds.
type ceiling struct {
	Syscalls     *manifest.Syscalls     `json:"syscalls"`
	Capabilities *[]manifest.Capability `json:"capabilities"`
	Identity     *manifest.Identity     `json:"identity"`
	Execute      *[]manifest.Program    `json:"execute"`
	Filesystem   *manifest.Filesystem   `json:"filesystem"`
	Mounts       *[]manifest.Mount      `json:"mounts"`
	Devices      *[]manifest.Device     `json:"devices"`
	Resources    *manifest.Resources    `json:"resources"`
	Network      *networkCeiling        `json:"network"`
}

type networkCeiling struct {
	Modes  []manifest.NetworkMode `json:"modes"`
	Egress []manifest.Egress      `json:"egress"`
	Listen []manifest.Listen      `json:"listen"`
}

// readPolicy reads a policy and refuses one that could not be evaluated for
// some manifest, or that has no rule.
func readPolicy(ctx *cue.Context, name string, data []byte) (*policy, error) {
	written, err := read(ctx, name, data)
	if err != nil {
		return nil, err
	}
	// Constraints on the manifest are not concrete; everything else must be,
	// which encoding it as JSON finds out.
	whole, err := unify(ctx, "#Policy", name, written)
	if err != nil {
		return nil, err
	}
	p := &policy{constraints: written.LookupPath(cue.ParsePath("manifest"))}
	fields := map[string]json.RawMessage{}
	for _, field := range []string{"version", "name", "maxLevel", "requireReason", "forbid", "ceiling", "waive"} {
		value := whole.LookupPath(cue.ParsePath(field))
		if !value.Exists() {
			continue
		}
		if fields[field], err = value.MarshalJSON(); err != nil {
			return nil, Errors{at(name, value.Pos(), field, "expected a value that is decided")}
		}
	}
	for _, required := range []string{"version", "name"} {
		if fields[required] == nil {
			return nil, Errors{at(name, written.Pos(), required, "missing")}
		}
	}
	encoded, err := json.Marshal(fields)
	if err != nil {
		return nil, fmt.Errorf("encoding policy %s: %w", name, err)
	}
	decoder := json.NewDecoder(bytes.NewReader(encoded))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(p); err != nil {
		return nil, fmt.Errorf("decoding policy %s: %w", name, err)
	}
	if p.MaxLevel == nil && p.RequireReason == nil && p.Forbid == nil && p.Ceiling == nil && !p.constraints.Exists() {
		return nil, Errors{at(name, written.Pos(), "", "expected at least one rule: maxLevel, requireReason, forbid, ceiling or manifest")}
	}
	if p.Ceiling != nil {
		if err := p.Ceiling.validate(); err != nil {
			return nil, fmt.Errorf("policy %s: ceiling: %w", name, err)
		}
	}
	return p, nil
}

// over returns the manifest that is like m but for the sections that the
// ceiling bounds, which are the ceiling's.
func (c *ceiling) over(m *manifest.Manifest) *manifest.Manifest {
	outer := *m
	if c.Syscalls != nil {
		outer.Syscalls = *c.Syscalls
	}
	if c.Capabilities != nil {
		outer.Capabilities = *c.Capabilities
	}
	if c.Identity != nil {
		outer.Identity = *c.Identity
	}
	if c.Execute != nil {
		outer.Execute = *c.Execute
	}
	if c.Filesystem != nil {
		outer.Filesystem = *c.Filesystem
	}
	if c.Mounts != nil {
		outer.Mounts = *c.Mounts
	}
	if c.Devices != nil {
		outer.Devices = *c.Devices
	}
	if c.Resources != nil {
		outer.Resources = *c.Resources
	}
	if c.Network != nil {
		// Modes have a rule of their own; see checkModes.
		outer.Network.Egress, outer.Network.Listen = c.Network.Egress, c.Network.Listen
	}
	return &outer
}

// validate checks the sections by the rules of manifests. Destinations are
// checked in two parts, for a ceiling may have some with a name or address, as
// private networks have them, beside some without, as the host's has them.
func (c *ceiling) validate() error {
	base := &manifest.Manifest{
		Version:  manifest.Version,
		Syscalls: manifest.Syscalls{Architecture: "amd64", Kernel: manifest.KnownKernel},
		Identity: manifest.Identity{Mode: manifest.IdentitySingle},
		Network:  manifest.Network{Mode: manifest.NetworkNone},
	}
	m := *c.over(base)
	m.Network = base.Network
	if err := m.Validate(); err != nil || c.Network == nil {
		return err
	}
	// ICMP without a target has no mode of its own; it is checked with one.
	var anywhere []manifest.Egress
	for _, e := range c.Network.Egress {
		if e.Protocol == manifest.ICMP && e.Host == "" && e.CIDR == "" {
			e.CIDR = "::/0"
			anywhere = append(anywhere, e)
		}
	}
	base.Network = manifest.Network{Mode: manifest.NetworkPrivate, Egress: anywhere}
	if err := base.Validate(); err != nil {
		return err
	}
	bare := func(e manifest.Egress) bool { return e.Host == "" && e.CIDR == "" }
	base.Network = manifest.Network{
		Mode:   manifest.NetworkPrivate,
		Egress: slices.DeleteFunc(slices.Clone(c.Network.Egress), bare),
		Listen: c.Network.Listen,
	}
	if err := base.Validate(); err != nil {
		return err
	}
	base.Network = manifest.Network{
		Mode:   manifest.NetworkHost,
		Egress: slices.DeleteFunc(slices.Clone(c.Network.Egress), func(e manifest.Egress) bool { return !bare(e) || e.Protocol == manifest.ICMP }),
	}
	return base.Validate()
}
