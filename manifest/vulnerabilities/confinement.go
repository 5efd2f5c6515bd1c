package vulnerabilities

import (
	"slices"

	"github.com/least-privilege/lpm/manifest"
)

// Confinement is what a container may do. An element of [Vulnerability.Needs]
// holds for it when one of its alternatives does:
//
//   - a call such as "splice", or with conditions "socket(0=AF_NETLINK;2=12)"
//     or "clone(0&CLONE_VM=CLONE_VM)", as in the ID of a permission, when it
//     can be made with some arguments that pass them;
//   - "CAP_…", a capability inside the container;
//   - "user-namespace", the making of user namespaces, in which the
//     container has every capability;
//   - "net-admin" and "net-raw", CAP_NET_ADMIN and CAP_NET_RAW over a network
//     of its own: the one it is in or, with a user namespace, a new one;
//   - "sys-admin", CAP_SYS_ADMIN inside the container or a user namespace;
//   - "host-network", the machine's own network;
//   - "device(/dev/…)", a device;
//   - "foreign", calls of the machine's other interfaces: i386, x32, arm;
//   - "amd64" or "arm64", the architecture.
type Confinement struct {
	Manifest *manifest.Manifest
	// Foreign tells that calls of other interfaces can be made. By lpm a
	// process that makes one is killed.
	Foreign bool
}

// Open returns the known vulnerabilities that a manifest leaves open, sorted
// by ID.
func Open(m *manifest.Manifest) []Vulnerability {
	return Confinement{Manifest: m}.Open()
}

// Open returns the known vulnerabilities that are left open, sorted by ID.
func (c Confinement) Open() []Vulnerability {
	r := reachOf(c)
	return slices.DeleteFunc(Known(), func(v Vulnerability) bool { return !r.all(v.Needs) })
}

// reach is what a confinement was found to allow, by the elements of needs.
type reach struct {
	confinement Confinement
	known       map[string]bool
}

func reachOf(c Confinement) *reach { return &reach{confinement: c, known: map[string]bool{}} }

// all reports whether every element holds.
func (r *reach) all(needs []string) bool {
	return !slices.ContainsFunc(needs, func(n string) bool { return !r.holds(n) })
}

// holds reports whether one of an element's alternatives does. What cannot be
// read does not hold; a test keeps that out of the table.
func (r *reach) holds(need string) bool {
	if holds, known := r.known[need]; known {
		return holds
	}
	holds := slices.ContainsFunc(alternatives(need), func(text string) bool {
		a, err := parse(text)
		return err == nil && r.confinement.allows(a)
	})
	r.known[need] = holds
	return holds
}

// allows reports whether an alternative holds.
func (c Confinement) allows(a alternative) bool {
	m := c.Manifest
	own := m.Network.Mode != manifest.NetworkHost
	switch a.name {
	case "amd64", "arm64":
		return m.Syscalls.Architecture == a.name
	case "foreign":
		return c.Foreign
	case "host-network":
		return m.Network.Mode == manifest.NetworkHost
	case "device":
		return slices.ContainsFunc(m.Devices, func(d manifest.Device) bool { return d.Path == a.path })
	case "user-namespace":
		return c.makes("CLONE_NEWUSER")
	case "net-admin":
		return own && c.capable("CAP_NET_ADMIN") || c.network()
	case "net-raw":
		return own && c.capable("CAP_NET_RAW") || c.network()
	case "sys-admin":
		return c.capable("CAP_SYS_ADMIN") || c.makes("CLONE_NEWUSER")
	}
	if a.capability {
		return c.capable(a.name)
	}
	return m.Syscalls.Allows(a.name, a.when...)
}

// network reports whether the container can make a network of which it is the
// administrator.
func (c Confinement) network() bool {
	return c.makes("CLONE_NEWNET") && (c.capable("CAP_SYS_ADMIN") || c.makes("CLONE_NEWUSER"))
}

// makes reports whether namespaces of a kind can be made. What clone3 does, no
// filter can see.
func (c Confinement) makes(flag string) bool {
	set := manifest.Condition{Arg: 0, Mask: flag, OneOf: []string{flag}}
	calls := c.Manifest.Syscalls
	return calls.Allows("clone", set) || calls.Allows("unshare", set) || calls.Allows("clone3")
}

func (c Confinement) capable(name string) bool {
	return slices.ContainsFunc(c.Manifest.Capabilities, func(h manifest.Capability) bool { return h.Name == name })
}
