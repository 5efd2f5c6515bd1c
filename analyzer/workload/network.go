package workload

import (
	"cmp"
	"errors"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/least-privilege/lpm/analyzer/evidence"
	"github.com/least-privilege/lpm/enforcer/network/link"
	"github.com/least-privilege/lpm/manifest"
)

// reach is what a container's private network saw leave it. The recorder sees
// what programs ask for: it cannot tell a datagram from a socket that is connected
// to learn an address (RFC 6724), nor read an answer that comes by read(2).
type reach struct {
	mu    sync.Mutex
	begun time.Time
	names map[string]*evidence.Name
	flows map[link.Flow]bool
	lost  bool
}

// maxReach bounds what is kept of either kind. More is an error of the record.
const maxReach = 10_000

// note takes note of an event.
func (s *reach) note(e link.Event, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.names == nil {
		s.names, s.flows = map[string]*evidence.Name{}, map[link.Flow]bool{}
	}
	switch {
	case e.Kind == link.Lost || len(s.names) >= maxReach || len(s.flows) >= maxReach:
		s.lost = true
	case e.Kind == link.Flowed && e.Flow != nil:
		s.flows[*e.Flow] = true
	case e.Kind == link.LookedUp:
		n := s.names[e.Name]
		if n == nil {
			n = &evidence.Name{Name: e.Name, Seen: evidence.Seen{First: max(0, now.Sub(s.begun).Milliseconds())}}
			s.names[e.Name] = n
		}
		n.Count += e.Count
		for _, a := range e.Addresses {
			if text := a.Unmap().String(); !slices.Contains(n.Addresses, text) {
				n.Addresses = append(n.Addresses, text)
			}
		}
		slices.Sort(n.Addresses)
	}
}

// complete adds to a record what the network saw, and takes from it what never
// left the container.
func (s *reach) complete(r *evidence.Record) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lost {
		return errors.New("the container reached more names and addresses than can be recorded")
	}
	for _, n := range r.Names {
		delete(s.names, n.Name)
	}
	for _, name := range slices.Sorted(maps.Keys(s.names)) {
		r.Names = append(r.Names, *s.names[name])
	}
	slices.SortFunc(r.Names, func(a, b evidence.Name) int { return cmp.Compare(a.Name, b.Name) })
	r.Connects = slices.DeleteFunc(r.Connects, func(c evidence.Connect) bool {
		a, err := netip.ParseAddr(c.Address)
		if err != nil || c.Protocol == string(manifest.TCP) {
			return false
		}
		port := c.Port
		if c.Protocol == string(manifest.ICMP) {
			port = 0
		}
		return !s.flows[link.Flow{Protocol: manifest.Protocol(c.Protocol), To: netip.AddrPortFrom(a.Unmap(), port)}]
	})
	return nil
}
