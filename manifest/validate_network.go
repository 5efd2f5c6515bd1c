package manifest

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

func (n Network) validate(p *problems) {
	n.Note.validate(p, "network")
	switch n.Mode {
	case NetworkNone:
		if len(n.Egress) > 0 {
			p.add("network.egress", "expected nothing, for a network of mode %q reaches nothing", n.Mode)
		}
		if len(n.Listen) > 0 {
			p.add("network.listen", "expected nothing, for a network of mode %q is reached by nothing", n.Mode)
		}
	case NetworkPrivate, NetworkHost:
	default:
		p.add("network.mode", "expected %q, %q or %q, not %q", NetworkNone, NetworkPrivate, NetworkHost, n.Mode)
	}
	if bounded(p, "network.egress", len(n.Egress)) {
		seen := once{}
		for i, e := range n.Egress {
			at := entry("network.egress", i)
			e.validate(p, at, n.Mode)
			seen.check(p, at, i, e.id(), strings.TrimPrefix(e.id(), "egress:"))
		}
	}
	if bounded(p, "network.listen", len(n.Listen)) {
		seen := once{}
		for i, l := range n.Listen {
			at := entry("network.listen", i)
			l.Note.validate(p, at)
			if l.Protocol != TCP && l.Protocol != UDP {
				p.add(at+".protocol", "expected %q or %q, not %q", TCP, UDP, l.Protocol)
			}
			if l.Port == 0 {
				p.add(at+".port", "expected a port from 1 to 65535")
			}
			seen.check(p, at, i, l.id(), strings.TrimPrefix(l.id(), "listen:"))
		}
	}
}

func (e Egress) validate(p *problems, at string, mode NetworkMode) {
	e.Note.validate(p, at)
	switch {
	case mode == NetworkHost && e.Protocol == ICMP:
		p.add(at+".protocol", "on the host's network only ports can be held to the manifest, and ICMP has none; use mode %q", NetworkPrivate)
	case mode == NetworkHost && (e.Host != "" || e.CIDR != ""):
		p.add(at, "on the host's network only ports can be held to the manifest; leave out host and cidr, or use mode %q", NetworkPrivate)
	case mode == NetworkPrivate && (e.Host == "") == (e.CIDR == ""):
		p.add(at, "expected exactly one of host and cidr")
	}
	if e.Host != "" {
		if err := checkHost(e.Host); err != nil {
			p.add(at+".host", "%s", err)
		}
	}
	if e.CIDR != "" {
		if err := checkCIDR(e.CIDR); err != nil {
			p.add(at+".cidr", "%s", err)
		}
	}
	e.validatePorts(p, at)
}

func (e Egress) validatePorts(p *problems, at string) {
	switch e.Protocol {
	case TCP, UDP:
		if len(e.Ports) == 0 {
			p.add(at+".ports", "expected at least one port")
		}
	case ICMP:
		if e.Ports != nil {
			p.add(at+".ports", "expected no such field, for ICMP has no ports")
		}
		return
	default:
		p.add(at+".protocol", "expected %q, %q or %q, not %q", TCP, UDP, ICMP, e.Protocol)
	}
	if bounded(p, at+".ports", len(e.Ports)) {
		for i, r := range e.Ports {
			if r.From == 0 || r.To < r.From {
				p.add(entry(at+".ports", i), "expected ports from 1 to 65535, the lower first, not %q", r)
			}
		}
	}
}

// checkHost accepts a host name in lower case (RFC 1123), or "*." before one.
func checkHost(host string) error {
	if isHostName(strings.TrimPrefix(host, "*.")) {
		return nil
	}
	hint := ""
	if _, err := netip.ParseAddr(host); err == nil {
		hint = "; addresses go under cidr"
	}
	return fmt.Errorf("expected a host name in lower case such as %q or %q, not %q%s", "api.example.com", "*.example.com", host, hint)
}

func isHostName(name string) bool {
	if len(name) > 253 {
		return false
	}
	const letters, digits = "abcdefghijklmnopqrstuvwxyz", "0123456789"
	last := ""
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' ||
			strings.Trim(label, letters+digits+"-") != "" {
			return false
		}
		last = label
	}
	// No address passes for a name.
	return strings.ContainsAny(last, letters)
}

func checkCIDR(text string) error {
	prefix, err := netip.ParsePrefix(text)
	if err != nil {
		return fmt.Errorf("expected an address block such as %q, not %q", "192.0.2.0/24", text)
	}
	if prefix.Addr().Is4In6() {
		return errors.New("expected the IPv4 form of an IPv4 address")
	}
	if canonical := prefix.Masked().String(); canonical != text {
		return fmt.Errorf("expected %q, the usual form of %q", canonical, text)
	}
	return nil
}
