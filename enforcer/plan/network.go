package plan

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/least-privilege/lpm/manifest"
)

// Network is a private network: a device in the container's own namespace,
// whose other end is a process of lpm's that lets through what the manifest
// grants.
type Network struct {
	// Publish are the container's ports that are reached through the host's.
	Publish []Port `json:"publish,omitempty"`
	// Handover says that a TCP connection that is granted is made on the host
	// by the supervisor, and the container given its socket in the place of
	// its own: it costs nothing from then on. The container itself can connect
	// and bind no TCP socket at all, for what it was given could be connected
	// anew, to anywhere, and bound to the host's ports.
	Handover bool `json:"handover"`
	// Shared says that the container has folders of the host, which others may
	// have, too. By a Unix socket in one of them it could give what it was handed
	// to a container that may connect it to anywhere, so that it is handed
	// nothing: the supervisor connects the container's own sockets. Volumes are
	// for containers of one repository.
	Shared bool `json:"shared,omitempty"`
}

// deviceFD is the descriptor of the network's other end.
const deviceFD = "device"

func (b *builder) private() bool { return b.networkMode() == manifest.NetworkPrivate }

// network notes what the private network is.
func (b *builder) network() error {
	if !b.private() {
		return nil
	}
	// What io_uring does passes the supervisor by, and connects its sockets
	// in no way but the kernel's.
	uring := slices.ContainsFunc([]string{"io_uring_setup", "io_uring_enter"}, b.grants)
	b.plan.Network = &Network{
		Publish:  b.Options.Ports,
		Handover: b.Mode == Enforce && !uring && b.Host.LandlockABI >= landlockNetworkABI,
		Shared:   b.Mode == Enforce && slices.ContainsFunc(b.Manifest.Mounts, func(m manifest.Mount) bool { return m.Host != "" }),
	}
	return nil
}

// configure makes the container's interface, and a socket that takes and gives
// what goes over it.
//
// The interface is one of a pair, as between two machines. Both are in the
// container's namespace; a packet socket is the only one to use the other, and
// is handed out of the container. So there is no node of a device to be opened,
// which on many a machine is root's.
func (b *builder) configure() {
	b.connect()
	b.packets()
}

// connect makes the interface.
func (b *builder) connect() {
	const about = "making the network interface"
	b.request(about, interfaces(), "")
	// A kernel may be without IPv6.
	b.request(about, quiet(), "any")
	b.request(about, up(), "")
	b.request(about, addresses4(), "")
	b.request(about, addresses6(), "any")
}

// request sends a netlink request. Its answer has 36 bytes where it succeeded:
// an error has the whole request behind it (netlink(7)). The socket is for one
// request, for there can be more answers than one where a request fails.
func (b *builder) request(about string, messages []Field, want string) {
	nl := b.open(about, "socket", flags("AF_NETLINK"), flags("SOCK_RAW", "SOCK_CLOEXEC"), flags("NETLINK_ROUTE"))
	m := structure(messages...)
	b.do(about, "sendto", nl, m, size(m), null(), null(), null())
	const answer = 36
	room := structure(Field{Name: "answer", Size: 512, Value: text("")})
	if want == "" {
		want = strconv.Itoa(answer)
	}
	b.do(about, "read", nl, room, size(room)).Want = want
	b.do(about, "close", nl)
}

// packetBuffer is how many bytes of packets may wait to be taken.
const packetBuffer = 4 << 20

// packets makes the socket. It is of no protocol until it is bound, so that it
// has nothing of what comes before.
func (b *builder) packets() {
	const about = "making the packet socket"
	b.do(about, "socket", flags("AF_PACKET"), flags("SOCK_RAW", "SOCK_CLOEXEC", "SOCK_NONBLOCK"), null()).Out = deviceFD
	one := structure(u32("value", number(1)))
	for _, option := range []string{"PACKET_VNET_HDR", "PACKET_IGNORE_OUTGOING", "PACKET_QDISC_BYPASS"} {
		b.do(about, "setsockopt", fd(deviceFD), flags("SOL_PACKET"), flags(option), one, size(one))
	}
	// As much as the host allows; it is not known beforehand.
	room := structure(u32("bytes", number(packetBuffer)))
	b.do(about, "setsockopt", fd(deviceFD), flags("SOL_SOCKET"), flags("SO_RCVBUF"), room, size(room))
	// struct sockaddr_ll of linux/if_packet.h.
	everything := Field{Name: "sll_protocol", Size: 2, Value: Arg{Bytes: "0003"}} // ETH_P_ALL
	at := structure(u16("sll_family", flags("AF_PACKET")), everything, u32("sll_ifindex", number(peerIndex)),
		u16("sll_hatype", null()), u8("sll_pkttype", null()), u8("sll_halen", null()), u64("sll_addr", null()))
	b.do(about, "bind", fd(deviceFD), at, size(at))
}

// pingable lets the container's groups make sockets for echo requests, which
// takes no capability then. It is done before /proc/sys is read-only.
func (b *builder) pingable() {
	if b.plan.Network == nil {
		return
	}
	icmp := func(e manifest.Egress) bool { return e.Protocol == manifest.ICMP }
	if b.Mode == Enforce && !slices.ContainsFunc(b.Manifest.Network.Egress, icmp) {
		return
	}
	const about = "allowing echo requests"
	first := b.plan.Identity.GIDs[0]
	last := b.plan.Identity.GIDs[len(b.plan.Identity.GIDs)-1]
	groups := fmt.Sprintf("%d %d", first.Container, last.Container+last.Size-1)
	f := b.open(about, "openat", fd(procFD), text("sys/net/ipv4/ping_group_range"), flags("O_WRONLY", "O_CLOEXEC"), null())
	b.do(about, "write", f, text(groups), number(int64(len(groups)))).Want = strconv.Itoa(len(groups))
	b.do(about, "close", f)
}
