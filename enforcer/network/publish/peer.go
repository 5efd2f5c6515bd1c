package publish

import (
	"net/netip"

	"github.com/least-privilege/lpm/enforcer/network/subnet"
)

// inside returns the container's address of the client's family.
func inside(client netip.Addr) netip.Addr {
	if client.Is4() {
		return subnet.Container4()
	}
	return subnet.Container6()
}

// peer is the address that the container sees for a client: its own, where
// the container's kernel takes a packet from there, and sends the answers to it back.
func peer(client netip.AddrPort) netip.AddrPort {
	a := client.Addr()
	switch {
	case a.IsLoopback(), a.IsLinkLocalUnicast(), a.IsUnspecified(), a.IsMulticast(), a.Zone() != "",
		subnet.IPv4().Contains(a), subnet.IPv6().Contains(a), client.Port() == 0:
		return gateway(a, client.Port())
	}
	return client
}

// gateway is the gateway's address of the client's family, with a port.
func gateway(client netip.Addr, port uint16) netip.AddrPort {
	// The resolver's own is never a client's.
	if port == 53 {
		port = 0
	}
	if client.Is4() {
		return netip.AddrPortFrom(subnet.Gateway4(), port)
	}
	return netip.AddrPortFrom(subnet.Gateway6(), port)
}

// unmapped is the client's address without IPv6 around IPv4.
func unmapped(client netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(client.Addr().Unmap(), client.Port())
}
