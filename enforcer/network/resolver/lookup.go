package resolver

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/least-privilege/lpm/enforcer/network/policy"
)

// Errors of a [Lookup].
var (
	// ErrUnreachable is that no DNS server of the host answered.
	ErrUnreachable = errors.New("no DNS server of this machine answers")
	// ErrRate is that too many new names were asked for below a wildcard.
	ErrRate = errors.New("too many different names below a wildcard at once")
	// ErrAnswer is an answer that cannot be used.
	ErrAnswer = errors.New("the DNS server's answer is of no use")
)

// unusable says why an answer is an [ErrAnswer].
type unusable string

func (u unusable) Error() string { return string(u) }

// Is implements the comparison of [errors.Is].
func (u unusable) Is(target error) bool { return target == ErrAnswer }

// Bounds of one look-up.
const (
	// maxLookup is how long it takes at most. Programs have given up by then.
	maxLookup = 20 * time.Second
	// maxHops is the number of times a server is asked anew for the end of a
	// chain of CNAME records.
	maxHops = 8
	// hostsTTL is how long what /etc/hosts says may be kept.
	hostsTTL = 10 * time.Second
	// Negative answers are kept as long as they say, but not for longer.
	maxNegative = time.Minute
)

// key is a question to the host's servers.
type key struct {
	name string // canonical
	kind dnsmessage.Type
}

// found is the answer to a question. It has no addresses where the name has
// none of the type; missing says that there is no such name.
type found struct {
	addrs   []netip.Addr
	missing bool
	until   time.Time
}

// lookup finds the addresses of a name that is granted.
func (r *Resolver) lookup(ctx context.Context, v policy.Verdict, kind dnsmessage.Type) (found, error) {
	file, err := r.hosts.get()
	if err != nil {
		return found{}, err
	}
	if addrs, has := file.find(v.Name, kind); has {
		return found{addrs: addrs, until: r.config.Now().Add(hostsTTL)}, nil
	}
	c, err := r.conf.get()
	if err != nil {
		return found{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, maxLookup)
	defer cancel()
	var last found
	for _, name := range c.candidates(v.Name) {
		if last, err = r.once(ctx, c, key{name, kind}, v.Reason == policy.ByWildcard); err != nil {
			return found{}, fmt.Errorf("looking up %s: %w", name, err)
		}
		if len(last.addrs) > 0 {
			break
		}
	}
	return last, nil
}

// flight is a question that is being asked. Whoever has the same one waits for
// it.
type flight struct {
	done chan struct{}
	found
	err error
}

// once answers from what is known, or asks; one at a time asks the same.
func (r *Resolver) once(ctx context.Context, c conf, k key, limited bool) (found, error) {
	for {
		r.mu.Lock()
		if known, fresh := r.cache.get(k, r.config.Now()); fresh {
			r.mu.Unlock()
			return known, nil
		}
		f, underway := r.flights[k]
		if !underway {
			if limited && !r.limit.take(r.config.Now()) {
				r.mu.Unlock()
				return found{}, ErrRate
			}
			f = &flight{done: make(chan struct{})}
			r.flights[k] = f
		}
		r.mu.Unlock()
		if !underway {
			r.fly(ctx, c, k, f)
			return f.found, f.err
		}
		select {
		case <-f.done:
		case <-ctx.Done():
			return found{}, ctx.Err()
		}
		// The one who asked may have had less time than this one has.
		if f.err == nil || ctx.Err() == nil && !errors.Is(f.err, context.Canceled) {
			return f.found, f.err
		}
	}
}

// fly asks, and tells those who wait.
func (r *Resolver) fly(ctx context.Context, c conf, k key, f *flight) {
	f.err = context.Canceled // unless the question is asked to its end
	defer func() {
		r.mu.Lock()
		delete(r.flights, k)
		if f.err == nil {
			r.cache.put(k, f.found, r.config.Now())
		}
		r.mu.Unlock()
		close(f.done)
	}()
	select {
	case r.asking <- struct{}{}:
		defer func() { <-r.asking }()
	case <-ctx.Done():
		f.err = ctx.Err()
		return
	}
	f.found, f.err = r.chase(ctx, c, k)
}

// chase asks the servers for a name, and for the end of its chain of CNAME
// records where an answer has the chain alone.
func (r *Resolver) chase(ctx context.Context, c conf, k key) (found, error) {
	ttl, seen := maxTTL, map[string]bool{}
	for range maxHops {
		if seen[k.name] {
			return found{}, unusable("its names go in a circle")
		}
		seen[k.name] = true
		got, err := r.ask(ctx, c, k)
		if err != nil {
			return found{}, err
		}
		ttl = min(ttl, got.ttl)
		if len(got.addrs) > 0 || got.none || got.end == k.name {
			return found{got.addrs, got.code == dnsmessage.RCodeNameError, r.config.Now().Add(ttl)}, nil
		}
		k.name = got.end
	}
	return found{}, unusable("its chain of names is too long")
}
