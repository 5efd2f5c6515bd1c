package link

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/enforcer/wire"
	"github.com/least-privilege/lpm/manifest"
)

// Launcher is a launcher, as its network process sees it.
type Launcher struct {
	socket socket

	mu      sync.Mutex
	last    uint64
	asking  map[uint64]chan bool
	opening map[uint64]chan file
	// ended is closed when the launcher is gone or done.
	ended chan struct{}
}

// Network is what a network process does for its launcher. Its methods are
// called by many goroutines.
type Network interface {
	// Attach takes the container's device, and returns when packets are
	// taken from it.
	Attach(device *os.File) error
	// Publish publishes a port.
	Publish(Port) error
	// Listen has a socket, which stays the caller's, listen at a port of the
	// host's that is kept.
	Listen(port Port, socket, backlog int) error
	// Decide says whether a flow may be.
	Decide(Flow) Answer
	// Grant allows a destination besides.
	Grant(manifest.Egress)
}

// Open returns the launcher that this process was started by, and what it is
// to do.
func Open() (*Launcher, Config, error) {
	var c Config
	config := os.NewFile(configFD, "network configuration")
	b, err := io.ReadAll(io.NewSectionReader(config, 0, 1<<30))
	if err != nil {
		return nil, c, fmt.Errorf("reading the network's configuration: %w", err)
	}
	r := wire.NewReader(b)
	r.Value(&c)
	if err := errors.Join(r.End(), config.Close()); err != nil {
		return nil, c, fmt.Errorf("reading the network's configuration: %w", err)
	}
	unix.CloseOnExec(socketFD)
	if err := unix.SetNonblock(socketFD, true); err != nil {
		return nil, c, fmt.Errorf("opening the launcher's socket: %w", err)
	}
	return newLauncher(socket{os.NewFile(socketFD, "launcher's socket")}), c, nil
}

func newLauncher(s socket) *Launcher {
	return &Launcher{socket: s, asking: map[uint64]chan bool{}, opening: map[uint64]chan file{}, ended: make(chan struct{})}
}

// Serve does what the launcher asks for until the launcher is gone or done. It
// is called once.
func (l *Launcher) Serve(ctx context.Context, n Network) error {
	defer close(l.ended)
	stop := context.AfterFunc(ctx, func() { _ = l.socket.file.Close() })
	defer stop()
	buffer := make([]byte, maxMessage)
	for {
		message, fd, err := l.socket.receive(buffer)
		if err != nil || message == nil {
			return err
		}
		if err := l.serve(n, kind(message[0]), message[1:], fd); err != nil {
			return err
		}
	}
}

func (l *Launcher) serve(n Network, k kind, body []byte, fd int) error {
	switch k {
	case kindAsk:
		var q question
		if err := decode(body, &q); err != nil {
			return err
		}
		to, err := netip.ParseAddrPort(q.To)
		if err != nil {
			return err
		}
		go func() { _ = l.socket.send(encode(kindAnswer, reply{q.ID, n.Decide(Flow{q.Protocol, to})})) }()
	case kindDevice:
		var r ready
		if err := decode(body, &r); err != nil || fd < 0 {
			return errors.Join(errors.New("a network device is missing"), err)
		}
		go l.done(r.ID, func() error { return n.Attach(os.NewFile(uintptr(fd), "network device")) })
	case kindPublish:
		var p publish
		if err := decode(body, &p); err != nil {
			return err
		}
		go l.done(p.ID, func() error { return n.Publish(p.Port) })
	case kindListen:
		var a listen
		if err := decode(body, &a); err != nil || fd < 0 {
			return errors.Join(errors.New("a socket to listen with is missing"), err)
		}
		go l.done(a.ID, func() error {
			defer unix.Close(fd)
			return n.Listen(a.Port, fd, int(a.Backlog))
		})
	case kindGrant:
		var e manifest.Egress
		if err := decode(body, &e); err != nil {
			return err
		}
		n.Grant(e)
	case kindNamed:
		var answer named
		if err := decode(body, &answer); err != nil {
			return err
		}
		l.mu.Lock()
		to := l.asking[answer.ID]
		delete(l.asking, answer.ID)
		l.mu.Unlock()
		if to != nil {
			to <- answer.Yes
		}
	case kindOpened:
		return l.opened(body, fd)
	}
	return nil
}

// Ask asks whether a name may be looked up that is not granted. It is no where
// the context ends before there is an answer.
func (l *Launcher) Ask(ctx context.Context, asked string) bool {
	to := make(chan bool, 1)
	l.mu.Lock()
	l.last++
	id := l.last
	l.asking[id] = to
	l.mu.Unlock()
	if l.socket.send(encode(kindName, name{id, asked})) != nil {
		return false
	}
	select {
	case yes := <-to:
		return yes
	case <-ctx.Done():
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.asking, id)
		return false
	}
}

// done does a thing and tells how that went.
func (l *Launcher) done(id uint64, do func() error) {
	r := failed(do())
	r.ID = id
	_ = l.socket.send(encode(kindReady, r))
}

// Tell tells the launcher of an event, and waits as long as it takes none.
func (l *Launcher) Tell(e Event) error { return l.socket.send(encode(kindEvent, fromEvent(e))) }
