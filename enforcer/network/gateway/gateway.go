package gateway

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/least-privilege/lpm/enforcer/network/confine"
	"github.com/least-privilege/lpm/enforcer/network/link"
	"github.com/least-privilege/lpm/enforcer/network/policy"
	"github.com/least-privilege/lpm/enforcer/network/publish"
	"github.com/least-privilege/lpm/enforcer/network/resolver"
	"github.com/least-privilege/lpm/enforcer/network/stack"
	"github.com/least-privilege/lpm/manifest"
)

// Gateway is the network of one container.
type Gateway struct {
	config   link.Config
	launcher *link.Launcher
	news     *news
	rules    atomic.Pointer[policy.Rules]
	pins     *policy.Pins
	host     host
	resolver *resolver.Resolver
	dialer   net.Dialer

	mu    sync.Mutex
	stack *stack.Stack
	// keeps are the host's ports that are published one by one.
	keeps map[publish.Port]*keptPort
	// open is what is to be closed in the end, in this order.
	open []func() error
}

// Run is the network of the container whose launcher has started this process,
// until that launcher is gone.
func Run(ctx context.Context) error {
	launcher, config, err := link.Open()
	if err != nil {
		return err
	}
	g := &Gateway{config: config, pins: policy.NewPins(), news: newNews(launcher.Tell), keeps: map[publish.Port]*keptPort{}}
	rules := policy.New(config.Network)
	if config.Record {
		rules = policy.Everything()
	}
	g.rules.Store(rules)
	g.launcher = launcher
	g.resolver = resolver.New(resolver.Config{
		Rules: g.rules.Load, Pins: g.pins, Local: g.host.own, Ask: g.ask,
		Open:     launcher.OpenFile,
		Observer: resolver.Observer{Lookup: g.lookedUp, Down: g.trouble},
	})
	// All else that this process needs it is given. The walls that this kernel
	// lacks are the second ones.
	if _, err := confine.Process(hostPorts(config.Publish)...); err != nil {
		return fmt.Errorf("confining the network process: %w", err)
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var telling sync.WaitGroup
	telling.Go(func() { g.news.run(ctx) })
	err = launcher.Serve(ctx, g)
	stop()
	telling.Wait()
	return errors.Join(err, g.close())
}

// hostPorts are the host's of what is published. Package net reads how many clients
// may wait at a port (net.core.somaxconn) when it first listens, and later this
// process opens no file.
func hostPorts(published []link.Port) []uint16 {
	var ports []uint16
	for _, p := range published {
		ports = append(ports, p.Host)
	}
	if len(ports) > 0 {
		if l, err := net.Listen("tcp", "127.0.0.1:0"); err == nil {
			_ = l.Close()
		}
	}
	return ports
}

// Attach takes the container's device.
func (g *Gateway) Attach(device *os.File) error {
	s, err := stack.New(stack.Options{Device: device, Handler: handler{g}, Report: g.trouble})
	if err != nil {
		return fmt.Errorf("taking the network device: %w", err)
	}
	g.mu.Lock()
	g.stack = s
	g.mu.Unlock()
	g.later(s.Close)
	var now []publish.Port
	for _, p := range g.config.Publish {
		port, err := publication(p)
		if err != nil {
			return err
		}
		if !g.config.Later || port.UDP {
			now = append(now, port)
			continue
		}
		kept, err := keep(port)
		if err != nil {
			return err
		}
		g.later(kept.close)
		g.mu.Lock()
		g.keeps[port] = kept
		g.mu.Unlock()
	}
	return g.publish(now)
}

// publish has ports of the host lead into the container.
func (g *Gateway) publish(ports []publish.Port) error {
	if len(ports) == 0 {
		return nil
	}
	p, err := publish.Listen(ports, g.trouble)
	if err != nil {
		return err
	}
	g.mu.Lock()
	s := g.stack
	g.mu.Unlock()
	p.Serve(s)
	g.later(func() error { p.Close(); return nil })
	return nil
}

// later has something closed in the end.
func (g *Gateway) later(close func() error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.open = append([]func() error{close}, g.open...)
}

func (g *Gateway) close() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.stack != nil {
		g.stack.Drain() // while the ports are still there that it goes out by
	}
	var errs []error
	for _, close := range g.open {
		errs = append(errs, close())
	}
	return errors.Join(errs...)
}

