package vulnerabilities

import (
	"fmt"
	"slices"
	"strings"

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
	calls       *calls
	// without is the index of an entry of the manifest's calls that is not to
	// count, or -1.
	without int
	known   map[string]bool
}

func reachOf(c Confinement) *reach {
	return &reach{confinement: c, calls: callsOf(c.Manifest), without: -1, known: map[string]bool{}}
}

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
	holds := slices.ContainsFunc(alternatives(need), r.allows)
	r.known[need] = holds
	return holds
}

// allows reports whether an alternative holds.
func (r *reach) allows(text string) bool {
	m := r.confinement.Manifest
	own := m.Network.Mode != manifest.NetworkHost
	switch name, inside, _ := strings.Cut(text, "("); name {
	case "amd64", "arm64":
		return m.Syscalls.Architecture == name
	case "foreign":
		return r.confinement.Foreign
	case "host-network":
		return m.Network.Mode == manifest.NetworkHost
	case "device":
		return slices.ContainsFunc(m.Devices, func(d manifest.Device) bool { return d.Path+")" == inside })
	case "user-namespace":
		return r.makes("CLONE_NEWUSER")
	case "net-admin":
		return own && r.capable("CAP_NET_ADMIN") || r.network()
	case "net-raw":
		return own && r.capable("CAP_NET_RAW") || r.network()
	case "sys-admin":
		return r.capable("CAP_SYS_ADMIN") || r.makes("CLONE_NEWUSER")
	}
	if strings.HasPrefix(text, "CAP_") {
		return r.capable(text)
	}
	return slices.ContainsFunc(r.calls.entries(text), func(i int) bool { return i != r.without })
}

// network reports whether the container can make a network of which it is the
// administrator.
func (r *reach) network() bool {
	return r.makes("CLONE_NEWNET") && (r.capable("CAP_SYS_ADMIN") || r.makes("CLONE_NEWUSER"))
}

// makes reports whether namespaces of a kind can be made. What clone3 does, no
// filter can see.
func (r *reach) makes(flag string) bool {
	set := fmt.Sprintf("(0&%[1]s=%[1]s)", flag)
	return r.allows("clone"+set) || r.allows("unshare"+set) || r.allows("clone3")
}

func (r *reach) capable(name string) bool {
	return slices.ContainsFunc(r.confinement.Manifest.Capabilities, func(h manifest.Capability) bool { return h.Name == name })
}
