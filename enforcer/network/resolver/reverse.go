package resolver

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/least-privilege/lpm/enforcer/network/policy"
)

// The names below which the names of addresses are (RFC 1035, 3.5; RFC 3596,
// 2.5).
const (
	reverse4 = ".in-addr.arpa"
	reverse6 = ".ip6.arpa"
)

// maxNames is the number of names of an address that are told.
const maxNames = 8

// reverse answers for the names of addresses, from what was resolved before.
// Nobody else is asked: a container could tell him 16 bytes by each question.
func (r *Resolver) reverse(name string, kind dnsmessage.Type) (answer, bool) {
	addr, is := reversed(strings.ToLower(name))
	if !is {
		return answer{}, false
	}
	l := Lookup{Name: name, Type: typeName(kind), Verdict: policy.Verdict{Reason: policy.Reverse}}
	var names []string
	if addr.IsValid() {
		names = r.config.Pins.Names(addr, r.config.Now())
	}
	if len(names) == 0 {
		r.tell(l)
		return answer{code: dnsmessage.RCodeNameError}, true
	}
	l.Verdict = policy.Verdict{Allowed: true, Reason: policy.ByName, Name: names[0]}
	r.tell(l)
	if kind != dnsmessage.TypePTR {
		return answer{}, true
	}
	return answer{names: names[:min(len(names), maxNames)], ttl: 10 * time.Second}, true
}

// reversed returns the address that a name such as 4.3.2.1.in-addr.arpa stands
// for. The address is not valid where the name is among these and has none.
func reversed(name string) (netip.Addr, bool) {
	if text, is := strings.CutSuffix(name, reverse4); is {
		var b [4]byte
		labels := strings.Split(text, ".")
		if len(labels) != len(b) {
			return netip.Addr{}, true
		}
		for i, label := range labels {
			n, err := strconv.ParseUint(label, 10, 8)
			if err != nil {
				return netip.Addr{}, true
			}
			b[len(b)-1-i] = byte(n)
		}
		return netip.AddrFrom4(b), true
	}
	text, is := strings.CutSuffix(name, reverse6)
	if !is {
		return netip.Addr{}, false
	}
	digits := strings.Split(text, ".")
	if len(digits) != 32 {
		return netip.Addr{}, true
	}
	var b [16]byte
	slices.Reverse(digits)
	for i, digit := range digits {
		n, err := strconv.ParseUint(digit, 16, 4)
		if err != nil {
			return netip.Addr{}, true
		}
		b[i/2] = b[i/2]<<4 | byte(n)
	}
	return netip.AddrFrom16(b), true
}
