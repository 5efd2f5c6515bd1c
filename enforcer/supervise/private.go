package supervise

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/enforcer/network/link"
	"github.com/least-privilege/lpm/manifest"
)

// Network decides on the connections of a container with a private network, as
// [link.Process] does.
type Network interface {
	Decide(context.Context, link.Flow) (link.Answer, error)
	Grant(manifest.Egress) error
	Publish(link.Port) error
	Listen(port link.Port, socket int, backlog int32) error
}

// maxConnecting bounds the connections that wait at the same time. Whoever
// makes more is told that there is no free port, as by a kernel that has none.
const maxConnecting = 512

// private is what an [Enforcer] keeps of a container's private network.
type private struct {
	connecting atomic.Int32
	cookie     func() (uint64, error)
	// usual are the options of new sockets, by their family. unusual says that
	// the container has set another than many programs do, and epoll that it
	// has made an epoll set.
	usual          sync.Map
	unusual, epoll atomic.Bool
	mu             sync.Mutex
	// lately are the flows that were allowed a short while ago.
	lately map[link.Flow]time.Time
	// handed are the container's ports whose listeners are the host's, by
	// their number.
	handed map[uint16]netip.AddrPort
}

// connectPrivate decides on a connection of a container with a private network.
// What is refused here is refused for a name, and at once; but for TCP, where
// connections are handed over, the network process refuses the same again.
func (e *Enforcer) connectPrivate(c *Call, info manifest.SyscallInfo) (Verdict, *refusal) {
	if !e.granted(c, info) {
		if v, r := e.syscall(c, info); r != nil {
			return v, r
		}
	}
	name, to := e.address(c)
	if name == nil {
		return Verdict{}, nil
	}
	fd, err := c.TakeFD(int32(c.Args[0]))
	if err != nil {
		if errors.Is(err, unix.EMFILE) {
			return Verdict{Errno: unix.EMFILE}, nil
		}
		return Verdict{}, nil // the kernel finds no socket either
	}
	// Datagrams can be sent to anywhere without this call: their packets are
	// judged.
	if !speaks(fd, manifest.TCP) || !e.rules.Handover && (inside(to.Addr()) || resolver(to)) {
		c.LetGo(fd)
		return Verdict{}, nil
	}
	a := &attempt{e: e, c: c, fd: fd, name: name, to: to}
	if v, ok := a.atOnce(); ok {
		return v, nil
	}
	if e.private.connecting.Add(1) > maxConnecting {
		e.private.connecting.Add(-1)
		a.letGo()
		if a.begun != nil {
			a.begun.close()
		}
		return Verdict{Errno: unix.EAGAIN}, nil
	}
	return Verdict{Later: func(ctx context.Context) Verdict {
		defer e.private.connecting.Add(-1)
		return a.connect(ctx)
	}, Unbounded: true}, nil
}

// flowRefusal is that of a flow which the network does not let through.
func (e *Enforcer) flowRefusal(to netip.AddrPort, p manifest.Protocol, a link.Answer) *refusal {
	r := &refusal{subject: subject{KindConnect, flowText(to, p, a.Name)}, errno: unix.ECONNREFUSED, why: a.Reason}
	if a.Grant == nil {
		return r
	}
	r.grant = func() Grant { return Grant{Egress: a.Grant, Mode: manifest.NetworkPrivate} }
	r.accept = func() { _ = e.options.Network.Grant(*a.Grant) }
	return r
}

// Tell notes what the container's network has refused by itself: lookups and
// datagrams, which no call names. It is called by another goroutine than Decide.
func (e *Enforcer) Tell(told link.Event) {
	if told.Kind != link.Refused || told.Count == 0 {
		return
	}
	r := &refusal{subject: subject{KindResolve, told.Name}, errno: unix.ECONNREFUSED, why: told.Reason}
	switch {
	case told.Flow == nil && len(told.Addresses) > 0:
		r.answer = "NODATA" // without the addresses that it may not lead to
	case told.Flow == nil:
		r.answer = nonexistent
	default:
		r.subject = subject{KindConnect, flowText(told.Flow.To, told.Flow.Protocol, told.Name)}
	}
	if told.Grant != nil {
		r.grant = func() Grant { return Grant{Egress: told.Grant, Mode: manifest.NetworkPrivate} }
	}
	e.note(r, Anyone, told.Count)
}

// AskName asks a person whether a name may be looked up that is not granted, as
// [Options] has it.
func (e *Enforcer) AskName(ctx context.Context, name string) bool {
	r := &refusal{subject: subject{KindResolve, name}, answer: nonexistent}
	r.grant = func() Grant {
		// Most are looked up for HTTPS; the port is asked about when it is
		// connected to.
		likely := &manifest.Egress{Host: name, Ports: []manifest.PortRange{manifest.Port(443)}, Protocol: manifest.TCP}
		return Grant{Egress: likely, Mode: manifest.NetworkPrivate}
	}
	if !e.asks(r) || !e.answers.enter() {
		return e.given(r)
	}
	defer e.answers.leave()
	return e.ask(ctx, r, func() string { return Anyone })
}

// nonexistent is the answer about a name that is not granted.
const nonexistent = "NXDOMAIN"

// Anyone stands for the program of a packet, which does not say who sent it.
const Anyone = ""

// flowText names a destination as denials do: with the name that it was looked
// up by.
func flowText(to netip.AddrPort, p manifest.Protocol, name string) string {
	if name == "" {
		return endpoint(to, p)
	}
	return name + " (" + endpoint(to, p) + ")"
}

// refuseLater is what Decide does about a refusal, of a call that waits.
func (e *Enforcer) refuseLater(ctx context.Context, c *Call, r *refusal) Verdict {
	if e.asks(r) && e.answers.enter() {
		return e.waiting(e.asked(c, r)).Later(ctx)
	}
	return e.refuse(c, r)
}
