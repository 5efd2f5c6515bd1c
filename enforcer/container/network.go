package container

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/enforcer/launch"
	"github.com/least-privilege/lpm/enforcer/network/link"
	"github.com/least-privilege/lpm/enforcer/plan"
	"github.com/least-privilege/lpm/enforcer/supervise"
)

// privateNetwork is the network process of a container, or none. The methods of
// nil do nothing.
type privateNetwork struct {
	process *link.Process
	// teller is told of events, and asker of names, once they are known.
	teller atomic.Pointer[func(link.Event)]
	asker  atomic.Pointer[supervise.Enforcer]
	closed chan struct{}
	once   sync.Once
	// cookie is that of the container's network namespace.
	cookie uint64
}

// startNetwork starts the network process of a plan that has a private network.
func (l *Launch) startNetwork(asks bool) (*privateNetwork, error) {
	p := l.Plan.Network
	if p == nil {
		return nil, nil
	}
	if l.NetworkProgram == "" {
		return nil, errors.New("the program lpm-net is missing, which private networks need and which belongs to this one")
	}
	n := &privateNetwork{closed: make(chan struct{})}
	var err error
	n.process, err = link.Start(l.NetworkProgram, link.Config{
		Network: l.Plan.Supervision.Network, Publish: published(p.Publish), Later: p.Handover, Record: l.Plan.Mode == plan.Record,
		Ask: asks,
	}, link.Told{Event: n.tell, Ask: n.ask})
	if err != nil {
		return nil, err
	}
	return n, nil
}

// published are a plan's published ports, on the host's loopback where the
// caller has named no address.
func published(ports []plan.Port) []link.Port {
	list := make([]link.Port, len(ports))
	for i, p := range ports {
		address := netip.AddrFrom4([4]byte{127, 0, 0, 1}).String()
		if p.Address != "" {
			address = p.Address
		}
		list[i] = link.Port{Address: address, Host: p.Host, Container: p.Container, Protocol: p.Protocol}
	}
	return list
}

func (n *privateNetwork) tell(e link.Event) {
	if to := n.teller.Load(); to != nil {
		(*to)(e)
	}
}

func (n *privateNetwork) ask(ctx context.Context, name string) bool {
	e := n.asker.Load()
	return e != nil && e.AskName(ctx, name)
}

// attach gives the network the container's device, and ends the container when
// the network ends.
func (n *privateNetwork) attach(c *launch.Container) error {
	if n == nil {
		return nil
	}
	device := c.TakeDevice()
	if device == nil {
		return errors.New("the container has no network device")
	}
	var err error
	if n.cookie, err = unix.GetsockoptUint64(int(device.Fd()), unix.SOL_SOCKET, unix.SO_NETNS_COOKIE); err != nil {
		return errors.Join(fmt.Errorf("looking up the container's network: %w", err), device.Close())
	}
	// Without a second holder the device goes with the network process.
	if err := errors.Join(n.process.Attach(device), device.Close()); err != nil {
		return fmt.Errorf("starting the container's network: %w", err)
	}
	go func() {
		select {
		case <-n.closed:
		case <-n.process.Ended():
			_ = c.Signal(unix.SIGKILL)
		}
	}()
	return nil
}

// inform has functions told of events, one of which may be nil.
func (n *privateNetwork) inform(to ...func(link.Event)) {
	if n == nil {
		return
	}
	all := func(e link.Event) {
		for _, f := range to {
			if f != nil {
				f(e)
			}
		}
	}
	n.teller.Store(&all)
}

// consult has an enforcer asked about names.
func (n *privateNetwork) consult(e *supervise.Enforcer) {
	if n != nil {
		n.asker.Store(e)
	}
}

// options completes an enforcer's.
func (n *privateNetwork) options(o supervise.Options, p *plan.Network) supervise.Options {
	if n != nil {
		o.Network, o.Publish, o.Cookie, o.Memory = n.process, published(p.Publish), n.cookie, launch.OpenMemory
	}
	return o
}

// close ends the network, which has told all of its events then. It returns an
// error if that had ended before, and none when it is called again.
func (n *privateNetwork) close() (err error) {
	if n == nil {
		return nil
	}
	n.once.Do(func() {
		close(n.closed)
		select {
		case <-n.process.Ended():
			err = link.ErrEnded
		default:
		}
		err = errors.Join(err, n.process.Close())
	})
	return err
}
