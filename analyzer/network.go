package analyzer

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/least-privilege/lpm/analyzer/evidence"
	"github.com/least-privilege/lpm/manifest"
)

// Ports that the kernel hands out (net.ipv4.ip_local_port_range's default):
// a program that connects to many of them does not mean any of them.
var dynamic = manifest.PortRange{From: 32768, To: 60999}

// maxDynamic is how many of these are proposed one by one, maxPorts how many
// destination ports get an entry each.
const (
	maxDynamic = 8
	maxPorts   = 16
)

// network proposes no network where no address was used, otherwise the one of
// the recording with the ports.
func (p *proposer) network() {
	net := &p.manifest.Network
	net.Mode = manifest.NetworkNone
	listens := p.listens()
	shared := slices.ContainsFunc(p.records, func(r *evidence.Record) bool { return r.Network == manifest.NetworkHost })
	if !shared && p.records[0].Network == manifest.NetworkPrivate {
		p.privateNetwork(listens)
		return
	}
	connects := p.connects()
	if len(listens)+len(connects) == 0 {
		p.at["network"] = Explanation{Basis: Observed, Text: "no address was used"}
		return
	}
	if !shared {
		p.at["network"] = Explanation{Basis: Observed, Text: "only its own network was used"}
		return
	}
	net.Mode = manifest.NetworkHost
	why := Explanation{Basis: Observed}
	for _, l := range listens {
		why = both(why, l.seen)
	}
	for _, c := range connects {
		why = both(why, c.seen)
	}
	why.Text = line("network used" + p.by(why.Programs) + "; recorded on the host's own")
	net.Reason = why.Text
	p.at["network"] = why
	p.warn("the recording used the host's network, and so does the proposal; UDP and addresses cannot be held to a list there")

	for _, l := range listens {
		note := p.explain("network.listen", len(net.Listen), l.seen)
		net.Listen = append(net.Listen, manifest.Listen{Port: l.fact.port, Protocol: l.fact.protocol, Note: note})
	}
	for _, protocol := range []manifest.Protocol{manifest.TCP, manifest.UDP} {
		p.egress(protocol, connects)
	}
	if !slices.ContainsFunc(slices.Concat(listens, connects), func(m merged[endpoint]) bool { return m.fact.protocol == manifest.UDP }) {
		p.lookups()
	}
}

// lookups proposes the port of name servers to programs that make UDP sockets
// and were not seen to send: looking up a name that needs no server does so,
// to learn the order of its addresses (RFC 6724). On the host's network UDP
// sockets are refused to who has no UDP port at all.
func (p *proposer) lookups() {
	var why Explanation
	for run, r := range p.records {
		for _, c := range r.Calls {
			if c.Name != "socket" || c.Architecture != p.arch {
				continue
			}
			for _, v := range c.Values {
				family := manifest.SymbolName(p.arch, "socket", 0, valueOf(v.Args, 0))
				kind := manifest.SymbolName(p.arch, "socket", 1, valueOf(v.Args, 1))
				if (family == "AF_INET" || family == "AF_INET6") && kind == "SOCK_DGRAM" {
					why = both(why, observed(run, v.Seen))
				}
			}
		}
	}
	if why.Count == 0 {
		return
	}
	why.Basis, why.Text = Inferred, "makes UDP sockets"+p.by(why.Programs)+", as looking up names does; none was seen to send"
	net := &p.manifest.Network
	note := p.explain("network.egress", len(net.Egress), why)
	net.Egress = append(net.Egress, manifest.Egress{Ports: []manifest.PortRange{manifest.Port(53)}, Protocol: manifest.UDP, Note: note})
}

// endpoint is a port of a protocol.
type endpoint struct {
	protocol manifest.Protocol
	port     uint16
	// where has the addresses it was used with, and the names that they were
	// looked up by.
	where []string
}

func (e endpoint) key() string { return fmt.Sprintf("%s %5d", e.protocol, e.port) }

// listens returns the ports that were bound.
func (p *proposer) listens() []merged[endpoint] {
	var all []merged[endpoint]
	for _, b := range gather(p.records,
		func(r *evidence.Record) []evidence.Bind { return r.Binds },
		func(b evidence.Bind) string { return fmt.Sprintf("%s %5d %s", b.Protocol, b.Port, b.Address) },
		func(b evidence.Bind) evidence.Seen { return b.Seen },
		func(into *evidence.Bind, other evidence.Bind) { into.Listening = into.Listening || other.Listening }) {
		protocol, ok := p.transport(b.fact.Protocol, "bound", b.seen)
		switch {
		case !ok:
			continue
		case b.fact.Port == 0:
			if b.fact.Listening {
				p.warn("a port of the kernel's choice was listened on%s; only a fixed one can be granted", p.by(b.seen.Programs))
			}
			continue
		}
		b.seen.Text = "bound" + p.by(b.seen.Programs)
		if b.fact.Listening || protocol == manifest.UDP {
			b.seen.Text = "listened on" + p.by(b.seen.Programs)
		}
		if b.fact.Port < 1024 {
			p.warn("port %d is below 1024: an ordinary user can have it on the host's network only where the sysctl net.ipv4.ip_unprivileged_port_start allows", b.fact.Port)
		}
		all = addEndpoint(all, endpoint{protocol, b.fact.Port, []string{b.fact.Address}}, b.seen)
	}
	return all
}

