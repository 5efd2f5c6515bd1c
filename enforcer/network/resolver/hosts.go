package resolver

import (
	"net/netip"
	"slices"
	"strings"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/least-privilege/lpm/enforcer/network/policy"
)

// hosts is what /etc/hosts says (hosts(5)), in lower case. It is searched when a
// name is asked for: some hosts keep out whole lists of servers by it, of which
// a container asks for few.
type hosts string

func parseHosts(text []byte) hosts { return hosts(strings.ToLower(string(text))) }

// find returns the addresses of one type that a name has. It is false where the
// file does not have the name; where it does, the servers are not asked for
// addresses of the other type either.
func (h hosts) find(name string, kind dnsmessage.Type) ([]netip.Addr, bool) {
	var list []netip.Addr
	has := false
	for rest := string(h); ; {
		at := strings.Index(rest, name)
		if at < 0 {
			return list, has
		}
		line := rest[strings.LastIndexByte(rest[:at], '\n')+1:]
		line, rest, _ = strings.Cut(line, "\n")
		addr, ok := lineAddress(line, name)
		if !ok {
			continue
		}
		has = true
		if kindOf(addr) == kind && len(list) < maxAddrs && !slices.Contains(list, addr) {
			list = append(list, addr)
		}
	}
}

// lineAddress returns the address that a line gives to a name.
func lineAddress(line, name string) (netip.Addr, bool) {
	line, _, _ = strings.Cut(line, "#")
	fields := strings.Fields(line)
	if len(fields) < 2 {
		return netip.Addr{}, false
	}
	addr, err := netip.ParseAddr(fields[0])
	named := slices.ContainsFunc(fields[1:], func(field string) bool {
		known, ok := policy.Canonical(field)
		return ok && known == name
	})
	return addr.Unmap().WithZone(""), err == nil && named
}
