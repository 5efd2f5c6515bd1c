package analyzer

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/least-privilege/lpm/analyzer/evidence"
	"github.com/least-privilege/lpm/enforcer/network/policy"
	"github.com/least-privilege/lpm/enforcer/network/subnet"
	"github.com/least-privilege/lpm/manifest"
)

// reached is where a container with a private network went.
type reached struct {
	// host or block is set.
	host, block string
	protocol    manifest.Protocol
	port        uint16
}

func (d reached) key() string {
	return fmt.Sprintf("%s %s %s %5d", d.host, d.block, d.protocol, d.port)
}

// target is the destination without its port.
func (d reached) target() reached {
	d.port = 0
	return d
}

// privateNetwork proposes the names and addresses that were reached, from
// records of private networks.
func (p *proposer) privateNetwork(listens []merged[endpoint]) {
	net := &p.manifest.Network
	found := p.destinations()
	if len(listens)+len(found) == 0 {
		p.at["network"] = Explanation{Basis: Observed, Text: "only its own network was used"}
		return
	}
	net.Mode = manifest.NetworkPrivate
	why := Explanation{Basis: Observed}
	for _, l := range listens {
		why = both(why, l.seen)
		note := p.explain("network.listen", len(net.Listen), l.seen)
		net.Listen = append(net.Listen, manifest.Listen{
			Port: l.fact.port, Protocol: l.fact.protocol, Publish: slices.ContainsFunc(l.fact.where, outward), Note: note,
		})
	}
	for _, d := range found {
		why = both(why, d.seen)
	}
	p.destinationEntries(found)
	why.Text = line("network used" + p.by(why.Programs))
	net.Reason = why.Text
	p.at["network"] = why
}

// outward reports whether what is bound to an address can be reached from
// outside the container.
func outward(address string) bool {
	a, err := netip.ParseAddr(address)
	return err == nil && !a.Unmap().IsLoopback()
}

// ownAddress reports whether an address is of the container itself, or where its
// names are resolved.
func ownAddress(a netip.Addr) bool {
	a = a.Unmap()
	return a.IsLoopback() || a.IsUnspecified() || subnet.IPv4().Contains(a) || subnet.IPv6().Contains(a)
}

// destinations returns where the container went, by the names that led there.
func (p *proposer) destinations() []merged[reached] {
	named := p.namesOf()
	var all []merged[reached]
	for _, c := range gather(p.records,
		func(r *evidence.Record) []evidence.Connect { return r.Connects },
		func(c evidence.Connect) string {
			return fmt.Sprintf("%s %s %5d %s", c.Family, c.Protocol, c.Port, c.Address)
		},
		func(c evidence.Connect) evidence.Seen { return c.Seen }, nil) {
		a, err := netip.ParseAddr(c.fact.Address)
		protocol := manifest.Protocol(c.fact.Protocol)
		if err != nil || ownAddress(a) || c.fact.Port == 0 && protocol != manifest.ICMP {
			continue
		}
		if protocol != manifest.ICMP {
			var ok bool
			if protocol, ok = p.transport(c.fact.Protocol, "sent to", c.seen); !ok {
				continue
			}
		}
		d := reached{protocol: protocol, port: c.fact.Port}
		if protocol == manifest.ICMP {
			d.port = 0
		}
		names := named[a.Unmap().String()]
		if len(names) == 0 {
			d.block = netip.PrefixFrom(a.Unmap(), a.Unmap().BitLen()).String()
			all = append(all, merged[reached]{d, c.seen})
		}
		for _, name := range names {
			d.host = name
			all = append(all, merged[reached]{d, c.seen})
		}
	}
	slices.SortStableFunc(all, func(x, y merged[reached]) int { return strings.Compare(x.fact.key(), y.fact.key()) })
	return all
}

// namesOf returns the names by which addresses were looked up, in the form that
// a manifest has. Programs spell them as they like, and look up some that no
// manifest can have.
func (p *proposer) namesOf() map[string][]string {
	names := map[string][]string{}
	for _, r := range p.records {
		for _, n := range r.Names {
			name, ok := policy.Canonical(n.Name)
			if !ok || strings.Contains(name, "_") {
				continue
			}
			for _, a := range n.Addresses {
				names[a] = union(names[a], []string{name})
			}
		}
	}
	return names
}

// destinationEntries makes an entry for each target and protocol, with all of
// its ports.
func (p *proposer) destinationEntries(list []merged[reached]) {
	net := &p.manifest.Network
	addresses := 0
	for len(list) > 0 {
		target := list[0].fact.target()
		n := slices.IndexFunc(list, func(d merged[reached]) bool { return d.fact.target() != target })
		if n < 0 {
			n = len(list)
		}
		e := manifest.Egress{Host: target.host, CIDR: target.block, Protocol: target.protocol}
		why := Explanation{Basis: Observed}
		for _, d := range list[:n] {
			why = both(why, d.seen)
			e.Ports = appendPort(e.Ports, d.fact.port)
		}
		list = list[n:]
		why.Text = "connected to" + p.by(why.Programs)
		if target.block != "" {
			addresses++
			why.Text += ", by its address and no name"
		}
		e.Note = p.explain("network.egress", len(net.Egress), why)
		net.Egress = append(net.Egress, e)
	}
	switch {
	case addresses == 1:
		p.warn("one address was connected to that no name was looked up for: whose it is, and whether it stays so, cannot be told")
	case addresses > 1:
		p.warn("%d addresses were connected to that no name was looked up for: whose they are, and whether they stay so, cannot be told", addresses)
	}
}

// appendPort adds a port that is higher than those before; 0 is none.
func appendPort(ports []manifest.PortRange, port uint16) []manifest.PortRange {
	switch n := len(ports); {
	case port == 0 || n > 0 && ports[n-1].Contains(port):
		return ports
	case n > 0 && ports[n-1].To+1 == port:
		ports[n-1].To++
		return ports
	}
	return append(ports, manifest.Port(port))
}
