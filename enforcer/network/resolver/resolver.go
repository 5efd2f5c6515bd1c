package resolver

import (
	"context"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"github.com/least-privilege/lpm/enforcer/network/policy"
)

// Bounds of what is done at once. A container that asks more is not answered,
// and asks again.
const (
	maxAnswers = 256 // questions
	maxAsked   = 64  // questions to the host's servers
)

// Config says what a [Resolver] works by.
type Config struct {
	// Rules returns the rules that hold now.
	Rules func() *policy.Rules
	// Pins is told of the addresses of names.
	Pins *policy.Pins
	// Local reports whether an address is one of the host's own. Nil is that
	// none is.
	Local func(netip.Addr) bool
	// Ask, if not nil, is called for a name that is not granted. True says
	// that the rules may have changed, and to look again. It is called for
	// 16 names at once at most, and once at a time for each.
	Ask func(context.Context, policy.Verdict) bool
	// Observer is told what happens.
	Observer Observer
	// ResolvConf and Hosts are the paths of the host's files, by default
	// /etc/resolv.conf and /etc/hosts. They are read anew when they change.
	ResolvConf, Hosts string
	// Open opens one of the two files to read it, without waiting; by default
	// os.OpenFile does. It is called only where os.Stat tells of a change.
	Open func(path string) (*os.File, error)
	// Dial reaches a DNS server; by default a [net.Dialer] does.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Now is the clock, by default time.Now.
	Now func() time.Time
}

// Observer is what a [Resolver] tells of. Its functions may be nil. They are
// called before the reply is given out, by several goroutines at once.
type Observer struct {
	// Lookup is called for every question that has a name.
	Lookup func(Lookup)
	// Down is called when no DNS server of the host answers, once until one
	// does.
	Down func(error)
}

// Lookup is a question and what became of it.
type Lookup struct {
	// Name is the name as it was asked for. It comes from the container:
	// escape it before printing.
	Name string
	// Type is "A", "AAAA" or another, as a number where it has no name.
	Type string
	// Verdict is whether the name may be looked up.
	Verdict policy.Verdict
	// Addrs are the addresses that the container was told.
	Addrs []netip.Addr
	// Refused are those that it was not told.
	Refused []Refused
	// Err says why the name could not be looked up.
	Err error
}

// Refused is an address that a name led to and may not lead to.
type Refused struct {
	Addr   netip.Addr
	Reason policy.Reason
}

// Resolver answers questions. Any number of goroutines may use it.
type Resolver struct {
	config Config
	conf   watched[conf]
	hosts  watched[hosts]
	// answering and asking have a place for each thing done at once.
	answering, asking chan struct{}

	mu      sync.Mutex
	cache   cache
	flights map[key]*flight
	prompts map[string]*prompt
	limit   bucket
	servers servers
}

// New returns a resolver. It opens nothing and starts nothing.
func New(c Config) *Resolver {
	if c.ResolvConf == "" {
		c.ResolvConf = "/etc/resolv.conf"
	}
	if c.Hosts == "" {
		c.Hosts = "/etc/hosts"
	}
	if c.Open == nil {
		c.Open = openFile
	}
	if c.Dial == nil {
		c.Dial = (&net.Dialer{}).DialContext
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Local == nil {
		c.Local = func(netip.Addr) bool { return false }
	}
	return &Resolver{
		config:    c,
		conf:      watched[conf]{path: c.ResolvConf, open: c.Open, parse: parseConf},
		hosts:     watched[hosts]{path: c.Hosts, open: c.Open, parse: parseHosts},
		answering: make(chan struct{}, maxAnswers),
		asking:    make(chan struct{}, maxAsked),
		flights:   map[key]*flight{},
		prompts:   map[string]*prompt{},
	}
}

// Answer returns the reply to a query that came by UDP or TCP, without the
// length that stands before messages on TCP. It is nil where nothing is to be
// replied: to what is no query, and where too many are being answered or wait
// for a person. It returns when the context ends, too.
func (r *Resolver) Answer(ctx context.Context, query []byte, tcp bool) []byte {
	q, ok := parseQuery(query)
	if !ok {
		return nil
	}
	select {
	case r.answering <- struct{}{}:
		defer func() { <-r.answering }()
	default:
		return nil
	}
	a := answer{code: q.code}
	if a.code == 0 {
		if a, ok = r.answer(ctx, q); !ok {
			return nil
		}
	}
	return reply(q, a, tcp)
}

// Renew looks the names up anew that were resolved to an address once, longer
// ago than they count. Where one still leads there, the address is the name's
// again: programs keep addresses for longer than they may.
func (r *Resolver) Renew(ctx context.Context, addr netip.Addr) {
	const most = 4
	kind := kindOf(addr)
	for i, name := range r.config.Pins.Expired(addr, r.config.Now()) {
		if i == most {
			return
		}
		if v := r.config.Rules().Name(name); v.Allowed {
			r.addresses(ctx, v, name, kind)
		}
	}
}
