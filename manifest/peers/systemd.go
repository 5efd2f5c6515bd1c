package peers

import (
	"fmt"
	"slices"
	"strings"

	"github.com/least-privilege/lpm/manifest"
)

// systemd writes a drop-in for a service.
func (s *section) systemd() string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("[Service]")
	if families, known := s.addressFamilies(); known {
		line("RestrictAddressFamilies=%s", families)
	} else {
		s.note("The manifest lets sockets be of families that RestrictAddressFamilies= cannot say.")
	}
	if s.Mode == manifest.NetworkNone {
		line("PrivateNetwork=yes")
		return b.String()
	}
	// A unit with a private network of systemd's reaches nothing at all.
	line("PrivateNetwork=no")
	if s.Mode == manifest.NetworkPrivate {
		s.systemdAddresses(line)
	} else {
		s.gap("network:host", Wider, "systemd holds ports that a unit listens at, and no ports that it connects to")
	}
	line("SocketBindDeny=any")
	for i, l := range s.Listen {
		line("# %s", about(s.listenID(i), l.Reason))
		line("SocketBindAllow=%s:%d", l.Protocol, l.Port)
	}
	return b.String()
}

// systemdAddresses holds a unit to addresses. They are those that it may reach
// and those that may reach it, for systemd does not tell the two apart.
func (s *section) systemdAddresses(line func(format string, args ...any)) {
	s.gap("network:private", Missing, "a unit that reaches anything shares the machine's loopback, which is closed to it here: it cannot reach itself there")
	line("IPAddressDeny=any")
	for i, e := range s.Egress {
		id := s.egressID(i)
		if e.Host != "" {
			s.gap(id, Missing, "systemd knows addresses and no names; add those of the name to IPAddressAllow=, for all ports and protocols")
			continue
		}
		s.gap(id, Wider, "IPAddressAllow= knows no ports and protocols, and lets these addresses reach the unit as well")
		line("# %s", about(id, e.Reason))
		line("IPAddressAllow=%s", e.CIDR)
	}
	for i, l := range s.Listen {
		id := s.listenID(i)
		if l.Publish {
			s.gap(id, Missing, "whoever is to reach the port has to be under IPAddressAllow=, which the unit can then reach")
		} else {
			s.gap(id, Wider, "the port is one of the machine's network, where whoever is under IPAddressAllow= can reach it")
		}
	}
}

// addressFamilies returns the families of the sockets that the manifest allows,
// "none" for no sockets. It is false where it allows what has no such list.
func (s *section) addressFamilies() (string, bool) {
	var names []string
	for _, call := range s.manifest.Syscalls.Allow {
		if call.Name != "socket" {
			continue
		}
		i := slices.IndexFunc(call.When, func(c manifest.Condition) bool { return c.Arg == 0 })
		if i < 0 || call.When[i].Mask != "" {
			return "", false
		}
		for _, name := range call.When[i].OneOf {
			// Numbers have no name, and flags are none of families.
			if !strings.HasPrefix(name, "AF_") || strings.Contains(name, "|") {
				return "", false
			}
			names = append(names, name)
		}
	}
	if names == nil {
		return "none", true
	}
	slices.Sort(names)
	return strings.Join(slices.Compact(names), " "), true
}
