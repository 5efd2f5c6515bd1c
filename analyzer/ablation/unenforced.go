package ablation

import (
	"slices"
	"strings"
)

// notEnforced returns which permissions nothing holds a container to, by the parts of
// a manifest that a plan says are not enforced ([plan.Plan.Unenforced]): a part
// is named at the beginning of each.
func notEnforced(unenforced []string) func(id string) bool {
	said := func(part string) bool {
		return slices.ContainsFunc(unenforced, func(u string) bool { return strings.HasPrefix(u, part) })
	}
	return func(id string) bool {
		kind, what, _ := strings.Cut(id, ":")
		switch kind {
		case "execute":
			return said("the list of programs")
		case "read":
			return said("filesystem.readable")
		case "egress", "listen":
			// An address may come before the protocol: "[2001:db8::/32]:udp/53".
			protocol := what[strings.LastIndex(what, ":")+1:]
			return said("the ports of network") || strings.HasPrefix(protocol, "udp/") && said("the UDP ports of network")
		}
		return false
	}
}
