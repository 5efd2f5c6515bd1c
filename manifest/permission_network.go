package manifest

import (
	"fmt"
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
				Meaning: "Look up and reach what is listed, be reached at the ports listed, and nothing else.", Level: Normal,
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

// id returns "listen:tcp/6379".
func (l Listen) id() string { return fmt.Sprintf("listen:%s/%d", l.Protocol, l.Port) }

// published reports whether a port can be reached from outside the container.
func (n Network) published(l Listen) bool { return l.Publish || n.Mode == NetworkHost }

func (n Network) listenGrant(i int, l Listen) grant {
	p := Permission{
		ID: l.id(), Group: "network", Title: fmt.Sprintf("Listen on %s port %d", strings.ToUpper(string(l.Protocol)), l.Port),
		Meaning: "Be reached at this port by its own programs alone.", Level: Normal,
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
