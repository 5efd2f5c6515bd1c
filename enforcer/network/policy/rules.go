package policy

import (
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/least-privilege/lpm/manifest"
)

// Rules is what a manifest's network section lets a container reach, made ready
// for many decisions. It never changes, and any number of goroutines may use it.
// The nil value grants nothing.
type Rules struct {
	// everything lets all through that leaves the container.
	everything bool
	// names has the entries by the names that they grant, below those by the
	// names that follow their "*.".
	names, below map[string][]service
	blocks       []block
}

// service is what may be reached at a granted destination.
type service struct {
	protocol manifest.Protocol
	ports    []manifest.PortRange
}

type block struct {
	netip.Prefix
	service
}

// New compiles a network section. Entries that do not name a destination or are
// not valid grant nothing.
func New(n manifest.Network) *Rules {
	r := &Rules{names: map[string][]service{}, below: map[string][]service{}}
	for _, e := range n.Egress {
		r.add(e)
	}
	return r
}

// Everything returns the rules of a recording: all that leaves the container is
// let through, and every name that can be one is looked up.
func Everything() *Rules { return &Rules{everything: true} }

// With returns rules that grant an entry besides. An entry with a host and no
// ports lets its names be looked up, and nothing be connected to.
func (r *Rules) With(e manifest.Egress) *Rules {
	more := New(manifest.Network{})
	if r != nil {
		more.everything = r.everything
		maps.Copy(more.names, r.names)
		maps.Copy(more.below, r.below)
		more.blocks = slices.Clone(r.blocks)
	}
	more.add(e)
	return more
}

func (r *Rules) add(e manifest.Egress) {
	s := service{e.Protocol, slices.Clone(e.Ports)}
	if e.CIDR != "" {
		prefix, err := netip.ParsePrefix(e.CIDR)
		if err == nil && !prefix.Addr().Is4In6() {
			r.blocks = append(r.blocks, block{prefix.Masked(), s})
		}
		return
	}
	to, host := r.names, e.Host
	if end, wild := strings.CutPrefix(host, "*."); wild {
		to, host = r.below, end
	}
	if name, ok := Canonical(host); ok {
		// Not appended in place: rules that this one was made from share it.
		to[name] = append(slices.Clip(to[name]), s)
	}
}

// grants reports whether a flow's protocol and port are granted.
func (s service) grants(f Flow) bool {
	return s.protocol == f.Protocol && (s.protocol == manifest.ICMP ||
		slices.ContainsFunc(s.ports, func(p manifest.PortRange) bool { return p.Contains(f.To.Port()) }))
}

// find returns what is granted at a name, by itself and by wildcards. The
// reason is [NameNotGranted] where nothing is.
func (r *Rules) find(name string) ([]service, Reason) {
	found, why := r.names[name], NameNotGranted
	if len(found) > 0 {
		why = ByName
	}
	for end := name; ; {
		_, rest, more := strings.Cut(end, ".")
		if !more {
			return found, why
		}
		end = rest
		if below := r.below[end]; len(below) > 0 {
			found = append(slices.Clip(found), below...)
			if why != ByName {
				why = ByWildcard
			}
		}
	}
}
