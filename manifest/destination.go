package manifest

import (
	"net/netip"
	"slices"
	"strings"
)

// level judges a destination. Whatever a program can read it can send there, in
// a request as in an answer, in an echo request or in the order of connections.
func (e Egress) level() (Level, string) {
	if e.CIDR != "" {
		prefix, err := netip.ParsePrefix(e.CIDR)
		if err != nil {
			return Special, "Send anything it can read to a place that cannot be made out."
		}
		return blockLevel(prefix)
	}
	below, wild := strings.CutPrefix(e.Host, "*.")
	switch {
	case e.Host == "":
		return Dangerous, "Send anything it can read to every machine that yours can reach, at these ports."
	case wild && registry(below):
		return Special, "Send anything it can read to whoever takes a name that ends in ." + below + ", which anybody can."
	case wild:
		return Dangerous, "Send anything it can read to every machine with such a name, and to whoever answers for these names in the names that it looks up."
	}
	return Normal, "Send anything it can read to whoever serves this name, who can pass it on."
}

// registry reports whether names below one are given to anybody: a top-level
// domain, or one of the second level that registries of countries commonly have
// (co.uk, com.au, or.jp). It is no list of all such names: publicsuffix.org has
// that, with ten thousand of them, and of companies that give names away.
func registry(name string) bool {
	second, top, two := strings.Cut(name, ".")
	if !two {
		return true
	}
	return len(top) == 2 && slices.Contains([]string{
		"ac", "co", "com", "edu", "go", "gob", "gov", "gv", "ltd", "me", "mil", "ne", "net", "nom", "or", "org", "plc", "sch",
	}, second)
}

func blockLevel(block netip.Prefix) (Level, string) {
	switch {
	case metadata(block):
		return Special, "Fetch the keys of the machine's cloud account, which are handed out at an address in this block."
	case loopback(block):
		return Special, "Reach your machine's own services that are meant for nobody else, which often ask for no password."
	case overlapsAny(block, local[:]):
		return Dangerous, "Reach machines of your local network, yours among them, which often trust one another."
	case wide(block):
		return Dangerous, "Send anything it can read to a large part of the internet."
	}
	return Normal, "Send anything it can read to these machines, whoever has them."
}

// loopback reports whether a block is of the machine's own loopback. A block of
// more than that does not grant it: whoever writes 0.0.0.0/0 means the machines
// of the world.
func loopback(block netip.Prefix) bool {
	a := block.Addr()
	return a.IsLoopback() && (block.IsSingleIP() || a.Is4() && block.Bits() >= 8)
}

// local are the blocks near the machine, rather than on the internet (RFC 1918,
// 6598, 3927, 4193, 4291), those that reach everybody there (RFC 919, 5771),
// and this machine in other words (RFC 1122).
var local = [...]string{
	"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16", "fc00::/7", "fe80::/10",
	"224.0.0.0/4", "255.255.255.255/32", "ff00::/8",
	"0.0.0.0/8", "127.0.0.0/8", "::/127",
}

// metadata reports whether a block has an address where clouds hand out the
// keys of a machine's account, as their documentation has them, or one that a
// translator (RFC 6052) turns into such.
func metadata(block netip.Prefix) bool { return overlapsAny(block, clouds[:]) }

var clouds = [...]string{
	"169.254.169.254/32",                    // nearly all
	"169.254.170.2/32", "169.254.170.23/32", // AWS, tasks of ECS and pods of EKS
	"168.63.129.16/32",             // Azure
	"100.100.100.200/32",           // Alibaba
	"192.0.0.192/32",               // Oracle
	"fd00:ec2::/32",                // AWS
	"fd20:ce::254/128",             // Google
	"fd00:42::42/128",              // Scaleway
	"64:ff9b::169.254.169.254/128", // nearly all, translated
}

func overlapsAny(block netip.Prefix, list []string) bool {
	return slices.ContainsFunc(list, func(text string) bool { return netip.MustParsePrefix(text).Overlaps(block) })
}

// wide reports whether a block is larger than one organisation's site usually
// has: 256 addresses of IPv4, a /48 of IPv6 (RFC 6177).
func wide(block netip.Prefix) bool {
	if block.Addr().Is4() {
		return block.Bits() < 24
	}
	return block.Bits() < 48
}
