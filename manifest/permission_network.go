package manifest

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

func (m *Manifest) networkGrants() []grant {
	n := m.Network
	var grants []grant
	switch n.Mode {
	case NetworkPrivate:
		grants = append(grants, grant{
			Permission: Permission{
				ID: "network:private", Group: "network", Title: "A network of its own",
				Meaning: "Reach what is listed and be reached at the ports listed, and nothing else.", Level: Normal,
				Reason: n.Reason, Optional: n.Optional, Path: "network",
			},
			subject: "network",
			in:      func(outer *Manifest) bool { return modeRank(outer.Network.Mode) >= modeRank(n.Mode) },
		})
	case NetworkHost:
		grants = append(grants, grant{
			Permission: Permission{
				ID: "network:host", Group: "network", Title: "The machine's own network",
				Meaning: "Reach every machine that yours can, its own local services too; only TCP ports are held to the list, UDP and addresses are open.",
				Level:   Special, Reason: n.Reason, Optional: n.Optional, Path: "network",
			},
			subject: "network",
			in:      func(outer *Manifest) bool { return outer.Network.Mode == NetworkHost },
		})
	}
	for i, e := range n.Egress {
		grants = append(grants, n.egressGrant(i, e))
	}
	for i, l := range n.Listen {
		grants = append(grants, n.listenGrant(i, l))
	}
	return grants
}

// modeRank orders the network modes by what they open.
func modeRank(mode NetworkMode) int {
	return slices.Index([]NetworkMode{NetworkNone, NetworkPrivate, NetworkHost}, mode)
}

// target returns the host name or address block, or "" for every address.
func (e Egress) target() string {
	if e.Host != "" {
		return e.Host
	}
	return e.CIDR
}

// id returns "egress:tcp/443", "egress:api.example.com:tcp/443" or
// "egress:[2001:db8::/32]:tcp/443,8000-8100".
func (e Egress) id() string {
	target := e.target()
	if strings.Contains(target, ":") {
		target = "[" + target + "]"
	}
	if target != "" {
		target += ":"
	}
	return fmt.Sprintf("egress:%s%s/%s", target, e.Protocol, portList(e.Ports))
}

func portList(ports []PortRange) string {
	var texts []string
	for _, r := range mergePorts(ports) {
		texts = append(texts, r.String())
	}
	return strings.Join(texts, ",")
}

func (n Network) egressGrant(i int, e Egress) grant {
	level, meaning := e.level()
	target := e.target()
	if target == "" {
		target = "any address"
	}
	noun := "port"
	if ports := mergePorts(e.Ports); len(ports) > 1 || len(ports) == 1 && ports[0].From != ports[0].To {
		noun = "ports"
	}
	return grant{
		Permission: Permission{
			ID: e.id(), Group: "network",
			Title:   fmt.Sprintf("Connect to %s, %s %s %s", target, strings.ToUpper(string(e.Protocol)), noun, portList(e.Ports)),
			Meaning: meaning, Level: level, Reason: e.Reason, Optional: e.Optional, Path: entry("network.egress", i),
		},
		subject: "egress:" + e.target() + ":" + string(e.Protocol),
		in: func(outer *Manifest) bool {
			var ports []PortRange
			for _, o := range outer.Network.Egress {
				if o.Protocol == e.Protocol && targetWithin(o, e) {
					ports = append(ports, o.Ports...)
				}
			}
			return portsWithin(ports, e.Ports)
		},
	}
}

// local reports whether a block has addresses near the machine, rather than on
// the internet (RFC 1918, 6598, 4193, 4291).
func local(block netip.Prefix) bool {
	for _, near := range []string{
		"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16",
		"fc00::/7", "fe80::/10", "::1/128",
	} {
		if netip.MustParsePrefix(near).Overlaps(block) {
			return true
		}
	}
	return false
}

// metadata reports whether a block has an address where clouds hand out the
// keys of a machine's account.
func metadata(block netip.Prefix) bool {
	return block.Contains(netip.AddrFrom4([4]byte{169, 254, 169, 254})) ||
		block.Contains(netip.MustParseAddr("fd00:ec2::254"))
}

// wide reports whether a block is larger than one organisation's site usually
// has: 256 addresses of IPv4, a /48 of IPv6 (RFC 6177).
func wide(block netip.Prefix) bool {
	if block.Addr().Is4() {
		return block.Bits() < 24
	}
	return block.Bits() < 48
}

// level judges a destination.
func (e Egress) level() (Level, string) {
	prefix, err := netip.ParsePrefix(e.CIDR)
	switch {
	case e.target() == "":
		return Dangerous, "Send anything it can read to every machine that yours can reach, at these ports."
	case strings.HasPrefix(e.Host, "*."):
		return Dangerous, "Send anything it can read to every machine with such a name."
	case e.Host != "":
		return Normal, "Send anything it can read to this machine."
	case err != nil:
		return Special, "Send anything it can read to a place that cannot be made out."
	case metadata(prefix):
		return Special, "Fetch the keys of the machine's cloud account, which are handed out at an address in this block."
	case local(prefix):
		return Dangerous, "Reach machines of your local network, which often trust one another."
	case wide(prefix):
		return Dangerous, "Send anything it can read to a large part of the internet."
	}
	return Normal, "Send anything it can read to these machines."
}

// targetWithin reports whether outer's target includes inner's. A name and an
// address block never include one another: what a name means can change.
func targetWithin(outer, inner Egress) bool {
	switch {
	case outer.target() == "":
		return true
	case outer.Host != "":
		return hostWithin(outer.Host, inner.Host)
	}
	o, err := netip.ParsePrefix(outer.CIDR)
	if err != nil {
		return false
	}
	i, err := netip.ParsePrefix(inner.CIDR)
	return err == nil && o.Bits() <= i.Bits() && o.Contains(i.Addr())
}

// hostWithin reports whether pattern includes host, which may be a pattern.
func hostWithin(pattern, host string) bool {
	if pattern == host {
		return host != ""
	}
	below, wild := strings.CutPrefix(pattern, "*")
	return wild && strings.HasSuffix(strings.TrimPrefix(host, "*"), below) && host != ""
}

// id returns "listen:tcp/6379".
func (l Listen) id() string { return fmt.Sprintf("listen:%s/%d", l.Protocol, l.Port) }

// published reports whether a port can be reached from outside the container.
func (n Network) published(l Listen) bool { return l.Publish || n.Mode == NetworkHost }

func (n Network) listenGrant(i int, l Listen) grant {
	p := Permission{
		ID: l.id(), Group: "network", Title: fmt.Sprintf("Listen on %s port %d", strings.ToUpper(string(l.Protocol)), l.Port),
		Meaning: "Be reached at this port by other containers of its network.", Level: Normal,
		Reason: l.Reason, Optional: l.Optional, Path: entry("network.listen", i),
	}
	if n.published(l) {
		p.Title += ", open to the outside"
		p.Meaning, p.Level = "Be reached at this port by whoever can reach your machine.", Dangerous
	}
	return grant{
		Permission: p,
		subject:    p.ID,
		in: func(outer *Manifest) bool {
			return slices.ContainsFunc(outer.Network.Listen, func(o Listen) bool {
				return o.Port == l.Port && o.Protocol == l.Protocol && (outer.Network.published(o) || !n.published(l))
			})
		},
	}
}
