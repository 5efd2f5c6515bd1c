package resolver

import (
	"net/netip"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// answer is what a reply says. A code of 0 with nothing else is that the name
// has no data of the type.
type answer struct {
	code  dnsmessage.RCode
	addrs []netip.Addr
	names []string // of an address
	ttl   time.Duration
}

// reply composes the reply to a query. By UDP it has as many records as the
// client takes, and says so if some are missing.
func reply(q query, a answer, tcp bool) []byte {
	size := q.size
	if tcp {
		size = maxTCP
	}
	records := a.records(q.question)
	for n := len(records); n >= 0; n-- {
		b, err := compose(q, a.code, records[:n], n < len(records))
		if err != nil {
			return nil
		}
		if len(b) <= size {
			return b
		}
	}
	return nil
}

// records returns the answer's records. Those that could not be written are
// left out: names that the pins have are short enough.
func (a answer) records(q dnsmessage.Question) []dnsmessage.Resource {
	h := dnsmessage.ResourceHeader{Name: q.Name, Class: dnsmessage.ClassINET, TTL: uint32(a.ttl / time.Second)}
	var list []dnsmessage.Resource
	for _, addr := range a.addrs {
		if addr.Is4() {
			list = append(list, dnsmessage.Resource{Header: h, Body: &dnsmessage.AResource{A: addr.As4()}})
		} else {
			list = append(list, dnsmessage.Resource{Header: h, Body: &dnsmessage.AAAAResource{AAAA: addr.As16()}})
		}
	}
	for _, name := range a.names {
		if n, err := dnsmessage.NewName(name + "."); err == nil {
			list = append(list, dnsmessage.Resource{Header: h, Body: &dnsmessage.PTRResource{PTR: n}})
		}
	}
	return list
}

func compose(q query, code dnsmessage.RCode, records []dnsmessage.Resource, truncated bool) ([]byte, error) {
	m := dnsmessage.Message{
		Header: dnsmessage.Header{
			ID: q.header.ID, Response: true, OpCode: q.header.OpCode, Truncated: truncated,
			RecursionDesired: q.header.RecursionDesired, RecursionAvailable: true, RCode: code & 0xf,
		},
		Answers: records,
	}
	if q.asked {
		m.Questions = []dnsmessage.Question{q.question}
	}
	if q.edns {
		var h dnsmessage.ResourceHeader
		if err := h.SetEDNS0(maxUDP, code, false); err != nil {
			return nil, err
		}
		m.Additionals = []dnsmessage.Resource{{Header: h, Body: &dnsmessage.OPTResource{}}}
	}
	return m.Pack()
}
