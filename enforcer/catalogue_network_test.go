package enforcer_test

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/manifest"
)

// networkAttacks reach for servers of the host, and for its ports and names.
func networkAttacks() []attack {
	return append(portAttacks(), hostNetworkAttacks()...)
}

// hostPorts are two of the host's loopback for an attempt that has the host's
// network: granted, and other. Each run has its own.
type hostPorts struct{ granted, other uint16 }

// served makes both ports those of servers of the host, and names them to the
// attempt.
func (p *hostPorts) served(t *testing.T, _ *lab) ([]string, func(outcome) bool) {
	t.Helper()
	p.granted, p.other = listener(t), listener(t)
	return p.args(), nil
}

// free looks for two ports that nobody listens on.
func (p *hostPorts) free(t *testing.T, _ *lab) ([]string, func(outcome) bool) {
	t.Helper()
	p.granted, p.other = freePort(t), freePort(t)
	return p.args(), nil
}

func (p *hostPorts) args() []string {
	return []string{strconv.Itoa(int(p.other)), strconv.Itoa(int(p.granted))}
}

// connects grants connections to one of the two, listens listening on it and
// connections to it.
func (p *hostPorts) connects(m *manifest.Manifest)      { hostNetwork(p.granted, 0)(m) }
func (p *hostPorts) listens(m *manifest.Manifest)       { hostNetwork(p.granted, p.granted)(m) }
func (p *hostPorts) listensOther(m *manifest.Manifest)  { listens(p.other)(m) }
func (p *hostPorts) connectsOther(m *manifest.Manifest) { egress(m, p.other, manifest.TCP) }
func (p *hostPorts) sendsOther(m *manifest.Manifest)    { egress(m, p.other, manifest.UDP) }

func egress(m *manifest.Manifest, port uint16, protocol manifest.Protocol) {
	m.Network.Egress = append(m.Network.Egress, manifest.Egress{Ports: []manifest.PortRange{manifest.Port(port)}, Protocol: protocol})
}

// portAttacks have the host's network, with one port of it.
func portAttacks() []attack {
	var ports hostPorts
	return []attack{
		{
			name: "connect_port", source: `connect(2); CDK's "docker-api-pwn"`, tries: "connects to a port that is not granted",
			base: ports.connects, grant: ports.connectsOther, setup: ports.served,
		},
		{
			name: "connect_mapped", source: "ipv6(7); CVE-2024-24790", tries: "connects to a port that is not granted by an address of IPv6 with one of IPv4 in it",
			base: ports.connects, grant: ports.connectsOther, setup: ports.served,
		},
		{
			name: "connect_again", source: "connect(2), AF_UNSPEC", tries: "connects to another port by a socket that was connected to the granted one",
			base: ports.connects, grant: ports.connectsOther, setup: ports.served,
		},
		{
			name: "fast_open", source: "tcp(7), RFC 7413", tries: "connects to a port that is not granted by sending to it",
			base: both(ports.connects, calls("sendmmsg")), setup: ports.served, plain: "SUCCEEDED", unless: noFastOpen,
		},
		{
			name: "other_transport", source: "landlock(7), which knows TCP alone", tries: "connects to a port that is not granted by MPTCP and other transports",
			base: ports.connects, setup: ports.served, plain: "SUCCEEDED", unless: sysctl("net/mptcp/enabled", 1, 1),
		},
		{
			name: "tcp_repair", source: "Linux, tcp.h, TCP_REPAIR", tries: "makes a connected socket without connecting it",
			base: ports.connects, grant: both(ports.connectsOther, capability("CAP_NET_ADMIN")), never: hostsOwn,
			setup: ports.served, plain: "SUCCEEDED", unless: notRoot,
		},
		{
			name: "bind_port", source: "bind(2), ipv6(7)", tries: "listens on a port that is not granted",
			base: ports.listens, grant: ports.listensOther, setup: ports.free,
		},
		{
			name: "bind_again", source: "connect(2), AF_UNSPEC", tries: "listens on another port by a socket that had the granted one before",
			base: ports.listens, grant: ports.listensOther, setup: ports.free,
		},
		{
			name: "listen_range", source: "ip(7), IP_LOCAL_PORT_RANGE", tries: "has the kernel choose a port to listen on that is not granted",
			base: ports.listens, grant: ports.listensOther, setup: ports.free, unless: before("6.3"),
		},
		{
			name: "reuseport", source: "socket(7), SO_REUSEPORT", tries: "takes connections away from a server of the host",
			base: ports.listens, grant: ports.listensOther,
			setup: func(t *testing.T, _ *lab) ([]string, func(outcome) bool) {
				ports.granted, ports.other = freePort(t), sharingListener(t)
				return ports.args(), nil
			},
		},
		{
			name: "udp_send", source: "udp(7); landlock(7), which knows TCP alone", tries: "sends to a server of the host by UDP where TCP is granted",
			base: ports.connects, grant: ports.sendsOther,
			setup: func(t *testing.T, _ *lab) ([]string, func(outcome) bool) {
				ports.granted, ports.other = freePort(t), echo(t)
				return ports.args(), nil
			},
		},
		{
			name: "socket_namespace", source: "Linux, sockios.h, SIOCGSKNS", tries: "asks a socket for the host's network",
			base: ports.connects, grant: capability("CAP_NET_ADMIN"), never: hostsOwn, setup: ports.free, plain: "SUCCEEDED", unless: notRoot,
		},
		{
			name: "foreign_source", source: "ip(7), IP_TRANSPARENT; RFC 2827", tries: "has an address that the host does not have",
			base: ports.connects, grant: capability("CAP_NET_ADMIN"), never: hostsOwn, setup: ports.free, plain: "SUCCEEDED", unless: notRoot,
		},
	}
}