// Decide implements [link.Network].
func (g *Gateway) Decide(f link.Flow) link.Answer { return answer(g.decide(f)) }

// decide decides on a flow by the names that lead to its address. A program may
// keep an address for longer than its name says that it may: the name is looked
// up again then.
func (g *Gateway) decide(f link.Flow) policy.Verdict {
	verdict := g.judge(f)
	if !verdict.Allowed && len(g.pins.Expired(f.To.Addr().Unmap(), time.Now())) > 0 {
		ctx, stop := context.WithTimeout(context.Background(), renewal)
		defer stop()
		g.resolver.Renew(ctx, f.To.Addr().Unmap())
		verdict = g.judge(f)
	}
	return verdict
}

// renewal bounds how long a connection waits for a name to be looked up again.
const renewal = 5 * time.Second

func (g *Gateway) judge(f link.Flow) policy.Verdict {
	to := netip.AddrPortFrom(f.To.Addr().Unmap(), f.To.Port())
	return g.rules.Load().Decide(policy.Flow{Protocol: f.Protocol, To: to}, g.pins.Names(to.Addr(), time.Now()), g.host.own(to.Addr()))
}

func answer(v policy.Verdict) link.Answer {
	a := link.Answer{Allowed: v.Allowed, Name: v.Name, Grant: v.Grant}
	if !v.Allowed {
		a.Reason = v.Reason.String()
	}
	return a
}

// ask asks a person about a name that is not granted. What is granted then is
// its lookup; where it leads is asked about when it is connected to.
func (g *Gateway) ask(ctx context.Context, v policy.Verdict) bool {
	if !g.config.Ask || v.Grant == nil || !g.launcher.Ask(ctx, v.Grant.Host) {
		return false
	}
	g.Grant(*v.Grant)
	return true
}

// Grant implements [link.Network].
func (g *Gateway) Grant(e manifest.Egress) {
	for {
		rules := g.rules.Load()
		if g.rules.CompareAndSwap(rules, rules.With(e)) {
			return
		}
	}
}

// admit decides on a flow that has reached the gateway, and tells of it where
// that is to be told.
func (g *Gateway) admit(p manifest.Protocol, to netip.AddrPort) error {
	f := link.Flow{Protocol: p, To: to}
	v := g.decide(f)
	switch {
	case !v.Allowed:
		g.news.add(link.Event{Kind: link.Refused, Name: v.Name, Flow: &f, Reason: v.Reason.String(), Grant: v.Grant})
		return &RefusedError{f, v.Reason}
	case g.config.Record:
		g.news.add(link.Event{Kind: link.Flowed, Name: v.Name, Flow: &f})
	}
	return nil
}

// RefusedError says that the policy does not allow a flow.
type RefusedError struct {
	Flow   link.Flow
	Reason policy.Reason
}

func (e *RefusedError) Error() string {
	return fmt.Sprintf("%s/%s is refused: %s", e.Flow.To, e.Flow.Protocol, e.Reason)
}

// lookedUp tells of a lookup where that is to be told.
func (g *Gateway) lookedUp(l resolver.Lookup) {
	switch {
	case !l.Verdict.Allowed:
		g.news.add(link.Event{Kind: link.Refused, Name: l.Name, Reason: l.Verdict.Reason.String(), Grant: nameGrant(l.Verdict.Grant)})
	case len(l.Refused) > 0:
		r := l.Refused[0]
		g.news.add(link.Event{Kind: link.Refused, Name: l.Name, Addresses: []netip.Addr{r.Addr}, Reason: r.Addr.String() + ": " + r.Reason.String(),
			Grant: nameGrant(&manifest.Egress{CIDR: netip.PrefixFrom(r.Addr, r.Addr.BitLen()).String()})})
	case g.config.Record && len(l.Addrs) > 0:
		g.news.add(link.Event{Kind: link.LookedUp, Name: l.Name, Addresses: l.Addrs})
	}
}

// nameGrant completes what would grant a lookup. A lookup does not say which
// port will be connected to; most are.
func nameGrant(e *manifest.Egress) *manifest.Egress {
	if e == nil || len(e.Ports) > 0 {
		return e
	}
	likely := *e
	likely.Ports, likely.Protocol = []manifest.PortRange{manifest.Port(443)}, manifest.TCP
	return &likely
}

func (g *Gateway) tellTrouble(text string) { g.news.add(link.Event{Kind: link.Trouble, Reason: text}) }
