package plan

import "slices"

// SocketOption is a socket option, as setsockopt(2) takes it.
type SocketOption struct{ Level, Name int }

// The levels of socket options (asm-generic/socket.h, linux/in.h).
const (
	solSocket          = 1
	protoIP, protoIPv6 = 0, 41
)

// UsualOptions are those that programs set all the time, of any socket. Where
// connections are handed over, the supervisor is told when another is set. Their
// numbers (asm-generic/socket.h, linux/tcp.h, linux/in.h, linux/in6.h,
// linux/udp.h) are the same on both architectures.
func UsualOptions() []SocketOption {
	var all []SocketOption
	add := func(level int, names ...int) {
		for _, n := range names {
			all = append(all, SocketOption{level, n})
		}
	}
	// SO_REUSEADDR, SO_BROADCAST, SO_SNDBUF, SO_RCVBUF, SO_KEEPALIVE, SO_LINGER,
	// SO_REUSEPORT, SO_PASSCRED, SO_RCVTIMEO, SO_SNDTIMEO
	add(solSocket, 2, 6, 7, 8, 9, 13, 15, 16, 20, 21)
	// TCP_NODELAY, TCP_CORK, TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT,
	// TCP_DEFER_ACCEPT, TCP_QUICKACK, TCP_USER_TIMEOUT, TCP_NOTSENT_LOWAT
	add(protoTCP, 1, 3, 4, 5, 6, 9, 12, 18, 25)
	// IP_TOS, IP_PKTINFO, IP_MTU_DISCOVER, IP_RECVERR, IP_RECVTOS,
	// IP_BIND_ADDRESS_NO_PORT
	add(protoIP, 1, 8, 10, 11, 13, 24)
	// IPV6_MTU_DISCOVER, IPV6_RECVERR, IPV6_V6ONLY, IPV6_RECVPKTINFO,
	// IPV6_RECVTCLASS, IPV6_TCLASS
	add(protoIPv6, 23, 25, 26, 49, 66, 67)
	// UDP_SEGMENT, UDP_GRO
	add(protoUDP, 103, 104)
	return all
}

// handover reports whether connections are handed over.
func (b *builder) handover() bool { return b.plan.Network != nil && b.plan.Network.Handover }

// NoticedCalls are those that the supervisor is to know of, without having
// anything to say to them, where connections are handed over. A socket of the
// host's takes over what the container's has, which is long to find out: of
// options that nobody has set, and of epoll sets that nobody has made, it need
// not be.
func NoticedCalls() []string { return []string{"epoll_create", "epoll_create1", "setsockopt"} }

// noticed reports whether a granted call is one of those.
func (b *builder) noticed(name string) bool {
	return b.handover() && slices.Contains(NoticedCalls(), name)
}

// unnoticed narrows the comparisons that allow a call which is noticed to those
// of which the supervisor need not know.
func unnoticed(name string, lists [][]Compare) [][]Compare {
	if name != "setsockopt" {
		return nil
	}
	var narrowed [][]Compare
	for _, l := range lists {
		for _, o := range UsualOptions() {
			level, number := uint64(o.Level), uint64(o.Name)
			if admits(l, 1, level) && admits(l, 2, number) {
				narrowed = append(narrowed, with(l,
					Compare{Arg: 1, Mask: word, Value: level}, Compare{Arg: 2, Mask: word, Value: number}))
			}
		}
	}
	return narrowed
}