// hostNetworkAttacks are about names of the host's network, and about coming
// to it from a network of one's own.
func hostNetworkAttacks() []attack {
	var ports hostPorts
	var folder sharedFolder
	return []attack{
		{
			name: "host_loopback", source: `network_namespaces(7); CVE-2020-15257; CDK's "docker-api-pwn"`, tries: "looks for servers of the host in a network without it",
			grant: func(m *manifest.Manifest) { hostNetwork(ports.other, 0)(m) }, plain: "SUCCEEDED",
			setup: func(t *testing.T, l *lab) ([]string, func(outcome) bool) {
				ports.other = listener(t)
				return []string{strconv.Itoa(int(ports.other)), abstractServers(t)}, nil
			},
		},
		{
			name: "abstract_socket", source: `unix(7); CVE-2020-15257; CDK's "shim-pwn"`, tries: "connects to sockets of the host that are in no folder",
			base: hostNetwork(0, 0), plain: "SUCCEEDED",
			setup: func(t *testing.T, _ *lab) ([]string, func(outcome) bool) {
				name := abstractServers(t)
				return []string{name, name + "-datagram"}, nil
			},
		},
		{
			name: "abstract_listen", source: "unix(7); CVE-2022-42919", tries: "waits for programs of the host at a socket that is in no folder",
			base: hostNetwork(0, 0), setup: abstractClient, plain: "SUCCEEDED",
		},
		{
			name: "network_handed", source: "setns(2)", tries: "joins the host's network by a descriptor that it is given",
			base: both(folder.readOnly, calls("setns")), plain: "SUCCEEDED", unless: notRoot,
			setup: func(t *testing.T, _ *lab) ([]string, func(outcome) bool) {
				f, err := os.Open("/proc/self/ns/net")
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { f.Close() })
				folder.path = t.TempDir()
				socket := filepath.Join(folder.path, "socket")
				handOut(t, socket, f)
				return []string{socket}, nil
			},
		},
		{
			name: "forged_credentials", source: "unix(7), SCM_CREDENTIALS; CVE-2013-1979", tries: "tells a server of the host that it is somebody else",
			base: folder.readOnly, plain: "SUCCEEDED", unless: notRoot,
			setup: func(t *testing.T, _ *lab) ([]string, func(outcome) bool) {
				folder.path = t.TempDir()
				socket := filepath.Join(folder.path, "socket")
				server, err := net.Listen("unix", socket)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { server.Close() })
				return []string{socket}, nil
			},
		},
		{
			name: "multicast", source: "ip(7), IP_ADD_MEMBERSHIP; socket(7), SO_BROADCAST", tries: "sends to everybody on the host's loopback",
			grant: func(m *manifest.Manifest) { m.Network.Mode = manifest.NetworkHost; egress(m, 1, manifest.UDP) },
			setup: everybody, plain: "SUCCEEDED",
		},
		{
			name: "interface", source: "netdevice(7); CVE-2020-14386", tries: "gives its network's interface another address",
			grant: capability("CAP_NET_ADMIN"),
		},
		{
			name: "low_port", source: "ip(7), ip_unprivileged_port_start", tries: "listens on a port for the privileged",
			grant: capability("CAP_NET_BIND_SERVICE"),
		},
		{
			name: "vsock", source: "vsock(7); CVE-2021-26708, CVE-2025-21756", tries: "makes a socket to the hypervisor",
			grant: family("AF_VSOCK"), unless: noVsock,
		},
	}
}

