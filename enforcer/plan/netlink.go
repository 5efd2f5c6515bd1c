package plan

import (
	"encoding/hex"
	"net/netip"

	"github.com/least-privilege/lpm/enforcer/network/subnet"
)

// The numbers of the two interfaces. They are far from those that a kernel gives
// by itself to what a new namespace has from the start.
const (
	deviceIndex = 64
	peerIndex   = 65
)

// The messages and attributes below are those of rtnetlink(7), rtnetlink.h,
// if_link.h and veth.h.

func u8(name string, v Arg) Field  { return Field{Name: name, Size: 1, Value: v} }
func u16(name string, v Arg) Field { return Field{Name: name, Size: 2, Value: v} }

// message is a struct nlmsghdr and what follows it.
func message(kind string, options []string, body ...Field) []Field {
	length := 16 + sizeOf(structure(body...))
	return append([]Field{
		u32("nlmsg_len", number(int64(length))), u16("nlmsg_type", flags(kind)),
		u16("nlmsg_flags", flags(append([]string{"NLM_F_REQUEST"}, options...)...)),
		u32("nlmsg_seq", number(1)), u32("nlmsg_pid", null()),
	}, body...)
}

// attribute is a struct rtattr and its value, filled up to four bytes.
func attribute(kind string, value ...Field) []Field {
	length := 4 + sizeOf(structure(value...))
	fields := append([]Field{u16("rta_len", number(int64(length))), u16("rta_type", flags(kind))}, value...)
	if more := -length & 3; more > 0 {
		fields = append(fields, Field{Name: "padding", Size: more, Value: text("")})
	}
	return fields
}

func join(lists ...[]Field) (all []Field) {
	for _, l := range lists {
		all = append(all, l...)
	}
	return all
}

// link is a struct ifinfomsg with flags that are set.
func link(index int64, set ...string) []Field {
	return []Field{
		u8("ifi_family", null()), u8("padding", null()), u16("ifi_type", null()), u32("ifi_index", number(index)),
		u32("ifi_flags", orNull(set)), u32("ifi_change", orNull(set)),
	}
}

// interfaces makes the pair. Nobody asks who has an address there (IFF_NOARP):
// every packet has the interface's own hardware address. A burst of datagrams
// that a program hands to the kernel as one (UDP_SEGMENT) is taken apart, for the
// other end would take it for one.
func interfaces() []Field {
	settings := func(name string, mac [6]byte) []Field {
		return join(
			attribute("IFLA_IFNAME", Field{Name: "name", Size: len(name) + 1, Value: text(name)}),
			attribute("IFLA_ADDRESS", Field{Name: "address", Size: 6, Value: Arg{Bytes: hex.EncodeToString(mac[:])}}),
			attribute("IFLA_MTU", u32("mtu", number(subnet.MTU))),
			attribute("IFLA_GSO_MAX_SEGS", u32("segments", number(1))))
	}
	peer := attribute("VETH_INFO_PEER", join(link(peerIndex, "IFF_NOARP"), settings(subnet.Device+"-peer", subnet.PeerMAC()))...)
	kind := attribute("IFLA_INFO_KIND", Field{Name: "kind", Size: 5, Value: text("veth")})
	return message("RTM_NEWLINK", []string{"NLM_F_CREATE", "NLM_F_EXCL", "NLM_F_ACK"}, join(
		link(deviceIndex, "IFF_NOARP"), settings(subnet.Device, subnet.MAC()),
		attribute("IFLA_LINKINFO", join(kind, attribute("IFLA_INFO_DATA", peer...))...))...)
}

// quiet keeps both interfaces from choosing IPv6 addresses by themselves.
func quiet() []Field {
	mode := attribute("IFLA_INET6_ADDR_GEN_MODE", u8("mode", flags("IN6_ADDR_GEN_MODE_NONE")))
	spec := attribute("IFLA_AF_SPEC", attribute("AF_INET6", mode...)...)
	return join(
		message("RTM_SETLINK", nil, join(link(peerIndex), spec)...),
		message("RTM_SETLINK", []string{"NLM_F_ACK"}, join(link(deviceIndex), spec)...))
}

func up() []Field {
	return join(
		message("RTM_SETLINK", nil, link(peerIndex, "IFF_UP")...),
		message("RTM_SETLINK", []string{"NLM_F_ACK"}, link(deviceIndex, "IFF_UP")...))
}

// addresses4 gives the interface its IPv4 address and makes it the way to all
// others; addresses6 does so for IPv6.
func addresses4() []Field {
	return join(
		ownAddress("AF_INET", subnet.IPv4().Bits(), subnet.Container4(), nil),
		defaultRoute("AF_INET", subnet.Gateway4()))
}

// The kernel takes packets to a new IPv6 address only once a worker of its own
// has made a route for them, even where no duplicates are looked for
// (addrconf_dad_work): an answer to the first packet that a program sends would
// be lost, as long as that takes. So there is another route from the start.
func addresses6() []Field {
	return join(
		ownAddress("AF_INET6", subnet.IPv6().Bits(), subnet.Container6(), []string{"IFA_F_NODAD"}),
		route("AF_INET6", "RT_TABLE_LOCAL", "RTN_LOCAL", nil, subnet.Container6().BitLen(), attached("RTA_DST", subnet.Container6())),
		defaultRoute("AF_INET6", subnet.Gateway6()))
}

func attached(kind string, a netip.Addr) []Field {
	return attribute(kind, Field{Name: "address", Size: a.BitLen() / 8, Value: Arg{Address: a.String()}})
}

// ownAddress is a struct ifaddrmsg with its attributes.
func ownAddress(family string, bits int, own netip.Addr, options []string) []Field {
	return message("RTM_NEWADDR", []string{"NLM_F_CREATE", "NLM_F_EXCL"}, join([]Field{
		u8("ifa_family", flags(family)), u8("ifa_prefixlen", number(int64(bits))), u8("ifa_flags", orNull(options)),
		u8("ifa_scope", null()), u32("ifa_index", number(deviceIndex)),
	}, attached("IFA_LOCAL", own), attached("IFA_ADDRESS", own))...)
}

func defaultRoute(family string, gateway netip.Addr) []Field {
	return route(family, "RT_TABLE_MAIN", "RTN_UNICAST", []string{"NLM_F_EXCL", "NLM_F_ACK"}, 0, attached("RTA_GATEWAY", gateway))
}

// route is a struct rtmsg with its attributes.
func route(family, table, kind string, options []string, bits int, to []Field) []Field {
	return message("RTM_NEWROUTE", append([]string{"NLM_F_CREATE"}, options...), join([]Field{
		u8("rtm_family", flags(family)), u8("rtm_dst_len", number(int64(bits))), u8("rtm_src_len", null()), u8("rtm_tos", null()),
		u8("rtm_table", flags(table)), u8("rtm_protocol", flags("RTPROT_BOOT")),
		u8("rtm_scope", flags("RT_SCOPE_UNIVERSE")), u8("rtm_type", flags(kind)), u32("rtm_flags", null()),
	}, to, attribute("RTA_OIF", u32("oif", number(deviceIndex))))...)
}
