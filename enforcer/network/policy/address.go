package policy

import (
	"bytes"
	"net/netip"

	"github.com/least-privilege/lpm/enforcer/network/subnet"
)

// plain returns an address in the one form in which addresses are compared: an
// IPv4 address as such, and no zone.
func plain(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }

// Reaches returns the addresses that a packet to a may end at: a in its plain
// form, and then the IPv4 addresses that translators and tunnels find in it.
// Whoever knows the machine's own addresses looks for all of these among them.
func Reaches(a netip.Addr) []netip.Addr {
	a = plain(a)
	return append([]netip.Addr{a}, carried(a)...)
}

// forbidden returns why no name may lead to an address; where there are several
// reasons, the one that the constants have first. It is false for the addresses
// that names lead to.
func forbidden(a netip.Addr, local bool) (Reason, bool) {
	worst, found := Host, local
	for _, end := range Reaches(a) {
		if why, is := special(end); is {
			worst, found = min(worst, why), true
		}
	}
	return worst, found
}

// special tells the kinds of addresses apart that names may not lead to.
func special(a netip.Addr) (Reason, bool) {
	switch {
	case subnet.IPv4().Contains(a), subnet.IPv6().Contains(a):
		return Inner, true
	case unspecified(a):
		return Unspecified, true
	case a.IsLoopback():
		return Loopback, true
	case metadata(a):
		return Metadata, true
	case a.IsLinkLocalUnicast():
		return LinkLocal, true
	case a.IsMulticast():
		return Multicast, true
	case a == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return Broadcast, true
	}
	return 0, false
}

// unspecified has all of 0.0.0.0/8 (RFC 1122, 3.2.1.3: "this host on this
// network"). Linux connects to the loopback when it is given 0.0.0.0 or ::.
func unspecified(a netip.Addr) bool {
	return a.IsUnspecified() || a.Is4() && a.As4()[0] == 0
}

// metadata knows the addresses where clouds hand out the keys of a machine's
// account, as their documentation tells them.
func metadata(a netip.Addr) bool {
	if a.Is4() {
		switch a.As4() {
		case [4]byte{169, 254, 169, 254}, // nearly all
			[4]byte{169, 254, 170, 2},   // AWS, tasks of ECS
			[4]byte{169, 254, 170, 23},  // AWS, pods of EKS
			[4]byte{168, 63, 129, 16},   // Azure
			[4]byte{100, 100, 100, 200}, // Alibaba
			[4]byte{192, 0, 0, 192}:     // Oracle
			return true
		}
		return false
	}
	b := a.As16()
	return bytes.HasPrefix(b[:], []byte{0xfd, 0x00, 0x0e, 0xc2}) || // AWS: fd00:ec2::254 and others
		b == [16]byte{0: 0xfd, 1: 0x20, 3: 0xce, 14: 0x02, 15: 0x54} || // Google: fd20:ce::254
		b == [16]byte{0: 0xfd, 3: 0x42, 15: 0x42} // Scaleway: fd00:42::42
}

// carried returns the IPv4 addresses in an IPv6 address that a translator or a
// tunnel on the way would send the packet on to. Where the same bits can be read
// in several ways, it returns all of them but 0.0.0.0, which is what unused bits
// look like.
func carried(a netip.Addr) []netip.Addr {
	if !a.Is6() {
		return nil
	}
	b := a.As16()
	var found []netip.Addr
	at := func(places ...int) {
		for _, i := range places {
			if v4 := netip.AddrFrom4([4]byte(b[i : i+4])); !v4.IsUnspecified() {
				found = append(found, v4)
			}
		}
	}
	starts := func(prefix ...byte) bool { return bytes.HasPrefix(b[:], prefix) }
	switch {
	case starts(make([]byte, 12)...): // ::/96, IPv4-compatible (RFC 4291, 2.5.5.1)
		if !a.IsLoopback() {
			at(12)
		}
	case starts(0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0): // ::ffff:0:0:0/96, translated (RFC 2765)
		at(12)
	case starts(0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0): // 64:ff9b::/96, NAT64 (RFC 6052)
		at(12)
	case starts(0, 0x64, 0xff, 0x9b, 0, 1): // 64:ff9b:1::/48, NAT64 of a site (RFC 8215)
		at(12)
		found = append(found, split(b)...)
	case starts(0x20, 0x02): // 2002::/16, 6to4 (RFC 3056)
		at(2)
	case starts(0x20, 0x01, 0, 0): // 2001::/32, Teredo (RFC 4380): a server, and a client's address inverted
		at(4)
		found = append(found, netip.AddrFrom4([4]byte{^b[12], ^b[13], ^b[14], ^b[15]}))
	}
	if b[8]&^2 == 0 && bytes.Equal(b[9:12], []byte{0, 0x5e, 0xfe}) { // ISATAP (RFC 5214)
		at(12)
	}
	return found
}

// split returns the IPv4 addresses that stand around the bits 64 to 71, which
// RFC 6052 (2.2) leaves out: those of the prefixes of 48, 56 and 64 bits.
func split(b [16]byte) []netip.Addr {
	var found []netip.Addr
	for _, v4 := range [][4]byte{{b[6], b[7], b[9], b[10]}, {b[7], b[9], b[10], b[11]}, {b[9], b[10], b[11], b[12]}} {
		if a := netip.AddrFrom4(v4); a.As4()[0] != 0 {
			found = append(found, a)
		}
	}
	return found
}