// noFastOpen is a reason where the kernel opens no connection so.
func noFastOpen(*lab) string {
	text, err := os.ReadFile("/proc/sys/net/ipv4/tcp_fastopen")
	if err != nil {
		return err.Error()
	}
	if n, err := strconv.Atoi(strings.TrimSpace(string(text))); err != nil || n&1 == 0 {
		return "net/ipv4/tcp_fastopen is " + strings.TrimSpace(string(text))
	}
	return ""
}

func noVsock(*lab) string {
	fd, err := unix.Socket(unix.AF_VSOCK, unix.SOCK_STREAM, 0)
	if err != nil {
		return "AF_VSOCK: " + err.Error()
	}
	unix.Close(fd)
	return ""
}

// sharingListener is a server of the host that lets others listen beside it.
func sharingListener(t *testing.T) uint16 {
	t.Helper()
	config := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) (err error) {
		_ = c.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1) })
		return err
	}}
	l, err := config.Listen(t.Context(), "tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return uint16(l.Addr().(*net.TCPAddr).Port)
}

// echo answers whoever sends something, until the test ends.
func echo(t *testing.T) uint16 {
	t.Helper()
	c, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		b := make([]byte, 16)
		for {
			n, from, err := c.ReadFrom(b)
			if err != nil {
				return
			}
			_, _ = c.WriteTo(b[:n], from)
		}
	}()
	t.Cleanup(func() { c.Close(); <-done })
	return uint16(c.LocalAddr().(*net.UDPAddr).Port)
}

// abstractServers listens as [abstract] does, and returns the name.
func abstractServers(t *testing.T) string {
	t.Helper()
	name := abstractName(t)
	abstract(t, name)
	return name
}

// abstractName is the test's own: one is made for each run.
func abstractName(t *testing.T) string {
	return "lpm-test-" + strconv.Itoa(os.Getpid()) + "-" + strings.ReplaceAll(t.Name(), "/", "-")
}

// abstractClient is a program of the host that looks for a server under a
// name, until there is one or the test ends.
func abstractClient(t *testing.T, _ *lab) ([]string, func(outcome) bool) {
	name := abstractName(t)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			if c, err := net.Dial("unix", "@"+name); err == nil {
				c.Close()
				return
			}
			time.Sleep(time.Millisecond)
		}
	}()
	t.Cleanup(func() { cancel(); <-done })
	return []string{name}, nil
}

// everybody listens to what is sent to a group or to all, as members of the
// group do.
func everybody(t *testing.T, _ *lab) ([]string, func(outcome) bool) {
	loopback, err := net.InterfaceByName("lo")
	if err != nil {
		t.Fatal(err)
	}
	c, err := net.ListenMulticastUDP("udp4", loopback, &net.UDPAddr{IP: net.IPv4(224, 0, 0, 251)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	port := c.LocalAddr().(*net.UDPAddr).Port
	return []string{strconv.Itoa(port)}, func(outcome) bool {
		_ = c.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
		n, _, _ := c.ReadFrom(make([]byte, 16))
		return n > 0
	}
}
