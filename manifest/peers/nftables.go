package peers

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/least-privilege/lpm/manifest"
)

// ruleset writes a table, a line at a time.
type ruleset struct {
	strings.Builder
	depth int
}

func (w *ruleset) line(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	w.WriteString(strings.Repeat("\t", w.depth) + text + "\n")
}

func (w *ruleset) block(head string, body func()) {
	w.line("%s {", head)
	w.depth++
	body()
	w.depth--
	w.line("}")
}

// families are the two of addresses, as nft names them.
var families = [...]struct{ address, set, echo string }{
	{"ip", "v4", "icmp type echo-request"},
	{"ip6", "v6", "icmpv6 type echo-request"},
}

// nftables writes a table that replaces its former self.
func (s *section) nftables(name string) string {
	s.note("It is for the network namespace of this program alone: load it there, with nft -f.")
	s.note("In a machine's own it would hold all programs of the machine.")
	if s.Mode != manifest.NetworkNone {
		s.note("Programs can listen at any port; they are reached at those below and no others.")
	}
	if s.Mode == manifest.NetworkHost {
		s.gap("network:host", Missing, "this is for a network namespace of the program's own, without the services of the machine's loopback")
	}
	if s.byName() {
		s.note("A set of name… is for the addresses of one name. Whoever looks names up fills it;")
		s.note("dnsmasq does with nftset=/NAME/4#inet#TABLE#SET,6#inet#TABLE#SET, for the names below as well.")
		s.gap("network:private", Missing, "names are looked up nowhere until the sets resolver-v4 and resolver-v6 have a DNS server, which then answers for every name")
	}
	table := "inet lpm-" + name
	w := &ruleset{}
	// A table must be there to be deleted.
	w.line("table %s", table)
	w.line("delete table %s", table)
	w.block("table "+table, func() {
		s.nftSets(w)
		w.block("chain output", func() { s.nftOutput(w) })
		w.block("chain input", func() { s.nftInput(w) })
	})
	return w.String()
}

// nftSets declares what names are resolved to.
func (s *section) nftSets(w *ruleset) {
	if !s.byName() {
		return
	}
	w.line("# DNS servers.")
	nftSet(w, "resolver", "")
	for n, host := range s.hosts() {
		w.line("# %s", host)
		nftSet(w, nameSet(n), "flags timeout; ")
	}
}

func nftSet(w *ruleset, name, flags string) {
	w.line("set %s-v4 { type ipv4_addr; %s}", name, flags)
	w.line("set %s-v6 { type ipv6_addr; %s}", name, flags)
}

// nameSet is the name of the sets of a host name, which can itself be longer
// than a set's.
func nameSet(n int) string { return fmt.Sprintf("name%d", n+1) }

// hosts are the names of destinations, each once.
func (s *section) hosts() []string {
	var hosts []string
	seen := map[string]bool{}
	for _, e := range s.Egress {
		if e.Host != "" && !seen[e.Host] {
			seen[e.Host] = true
			hosts = append(hosts, e.Host)
		}
	}
	return hosts
}

// always is what any use of a network needs: the loopback, what belongs to
// connections that were allowed, and IPv6's way of finding neighbours (RFC 4890,
// 4.4).
func (s *section) always(w *ruleset, hook, device string) {
	w.line("type filter hook %s priority filter; policy drop;", hook)
	w.line("%s lo accept", device)
	if s.Mode == manifest.NetworkNone {
		return
	}
	w.line("ct state established,related accept")
	w.line("icmpv6 type { nd-router-solicit, nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert } accept")
	w.line("icmpv6 type { mld-listener-query, mld-listener-report, mld2-listener-report } accept")
}

func (s *section) nftOutput(w *ruleset) {
	s.always(w, "output", "oif")
	if s.byName() {
		w.line("# Looking names up.")
		for _, f := range families {
			w.line("%s daddr @resolver-%s meta l4proto { tcp, udp } th dport 53 accept", f.address, f.set)
		}
	}
	sets := map[string]string{}
	for n, host := range s.hosts() {
		sets[host] = nameSet(n)
	}
	for i, e := range s.Egress {
		id := s.egressID(i)
		if onLoopback(e) {
			s.gap(id, Missing, "the loopback of a network namespace is its own, and not the machine's")
			continue
		}
		w.line("# %s", about(id, e.Reason))
		if e.Host != "" {
			s.gap(id, Missing, fmt.Sprintf("nftables knows addresses and no names; fill the sets %s-v4 and %[1]s-v6", sets[e.Host]))
		}
		nftEgress(w, e, sets[e.Host])
	}
	// Refused at once, and not after a while.
	w.line("meta l4proto tcp reject with tcp reset")
	w.line("reject with icmpx admin-prohibited")
}

// nftEgress allows one destination: a set of addresses, a block or all.
func nftEgress(w *ruleset, e manifest.Egress, set string) {
	block, err := netip.ParsePrefix(e.CIDR)
	ports := ""
	if e.Protocol != manifest.ICMP {
		ports = fmt.Sprintf("%s dport %s", e.Protocol, nftPorts(e.Ports))
	}
	if set == "" && err != nil {
		w.line("%s accept", ports)
		return
	}
	for _, f := range families {
		to := "@" + set + "-" + f.set
		if err == nil {
			to = e.CIDR
		}
		if err == nil && block.Addr().Is4() != (f.address == "ip") {
			continue
		}
		what := ports
		if e.Protocol == manifest.ICMP {
			what = f.echo
		}
		w.line("%s daddr %s %s accept", f.address, to, what)
	}
}

func nftPorts(ranges []manifest.PortRange) string {
	texts := make([]string, len(ranges))
	for i, r := range ranges {
		texts[i] = r.String()
	}
	if len(texts) == 1 {
		return texts[0]
	}
	return "{ " + strings.Join(texts, ", ") + " }"
}

func (s *section) nftInput(w *ruleset) {
	s.always(w, "input", "iif")
	for i, l := range s.Listen {
		if s.published(l) {
			w.line("# %s", about(s.listenID(i), l.Reason))
			w.line("%s dport %d accept", l.Protocol, l.Port)
		}
	}
}
