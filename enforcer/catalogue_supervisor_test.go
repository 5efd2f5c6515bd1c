package enforcer_test

import (
	"strconv"
	"testing"

	"github.com/least-privilege/lpm/manifest"
)

// supervisorAttacks are against the process that answers a container's calls.
func supervisorAttacks() []attack {
	var ports [3]uint16
	return []attack{
		{
			name: "listen_lost_port", source: "connect(2), AF_UNSPEC; ip(7), IP_LOCAL_PORT_RANGE", tries: "listens by a socket that has lost its granted port",
			base: func(m *manifest.Manifest) {
				hostNetwork(ports[0], ports[0])(m)
				listens(ports[1])(m)
			},
			grant: func(m *manifest.Manifest) { listens(ports[2])(m) },
			setup: func(t *testing.T, _ *lab) (args []string, after func(o outcome) bool) {
				for i := range ports {
					ports[i] = freePort(t)
					args = append(args, strconv.Itoa(int(ports[i])))
				}
				return args, nil
			},
		},
	}
}

func listens(port uint16) func(m *manifest.Manifest) {
	return func(m *manifest.Manifest) {
		m.Network.Listen = append(m.Network.Listen, manifest.Listen{Port: port, Protocol: manifest.TCP})
	}
}
