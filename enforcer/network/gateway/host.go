package gateway

import (
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/least-privilege/lpm/enforcer/network/policy"
)

// host knows the machine's own addresses.
type host struct {
	mu    sync.Mutex
	known map[netip.Addr]bool
	until time.Time
	// failed says that they could not be found out.
	failed bool
}

// fresh is how long the addresses of the machine are remembered. They change
// seldom, and a container may connect often.
const fresh = 2 * time.Second

// own reports whether a packet to an address would end at the machine itself,
// or at all machines on one of its links. Where that cannot be found out it is
// true.
func (h *host) own(a netip.Addr) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if now := time.Now(); now.After(h.until) {
		h.known, h.failed = addresses()
		h.until = now.Add(fresh)
	}
	for _, reached := range policy.Reaches(a) {
		if h.known[reached] {
			return true
		}
	}
	return h.failed
}

// addresses returns those of the machine's interfaces, and their broadcast
// addresses.
func addresses() (known map[netip.Addr]bool, failed bool) {
	list, err := net.InterfaceAddrs()
	known = map[netip.Addr]bool{}
	for _, a := range list {
		network, ok := a.(*net.IPNet)
		if !ok {
			continue
		}
		address, ok := netip.AddrFromSlice(network.IP)
		if !ok {
			continue
		}
		address = address.Unmap()
		known[address] = true
		if ones, bits := network.Mask.Size(); address.Is4() && bits-ones >= 2 {
			known[broadcast(address, bits-ones)] = true
		}
	}
	return known, err != nil
}

// broadcast returns the last address of the block of an address that has so many
// bits for hosts.
func broadcast(a netip.Addr, hosts int) netip.Addr {
	b := a.As4()
	for i := range b {
		if bits := hosts - 8*(3-i); bits > 0 {
			b[i] |= byte(1<<min(bits, 8) - 1)
		}
	}
	return netip.AddrFrom4(b)
}
