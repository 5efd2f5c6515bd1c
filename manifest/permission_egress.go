package manifest

import (
	"fmt"
	"net/netip"
	"strings"
)

// target returns the host name or address block, or "" for every address.
func (e Egress) target() string {
	if e.Host != "" {
		return e.Host
	}
	return e.CIDR
}

// id returns "egress:tcp/443", "egress:api.example.com:tcp/443",
// "egress:[2001:db8::/32]:tcp/443,8000-8100" or "egress:api.example.com:icmp".
func (e Egress) id() string {
	target := e.target()
	if strings.Contains(target, ":") {
		target = "[" + target + "]"
	}
	if target != "" {
		target += ":"
	}
	id := "egress:" + target + string(e.Protocol)
	if e.Protocol != ICMP {
		id += "/" + portList(e.Ports)
	}
	return id
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
	return grant{
		Permission: Permission{
			ID: e.id(), Group: "network", Title: e.title(), Meaning: meaning, Level: level,
			Reason: e.Reason, Optional: e.Optional, Path: entry("network.egress", i),
		},
		subject: "egress:" + e.target() + ":" + string(e.Protocol),
		in: func(outer *Manifest) bool {
			var ports []PortRange
			reached := false
			for _, o := range outer.Network.Egress {
				if o.Protocol == e.Protocol && targetWithin(o, e) {
					ports = append(ports, o.Ports...)
					reached = true
				}
			}
			return reached && portsWithin(ports, e.Ports)
		},
	}
}

func (e Egress) title() string {
	target := e.target()
	if target == "" {
		target = "any address"
	}
	if e.Protocol == ICMP {
		return "Send ICMP echo requests (ping) to " + target
	}
	noun := "port"
	if ports := mergePorts(e.Ports); len(ports) > 1 || len(ports) == 1 && ports[0].From != ports[0].To {
		noun = "ports"
	}
	return fmt.Sprintf("Connect to %s, %s %s %s", target, strings.ToUpper(string(e.Protocol)), noun, portList(e.Ports))
}

// targetWithin reports whether outer's target includes inner's. A name and an
// address block never include one another: what a name means can change. Nor
// does a block include the machine's loopback, unless it is of that alone.
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
	if err != nil || loopback(i) && !loopback(o) {
		return false
	}
	return o.Bits() <= i.Bits() && o.Contains(i.Addr())
}

// hostWithin reports whether pattern includes host, which may be a pattern.
func hostWithin(pattern, host string) bool {
	if pattern == host {
		return host != ""
	}
	below, wild := strings.CutPrefix(pattern, "*")
	return wild && strings.HasSuffix(strings.TrimPrefix(host, "*"), below) && host != ""
}
