package enforcer_test

import (
	"strconv"
	"testing"

	"github.com/least-privilege/lpm/manifest"
)

// supervisorAttacks are against the process that answers a container's calls:
// they change what it looks at, and end or disturb whom it looks at.
func supervisorAttacks() []attack {
	return append(raceAttacks(), callerAttacks()...)
}

// otherProgram is one that an attack is not granted.
const otherProgram = "/bin/unshare_user"

// raceAttacks change something between the look at a call and the call.
func raceAttacks() []attack {
	var ports hostPorts
	other := program(otherProgram)
	return []attack{
		lostPort(),
		{
			name: "race_execve", source: "seccomp_unotify(2); CVE-2021-30465", tries: "changes the path of a program between check and use",
			grant: other,
		},
		{
			name: "race_execveat", source: "execveat(2), AT_EMPTY_PATH", tries: "changes the descriptor of a program between check and use",
			base: calls("execveat"), plain: "SUCCEEDED",
		},
		{
			name: "race_link", source: "CVE-2018-15664, CVE-2021-30465", tries: "changes where a link to a program leads between check and use",
			grant: other,
		},
		{
			name: "race_connect", source: "seccomp_unotify(2)", tries: "changes the port of a connection between check and use",
			base: ports.connects, grant: ports.connectsOther, setup: ports.served,
		},
		{
			name: "race_bind", source: "seccomp_unotify(2)", tries: "changes the port to bind to between check and use",
			base: ports.listens, grant: ports.listensOther, setup: ports.free,
		},
		{
			name: "race_listen", source: "seccomp_unotify(2), dup(2)", tries: "changes the socket that listens between check and use",
			base: ports.listens, setup: ports.free, plain: "SUCCEEDED",
		},
		{
			name: "unreadable_path", source: "process_vm_readv(2), mprotect(2)", tries: "executes by a path that cannot be read when it is looked at",
			grant: other,
		},
	}
}

// callerAttacks are odd callers, and callers that are gone.
func callerAttacks() []attack {
	var ports hostPorts
	other := program(otherProgram)
	return []attack{
		{
			name: "huge_arguments", source: "execve(2), Limits; CVE-2021-4034", tries: "executes with a path and arguments as long as can be, and with none",
			grant: other,
		},
		{
			name: "exec_thread", source: "execve(2), Effect on other threads", tries: "executes in a thread that is not the first",
			grant: other,
		},
		{
			name: "deep_processes", source: "fork(2), prctl(2), PR_SET_CHILD_SUBREAPER", tries: "executes far down in a tree of processes",
			grant: other,
		},
		{
			name: "dying_callers", source: "seccomp_unotify(2), SECCOMP_IOCTL_NOTIF_ID_VALID", tries: "ends threads while their calls are looked at",
			grant: other,
		},
		{
			name: "interrupted_calls", source: "signal(7); seccomp_unotify(2)", tries: "has signals interrupt calls that are looked at",
			base: both(ports.connects, calls("setitimer")), grant: ports.connectsOther, setup: ports.served,
		},
		{
			name: "wide_arguments", source: "seccomp(2), CAVEATS; CVE-2019-10063", tries: "makes a socket by arguments with bits that the kernel does not read",
			base: ports.connects, grant: ports.sendsOther,
			setup: func(t *testing.T, _ *lab) ([]string, func(outcome) bool) {
				ports.granted, ports.other = freePort(t), echo(t)
				return ports.args(), nil
			},
		},
		{
			name: "flood", source: "seccomp_unotify(2)", tries: "has ever new calls refused, by many threads",
			grant: other, setup: countDenials,
		},
	}
}

// countDenials sees to it that what is kept of a flood of refusals is bounded.
func countDenials(t *testing.T, _ *lab) ([]string, func(outcome) bool) {
	const bound = 2000
	return nil, func(o outcome) bool {
		if len(o.Denials) > bound {
			t.Errorf("%d denials are kept", len(o.Denials))
		}
		return false
	}
}

// lostPort is aimed at the supervisor's look at the port of a socket.
func lostPort() attack {
	var ports [3]uint16
	return attack{
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
	}
}

func listens(port uint16) func(m *manifest.Manifest) {
	return func(m *manifest.Manifest) {
		m.Network.Listen = append(m.Network.Listen, manifest.Listen{Port: port, Protocol: manifest.TCP})
	}
}
