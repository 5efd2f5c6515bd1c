package policy

import (
	"net/netip"
	"slices"

	"github.com/least-privilege/lpm/manifest"
)

// Flow is a connection or a datagram that leaves the container.
type Flow struct {
	Protocol manifest.Protocol
	// To is where it goes. Its port is 0 for ICMP.
	To netip.AddrPort
}

// Verdict is a decision. The zero value is a denial.
type Verdict struct {
	Allowed bool
	Reason  Reason
	// Name is the canonical name by which the destination is known. It is
	// empty where none is.
	Name string
	// Grant is the manifest's entry that would turn a denial around, nil
	// where none can.
	Grant *manifest.Egress
}

// Decide decides on a flow. The names are those by which its address was
// resolved, the latest first: see [Pins.Names]. Local says that the address, or
// one that [Reaches] finds in it, is one of the host's own, the broadcast
// addresses of its links among them.
func (r *Rules) Decide(f Flow, names []string, local bool) Verdict {
	if r == nil {
		r = &Rules{}
	}
	to := plain(f.To.Addr())
	f.To = netip.AddrPortFrom(to, f.To.Port())
	v := Verdict{}
	if len(names) > 0 {
		v.Name, _ = Canonical(names[0])
	}
	why, special := forbidden(to, local)
	switch {
	case !to.IsValid() || f.Protocol == manifest.ICMP && f.To.Port() != 0 || f.Protocol != manifest.ICMP && f.To.Port() == 0:
		v.Reason = Malformed
		return v
	case special && (why == Inner || why == Unspecified):
		v.Reason = why
		return v
	case r.everything:
		return r.record(why, special, v)
	}
	if r.byBlock(f, why) {
		v.Allowed, v.Reason = true, ByBlock
		return v
	}
	if special {
		v.Reason, v.Grant = why, blockGrant(f)
		return v
	}
	return r.byName(f, names, v)
}

// record lets all through but what is the machine's alone.
func (r *Rules) record(why Reason, special bool, v Verdict) Verdict {
	v.Allowed, v.Reason = true, Recorded
	if special && why == Loopback {
		v.Allowed, v.Reason = false, why
	}
	return v
}

// byBlock reports whether an address block grants a flow.
func (r *Rules) byBlock(f Flow, why Reason) bool {
	return slices.ContainsFunc(r.blocks, func(b block) bool { return b.holds(f.To.Addr(), why) && b.grants(f) })
}

// held reports whether an address block has an address, at whatever port.
func (r *Rules) held(a netip.Addr, why Reason) bool {
	return slices.ContainsFunc(r.blocks, func(b block) bool { return b.holds(a, why) })
}

// holds reports whether a block grants an address. Whoever writes 0.0.0.0/0
// means the machines of the world, and not this one's loopback: that takes a
// block of loopback addresses, or the address itself.
func (b block) holds(a netip.Addr, why Reason) bool {
	return b.Contains(a) && (why != Loopback || b.IsSingleIP() || b.Addr().IsLoopback() && b.Addr().Is4() && b.Bits() >= 8)
}

// byName decides on a flow to an address that names may lead to.
func (r *Rules) byName(f Flow, names []string, v Verdict) Verdict {
	granted := ""
	for _, name := range names {
		known, ok := Canonical(name)
		if !ok {
			continue
		}
		services, why := r.find(known)
		if why == NameNotGranted {
			continue
		}
		for _, s := range services {
			if s.grants(f) {
				return Verdict{Allowed: true, Reason: why, Name: known}
			}
		}
		if granted == "" {
			granted = known
		}
	}
	return r.refuse(f, granted, v)
}

// refuse says why a flow is denied that neither a block nor a name grants, and
// what would grant it. Granted is a name that is granted for something else.
func (r *Rules) refuse(f Flow, granted string, v Verdict) Verdict {
	if granted != "" {
		v.Reason, v.Name, v.Grant = OtherPort, granted, hostGrant(granted, f)
	} else {
		if r.held(f.To.Addr(), 0) {
			v.Reason = OtherPort
		}
		if v.Name != "" {
			v.Grant = hostGrant(v.Name, f)
		}
	}
	if v.Grant == nil {
		v.Grant = blockGrant(f)
	}
	return v
}

// blockGrant returns the entry that grants a flow by its address, or nil where
// none does.
func blockGrant(f Flow) *manifest.Egress {
	a := f.To.Addr()
	return atPort(&manifest.Egress{CIDR: netip.PrefixFrom(a, a.BitLen()).String()}, f)
}

// atPort completes an entry by a flow's port and protocol.
func atPort(e *manifest.Egress, f Flow) *manifest.Egress {
	e.Protocol = f.Protocol
	if f.Protocol != manifest.ICMP {
		e.Ports = []manifest.PortRange{manifest.Port(f.To.Port())}
	}
	return e
}

// Address decides whether an address that was given for a name is told to the
// container. It is allowed if a name may lead to it, or if a block of the
// manifest has it. Local is as in [Rules.Decide].
func (r *Rules) Address(name string, a netip.Addr, local bool) Verdict {
	v := Verdict{Allowed: true, Reason: ByName, Name: name}
	a = plain(a)
	why, special := forbidden(a, local)
	switch {
	case !a.IsValid():
		return Verdict{Reason: Malformed, Name: name}
	case !special:
		return v
	case why == Inner || why == Unspecified:
	case r != nil && r.everything && why != Loopback:
		v.Reason = Recorded
		return v
	case r != nil && r.held(a, why):
		v.Reason = ByBlock
		return v
	}
	return Verdict{Reason: why, Name: name}
}