// connects returns the ports that were connected or sent to. Port 0 is no
// destination: libc connects to it to learn its own address.
func (p *proposer) connects() []merged[endpoint] {
	var all []merged[endpoint]
	named := p.hostNames()
	for _, c := range gather(p.records,
		func(r *evidence.Record) []evidence.Connect { return r.Connects },
		func(c evidence.Connect) string {
			return fmt.Sprintf("%s %s %5d %s", c.Family, c.Protocol, c.Port, c.Address)
		},
		func(c evidence.Connect) evidence.Seen { return c.Seen }, nil) {
		if c.fact.Family == "unix" || c.fact.Port == 0 {
			continue
		}
		protocol, ok := p.transport(c.fact.Protocol, "sent to", c.seen)
		if !ok {
			continue
		}
		all = addEndpoint(all, endpoint{protocol, c.fact.Port, named(c.fact.Address)}, c.seen)
	}
	for i := range all {
		all[i].seen.Text = few(all[i].fact.where) + " connected to" + p.by(all[i].seen.Programs)
	}
	return all
}

func (p *proposer) transport(name, what string, seen Explanation) (manifest.Protocol, bool) {
	switch name {
	case "tcp":
		return manifest.TCP, true
	case "udp":
		return manifest.UDP, true
	}
	p.warn("a socket that is neither TCP nor UDP was %s%s; it cannot be granted", what, p.by(seen.Programs))
	return "", false
}

// addEndpoint merges an endpoint into a sorted list, whatever its address.
func addEndpoint(all []merged[endpoint], e endpoint, why Explanation) []merged[endpoint] {
	at, known := slices.BinarySearchFunc(all, e, func(m merged[endpoint], e endpoint) int {
		return cmp.Compare(m.fact.key(), e.key())
	})
	if !known {
		return slices.Insert(all, at, merged[endpoint]{e, why})
	}
	all[at].seen = both(all[at].seen, why)
	all[at].fact.where = union(all[at].fact.where, e.where)
	return all
}

// hostNames returns what gives an address with the names by which it was looked
// up in the runs, as "name (address)", or alone where by none. Whoever answers can
// give any address for a name, so that neither goes without the other.
func (p *proposer) hostNames() func(address string) []string {
	names := map[string][]string{}
	for _, r := range p.records {
		for _, n := range r.Names {
			for _, a := range n.Addresses {
				names[a] = union(names[a], []string{line(n.Name)})
			}
		}
	}
	return func(address string) []string {
		known := names[address]
		if known == nil {
			return []string{address}
		}
		with := make([]string, len(known))
		for i, name := range known {
			with[i] = fmt.Sprintf("%s (%s)", name, address)
		}
		return with
	}
}

// few names some of the things and counts the others.
func few(things []string) string {
	const most = 3
	switch n := len(things); {
	case n == 1:
		return things[0]
	case n <= most:
		return strings.Join(things[:n-1], ", ") + " and " + things[n-1]
	default:
		return fmt.Sprintf("%s and %d more", strings.Join(things[:most-1], ", "), n-most+1)
	}
}

// egress proposes the destination ports of a protocol: an entry each while
// they are few, then one for all.
func (p *proposer) egress(protocol manifest.Protocol, connects []merged[endpoint]) {
	var ports []merged[endpoint]
	var handedOut int
	for _, c := range connects {
		if c.fact.protocol == protocol {
			ports = append(ports, c)
			if dynamic.Contains(c.fact.port) {
				handedOut++
			}
		}
	}
	net := &p.manifest.Network
	add := func(ranges []manifest.PortRange, why Explanation) {
		note := p.explain("network.egress", len(net.Egress), why)
		net.Egress = append(net.Egress, manifest.Egress{Ports: ranges, Protocol: protocol, Note: note})
	}
	if len(ports) <= maxPorts && handedOut <= maxDynamic {
		for _, c := range ports {
			add([]manifest.PortRange{manifest.Port(c.fact.port)}, c.seen)
		}
		return
	}
	why := Explanation{Basis: Observed}
	var ranges []manifest.PortRange
	for _, c := range ports {
		why = both(why, c.seen)
		if handedOut > maxDynamic && dynamic.Contains(c.fact.port) {
			continue
		}
		if n := len(ranges); n > 0 && ranges[n-1].To+1 == c.fact.port {
			ranges[n-1].To++
			continue
		}
		ranges = append(ranges, manifest.Port(c.fact.port))
	}
	if handedOut > maxDynamic {
		ranges = append(ranges, dynamic)
		p.warn("%d different high %s ports were connected to; the proposal has all of %s", handedOut, protocol, dynamic)
	}
	why.Text = fmt.Sprintf("%d ports connected to%s", len(ports), p.by(why.Programs))
	add(ranges, why)
}
