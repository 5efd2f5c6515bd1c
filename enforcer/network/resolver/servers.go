package resolver

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// resting is how long a server that did not answer is asked after the others.
const resting = 30 * time.Second

// servers remembers how the host's servers fared.
type servers struct {
	// silent has those that did not answer, and until when that counts.
	silent map[netip.Addr]time.Time
	down   bool
}

// ask puts a question to one server after another, until one answers it.
func (r *Resolver) ask(ctx context.Context, c conf, k key) (response, error) {
	var failed failures
	for range c.attempts {
		for _, server := range r.inOrder(c.servers) {
			got, err := r.exchange(ctx, c, server, k)
			if errors.Is(ctx.Err(), context.Canceled) {
				return response{}, ctx.Err() // says nothing about the server
			}
			r.note(server, err)
			if err == nil {
				err = usable(got.code)
			}
			if err == nil {
				return got, nil
			}
			failed.add(server, err)
			if ctx.Err() != nil {
				return response{}, r.unanswered(failed)
			}
		}
	}
	return response{}, r.unanswered(failed)
}

// usable reports why an answer's code is a reason to ask another server.
func usable(code dnsmessage.RCode) error {
	switch code {
	case dnsmessage.RCodeSuccess, dnsmessage.RCodeNameError:
		return nil
	}
	return unusable("it says " + strings.TrimPrefix(code.String(), "RCode"))
}

// inOrder returns the servers, those last that did not answer lately.
func (r *Resolver) inOrder(list []netip.Addr) []netip.Addr {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.config.Now()
	var first, last []netip.Addr
	for _, server := range list {
		if now.Before(r.servers.silent[server]) {
			last = append(last, server)
		} else {
			first = append(first, server)
		}
	}
	return append(first, last...)
}

// note remembers whether a server answered.
func (r *Resolver) note(server netip.Addr, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err == nil || errors.Is(err, ErrAnswer) {
		delete(r.servers.silent, server)
		r.servers.down = false
		return
	}
	// The host's file changes, and old servers are of no interest.
	if r.servers.silent == nil || len(r.servers.silent) >= 4*maxServers {
		r.servers.silent = map[netip.Addr]time.Time{}
	}
	r.servers.silent[server] = r.config.Now().Add(resting)
}

// failures says what went wrong with which server at last.
type failures struct {
	servers  []netip.Addr
	errs     []error
	answered bool
}

func (f *failures) add(server netip.Addr, err error) {
	f.answered = f.answered || errors.Is(err, ErrAnswer)
	for i := range f.servers {
		if f.servers[i] == server {
			f.errs[i] = err
			return
		}
	}
	f.servers, f.errs = append(f.servers, server), append(f.errs, err)
}

// unanswered returns the error of a question that no server answered, and tells
// the observer where that is news.
func (r *Resolver) unanswered(f failures) error {
	var texts []string
	for i := range f.servers {
		texts = append(texts, fmt.Sprintf("%s (%s)", f.servers[i], f.errs[i]))
	}
	why := fmt.Sprintf("%s names %s", r.config.ResolvConf, strings.Join(texts, ", "))
	if f.answered {
		return fmt.Errorf("%w; %s", ErrAnswer, why)
	}
	err := fmt.Errorf("%w; %s", ErrUnreachable, why)
	r.mu.Lock()
	news := !r.servers.down
	r.servers.down = true
	r.mu.Unlock()
	if news && r.config.Observer.Down != nil {
		r.config.Observer.Down(err)
	}
	return err
}
