package resolver

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/least-privilege/lpm/enforcer/network/policy"
)

// maxTTL is the longest time that a container is told to keep an address, and
// for which it may connect there.
const maxTTL = time.Hour

// maxAddrs is the number of addresses of a name that are used.
const maxAddrs = 64

// answer decides on a question and answers it. It is false where too many like
// it wait for a person: the answer to one of those is an answer to this one.
func (r *Resolver) answer(ctx context.Context, q query) (answer, bool) {
	name, kind := q.name(), q.question.Type
	if q.question.Class != dnsmessage.ClassINET {
		return answer{code: dnsmessage.RCodeRefused}, true
	}
	if a, own := localhost(name, kind); own {
		return a, true
	}
	if a, reverse := r.reverse(name, kind); reverse {
		return a, true
	}
	v := r.config.Rules().Name(name)
	if !v.Allowed && v.Name != "" && r.config.Ask != nil {
		var asked bool
		if v, asked = r.consult(ctx, v); !asked {
			return answer{}, false
		}
	}
	if !v.Allowed {
		r.tell(Lookup{Name: name, Type: typeName(kind), Verdict: v})
		return answer{code: dnsmessage.RCodeNameError}, true
	}
	if kind != dnsmessage.TypeA && kind != dnsmessage.TypeAAAA {
		r.tell(Lookup{Name: name, Type: typeName(kind), Verdict: v})
		return answer{}, true
	}
	return r.addresses(ctx, v, name, kind), true
}

// addresses looks up a name that is granted, keeps the addresses back that it
// may not lead to, and pins the others.
func (r *Resolver) addresses(ctx context.Context, v policy.Verdict, name string, kind dnsmessage.Type) answer {
	l := Lookup{Name: name, Type: typeName(kind), Verdict: v}
	found, err := r.lookup(ctx, v, kind)
	if err != nil {
		l.Err = err
		r.tell(l)
		return answer{code: dnsmessage.RCodeServerFailure}
	}
	now, rules := r.config.Now(), r.config.Rules()
	ttl := max(found.until.Sub(now), 0)
	for _, addr := range found.addrs {
		local := slices.ContainsFunc(policy.Reaches(addr), r.config.Local)
		if led := rules.Address(v.Name, addr, local); !led.Allowed {
			l.Refused = append(l.Refused, Refused{addr, led.Reason})
			continue
		}
		r.config.Pins.Pin(v.Name, addr, ttl, now)
		l.Addrs = append(l.Addrs, addr)
	}
	r.tell(l)
	if found.missing {
		return answer{code: dnsmessage.RCodeNameError}
	}
	return answer{addrs: l.Addrs, ttl: ttl}
}

func (r *Resolver) tell(l Lookup) {
	if r.config.Observer.Lookup != nil {
		r.config.Observer.Lookup(l)
	}
}

// localhost answers for the names that are always the asker's own (RFC 6761,
// section 6.3).
func localhost(name string, kind dnsmessage.Type) (answer, bool) {
	name = strings.ToLower(name)
	if name != "localhost" && !strings.HasSuffix(name, ".localhost") {
		return answer{}, false
	}
	switch kind {
	case dnsmessage.TypeA:
		return answer{addrs: []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1})}, ttl: maxTTL}, true
	case dnsmessage.TypeAAAA:
		return answer{addrs: []netip.Addr{netip.IPv6Loopback()}, ttl: maxTTL}, true
	}
	return answer{}, true
}

// kindOf returns the type of the record that has such an address.
func kindOf(addr netip.Addr) dnsmessage.Type {
	if addr.Unmap().Is4() {
		return dnsmessage.TypeA
	}
	return dnsmessage.TypeAAAA
}
