package supervise

import (
	"context"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/enforcer/network/link"
	"github.com/least-privilege/lpm/enforcer/network/subnet"
	"github.com/least-privilege/lpm/manifest"
)

// attempt is a TCP connection that a container tries to make.
type attempt struct {
	e *Enforcer
	c *Call
	// fd is a copy of the socket, or -1 once it is let go.
	fd   int
	name []byte
	to   netip.AddrPort
	// begun is a connection that is being made already, by a socket that is in
	// the container's place.
	begun *connecting
}

// flow is what the network is asked about.
func (a *attempt) flow() link.Flow {
	return link.Flow{Protocol: manifest.TCP, To: netip.AddrPortFrom(a.to.Addr().Unmap(), a.to.Port())}
}

func (a *attempt) letGo() {
	if a.fd >= 0 {
		a.c.LetGo(a.fd)
	}
	a.fd = -1
}

// drop closes the copy here and now, of a socket that was never connected and
// has nothing left to send.
func (a *attempt) drop() {
	if a.fd >= 0 {
		unix.Close(a.fd)
		a.c.copies.held.Add(-1)
	}
	a.fd = -1
}

// connect judges the connection and, where connections are handed over, makes
// it: with the container's own call the kernel would read an address that can
// have changed since, of a socket that can be another.
func (a *attempt) connect(ctx context.Context) Verdict {
	defer a.letGo()
	if a.begun != nil {
		return a.begun.finish(ctx, a)
	}
	if inside(a.to.Addr()) || resolver(a.to) {
		return a.connectInside(ctx)
	}
	answer, err := a.e.options.Network.Decide(ctx, a.flow())
	switch {
	case err != nil:
		return Verdict{Errno: unix.ENETDOWN}
	case !answer.Allowed:
		a.letGo()
		return a.e.refuseLater(ctx, a.c, a.e.flowRefusal(a.to, manifest.TCP, answer))
	case !a.e.rules.Handover:
		return Verdict{} // and the packets are judged
	}
	a.e.private.note(a.flow(), time.Now())
	if v, ok := a.handOver(ctx); ok {
		return v
	}
	return a.inPlace(ctx)
}

// What was allowed a moment ago is allowed now: a name that was looked up counts
// for minutes. To ask about each of a thousand connections takes longer than
// to make them.
const (
	moment    = time.Second
	maxLately = 256
)

// note takes note of a flow that is allowed.
func (p *private) note(f link.Flow, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.lately == nil || len(p.lately) >= maxLately {
		p.lately = map[link.Flow]time.Time{}
	}
	p.lately[f] = now
}

// allowed reports whether a flow was allowed a moment ago.
func (p *private) allowed(f link.Flow, now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	at, ok := p.lately[f]
	return ok && now.Sub(at) < moment
}

// atOnce makes a connection that takes no waiting, where it is known to be
// allowed. What it has begun where that takes longer is left to connect.
func (a *attempt) atOnce() (Verdict, bool) {
	if !a.e.rules.Handover || inside(a.to.Addr()) || resolver(a.to) || !a.e.private.allowed(a.flow(), time.Now()) {
		return Verdict{}, false
	}
	v, how := a.begin(func(int) []byte { return a.name })
	return v, how == ended
}

// inPlace connects the very socket that the container has.
func (a *attempt) inPlace(ctx context.Context) Verdict {
	flags, err := unix.FcntlInt(uintptr(a.fd), unix.F_GETFL, 0)
	if err != nil {
		return Verdict{Errno: unix.EBADF}
	}
	if flags&unix.O_NONBLOCK != 0 {
		errno := setAddress(unix.SYS_CONNECT, a.fd, a.name)
		return Verdict{Errno: errno, Done: errno == 0}
	}
	// The supervisor waits itself, for it hears of signals. Of the moment in
	// which the socket does not block no other thread can make anything.
	if _, err := unix.FcntlInt(uintptr(a.fd), unix.F_SETFL, flags|unix.O_NONBLOCK); err != nil {
		return Verdict{Errno: unix.EBADF}
	}
	errno := setAddress(unix.SYS_CONNECT, a.fd, a.name)
	var b *connecting
	if errno == unix.EINPROGRESS || errno == unix.EALREADY {
		if fd, err := unix.FcntlInt(uintptr(a.fd), unix.F_DUPFD_CLOEXEC, 0); err == nil {
			b = newConnecting(fd, a.name, errno)
		}
	}
	_, _ = unix.FcntlInt(uintptr(a.fd), unix.F_SETFL, flags)
	if b != nil {
		return b.finish(ctx, a)
	}
	return Verdict{Errno: errno, Done: errno == 0}
}

// connectInside connects the container to itself, or to its resolver. A socket
// that was handed over would take the host for that.
func (a *attempt) connectInside(ctx context.Context) Verdict {
	if host, ok := a.e.handedPort(a.to.Port()); ok && inside(a.to.Addr()) {
		v, ok := a.handOverTo(ctx, func(family int) []byte { return socketAddress(family, host) })
		if ok && v.Errno != unix.ECONNREFUSED && v.Errno != unix.EINVAL {
			return v
		}
		if v, ok := a.retake(); ok {
			return v
		}
	}
	foreign, err := a.e.foreign(a.fd)
	if err != nil || foreign {
		return Verdict{Errno: unix.ECONNREFUSED}
	}
	return a.inPlace(ctx)
}

// retake takes the container's socket again if it was let go, for it to be
// connected after all. It is true, with a verdict, where it is gone.
func (a *attempt) retake() (Verdict, bool) {
	if a.fd >= 0 {
		return Verdict{}, false
	}
	fd, err := a.c.TakeFD(int32(a.c.Args[0]))
	if err != nil {
		return Verdict{Errno: noCopy(err)}, true
	}
	a.fd = fd
	return Verdict{}, false
}

// foreign reports whether a socket is of the host's network, and not of the
// container's.
func (e *Enforcer) foreign(fd int) (bool, error) {
	own, err := e.private.cookie()
	if err != nil {
		return true, err
	}
	its, err := unix.GetsockoptUint64(fd, unix.SOL_SOCKET, unix.SO_NETNS_COOKIE)
	return its == own, err
}

// ownCookie is that of this process's network namespace (Linux 5.14).
func ownCookie() (uint64, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	defer unix.Close(fd)
	return unix.GetsockoptUint64(fd, unix.SOL_SOCKET, unix.SO_NETNS_COOKIE)
}

// inside reports whether an address is of the container itself.
func inside(a netip.Addr) bool {
	a = a.Unmap()
	return a.IsLoopback() || a.IsUnspecified() || a == subnet.Container4() || a == subnet.Container6()
}

// resolver reports whether an address is that of the resolver, which answers by
// TCP what is too long for a datagram.
func resolver(to netip.AddrPort) bool {
	a := to.Addr().Unmap()
	return to.Port() == 53 && (a == subnet.Gateway4() || a == subnet.Gateway6())
}
