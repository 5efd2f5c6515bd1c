// Package subnet says which addresses a private network has inside a container.
//
// They are the same in every container, for each has a network namespace of its
// own, and nobody outside of it ever sees one.
package subnet

import "net/netip"

// Device is the name of the container's network interface.
const Device = "lpm0"

// MAC is the hardware address of the container's interface, one of those that
// anybody may choose. All packets have it, for nobody asks for another.
func MAC() [6]byte { return [6]byte{0x02, 0xc5, 0x1f, 0x5a, 0x9b, 0x3e} }

// PeerMAC is the hardware address of the interface's other end.
func PeerMAC() [6]byte { return [6]byte{0x02, 0xc5, 0x1f, 0x5a, 0x9b, 0x3f} }

// MTU is that of the interface, in bytes. Packets never leave the machine, so
// that they may be as large as the kernel makes them.
const MTU = 65520

// IPv4 is the container's block, which RFC 7335 sets aside for the inner side of
// a translator: no network that a container may want to reach can have it.
func IPv4() netip.Prefix { return netip.PrefixFrom(netip.AddrFrom4([4]byte{192, 0, 0, 0}), 29) }

// IPv6 is the container's block, a unique local one (RFC 4193) whose 40 random
// bits are lpm's.
func IPv6() netip.Prefix {
	return netip.PrefixFrom(netip.AddrFrom16([16]byte{0xfd, 0xc5, 0x1f, 0x5a, 0x9b, 0x3e}), 64)
}

// Container4 is the container's IPv4 address.
func Container4() netip.Addr { return netip.AddrFrom4([4]byte{192, 0, 0, 2}) }

// Container6 is the container's IPv6 address.
func Container6() netip.Addr { return IPv6().Addr().Next().Next() }

// Gateway4 is the IPv4 address of the other end, at which names are resolved.
func Gateway4() netip.Addr { return netip.AddrFrom4([4]byte{192, 0, 0, 1}) }

// Gateway6 is the IPv6 address of the other end.
func Gateway6() netip.Addr { return IPv6().Addr().Next() }
