package resolver

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/least-privilege/lpm/enforcer/network/policy"
)

// Bounds of what is read of an answer.
const (
	maxRecords = 512
	maxChain   = 16
)

// errStray is a message that is no answer to the question.
var errStray = errors.New("not an answer to this question")

// response is what a server answered.
type response struct {
	code      dnsmessage.RCode
	truncated bool
	// exact is that the question was repeated as it was spelt.
	exact bool
	// end is the name at the end of the chain of CNAME records, in its
	// canonical form, and addrs are its addresses.
	end   string
	addrs []netip.Addr
	// none is that the server knows that the end has no such addresses.
	none bool
	ttl  time.Duration
}

// read reads an answer. What is not about the question, or about a name that
// the question's leads to, is passed over.
func (q question) read(b []byte) (response, error) {
	var p dnsmessage.Parser
	h, err := p.Start(b)
	if err != nil || h.ID != q.id || !h.Response || h.OpCode != 0 {
		return response{}, errStray
	}
	got := response{code: h.RCode, truncated: h.Truncated}
	asked, err := p.AllQuestions()
	switch {
	case err != nil || len(asked) > 1:
		return response{}, errStray
	case len(asked) == 0:
		// Servers leave it out of an answer that only says what went wrong.
		if h.RCode == dnsmessage.RCodeSuccess || h.RCode == dnsmessage.RCodeNameError {
			return response{}, errStray
		}
		got.exact = true
		return got, nil
	case asked[0].Type != q.kind || asked[0].Class != dnsmessage.ClassINET || lower(asked[0].Name) != lower(q.name):
		return response{}, errStray
	}
	got.exact = asked[0].Name.String() == q.name.String()
	if got.truncated {
		return got, nil
	}
	r, err := readRecords(&p, q.kind)
	if err != nil {
		return response{}, err
	}
	return got, got.follow(lower(q.name), r, p)
}

// lower returns a name as names of records are compared.
func lower(n dnsmessage.Name) string { return strings.ToLower(strings.TrimSuffix(n.String(), ".")) }

// records are those of an answer that matter, by their names.
type records struct {
	aliases map[string]alias
	addrs   map[string][]netip.Addr
	ttls    map[string]time.Duration
}

type alias struct {
	to  string
	ttl time.Duration
}

func readRecords(p *dnsmessage.Parser, kind dnsmessage.Type) (records, error) {
	r := records{map[string]alias{}, map[string][]netip.Addr{}, map[string]time.Duration{}}
	for range maxRecords {
		h, err := p.AnswerHeader()
		if err == dnsmessage.ErrSectionDone { //nolint:errorlint // dnsmessage returns it as it is
			return r, nil
		}
		if err == nil {
			err = r.read(p, h, kind)
		}
		if err != nil {
			return r, unusable(err.Error())
		}
	}
	return r, unusable(fmt.Sprintf("it has more than %d records", maxRecords))
}

// read reads one record.
func (r records) read(p *dnsmessage.Parser, h dnsmessage.ResourceHeader, kind dnsmessage.Type) error {
	name := lower(h.Name)
	switch {
	case h.Class != dnsmessage.ClassINET || h.Type != kind && h.Type != dnsmessage.TypeCNAME:
		return p.SkipAnswer()
	case h.Type == dnsmessage.TypeCNAME:
		body, err := p.CNAMEResource()
		if err != nil {
			return err
		}
		if _, has := r.aliases[name]; !has {
			r.aliases[name] = alias{lower(body.CNAME), seconds(h.TTL)}
		}
		return nil
	case h.Type == dnsmessage.TypeA:
		body, err := p.AResource()
		if err != nil {
			return err
		}
		r.add(name, netip.AddrFrom4(body.A), h.TTL)
	default:
		body, err := p.AAAAResource()
		if err != nil {
			return err
		}
		r.add(name, netip.AddrFrom16(body.AAAA), h.TTL)
	}
	return nil
}

func (r records) add(name string, addr netip.Addr, ttl uint32) {
	if len(r.addrs[name]) >= maxAddrs {
		return
	}
	if old, has := r.ttls[name]; !has || seconds(ttl) < old {
		r.ttls[name] = seconds(ttl)
	}
	r.addrs[name] = append(r.addrs[name], addr)
}

// seconds returns a time to live. One with its first bit set is 0 (RFC 2181,
// section 8).
func seconds(ttl uint32) time.Duration {
	if ttl > 1<<31-1 {
		return 0
	}
	return min(time.Duration(ttl)*time.Second, maxTTL)
}

// follow goes along the chain of CNAME records to its end.
func (got *response) follow(name string, r records, p dnsmessage.Parser) error {
	got.ttl = maxTTL
	for range maxChain {
		next, goesOn := r.aliases[name]
		if !goesOn {
			return got.finish(name, r, p)
		}
		to, ok := policy.Canonical(next.to)
		if !ok {
			return unusable("it leads to what cannot be a host's name")
		}
		got.ttl = min(got.ttl, next.ttl)
		name = to
	}
	return unusable("its names go in a circle or on for too long")
}

// finish takes what the name at the end of the chain has.
func (got *response) finish(name string, r records, p dnsmessage.Parser) error {
	got.end, got.addrs = name, r.addrs[name]
	if got.code == dnsmessage.RCodeSuccess && len(got.addrs) > 0 {
		got.ttl = min(got.ttl, r.ttls[name])
		return nil
	}
	got.addrs = nil
	ttl, known := negative(p)
	got.none = known || got.code == dnsmessage.RCodeNameError || len(r.aliases) == 0
	if got.none {
		got.ttl = min(got.ttl, ttl)
	}
	return nil
}

// negative returns how long it may be remembered that there is nothing, as the
// zone's SOA record says (RFC 2308, section 5). It is false without one.
func negative(p dnsmessage.Parser) (time.Duration, bool) {
	for range maxRecords {
		h, err := p.AuthorityHeader()
		if err != nil {
			return 0, false
		}
		if h.Type != dnsmessage.TypeSOA {
			if p.SkipAuthority() != nil {
				return 0, false
			}
			continue
		}
		soa, err := p.SOAResource()
		if err != nil {
			return 0, false
		}
		return min(seconds(h.TTL), seconds(soa.MinTTL), maxNegative), true
	}
	return 0, false
}
