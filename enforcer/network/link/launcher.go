package link

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/enforcer/wire"
	"github.com/least-privilege/lpm/manifest"
)

// The descriptors of a network process beside the standard three.
const (
	socketFD = 3
	configFD = 4
)

// ErrEnded is returned where the network process is gone.
var ErrEnded = errors.New("the container's network has ended")

// Process is a network process, as its launcher sees it.
type Process struct {
	socket  socket
	process *os.Process
	told    Told
	ended   chan struct{}
	// life ends with the network process.
	life context.Context

	mu      sync.Mutex
	last    uint64
	waiting map[uint64]chan reply
	made    map[uint64]chan error
	// opening has a place for each file that is being opened.
	opening chan struct{}
}

// Told is what a launcher is told by its network. Either may be nil.
type Told struct {
	// Event is told of what the network refuses and sees, by one goroutine.
	Event func(Event)
	// Ask is asked whether a name may be looked up that is not granted, if the
	// configuration says so. It is called by several goroutines, and the context
	// ends with the network.
	Ask func(ctx context.Context, name string) bool
}

// Start starts the program as a container's network.
func Start(program string, c Config, told Told) (*Process, error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("starting the container's network: %w", err)
	}
	mine, theirs := os.NewFile(uintptr(pair[0]), "network socket"), os.NewFile(uintptr(pair[1]), "network socket")
	defer theirs.Close()
	p := &Process{
		socket: socket{mine}, told: told, ended: make(chan struct{}),
		waiting: map[uint64]chan reply{}, made: map[uint64]chan error{}, opening: make(chan struct{}, maxOpening),
	}
	if p.process, err = run(program, theirs, c); err != nil {
		return nil, errors.Join(fmt.Errorf("starting the container's network: %w", err), mine.Close())
	}
	life, end := context.WithCancel(context.Background())
	p.life = life
	go func() {
		defer end()
		p.receive()
	}()
	return p, nil
}

// run starts the program with the socket and its configuration.
func run(program string, socket *os.File, c Config) (*os.Process, error) {
	var w wire.Writer
	w.Value(c)
	fd, err := unix.MemfdCreate("network", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, err
	}
	config := os.NewFile(uintptr(fd), "network configuration")
	defer config.Close()
	if _, err := config.WriteAt(w.Result(), 0); err != nil {
		return nil, err
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer null.Close()
	// What ends the launcher's session is the container's to hear of.
	return os.StartProcess(program, []string{"lpm-net"}, &os.ProcAttr{
		Env: []string{}, Files: []*os.File{null, null, os.Stderr, socket, config}, Sys: newSession(),
	})
}

// receive takes what the network sends, until it ends.
func (p *Process) receive() {
	defer close(p.ended)
	buffer := make([]byte, maxMessage)
	for {
		message, fd, err := p.socket.receive(buffer)
		if fd >= 0 {
			unix.Close(fd) // none is expected
		}
		if err != nil || message == nil || p.take(kind(message[0]), message[1:]) != nil {
			return
		}
	}
}

func (p *Process) take(k kind, body []byte) error {
	switch k {
	case kindAnswer:
		var r reply
		if err := decode(body, &r); err != nil {
			return err
		}
		if to := pop(p, p.waiting, r.ID); to != nil {
			to <- r
		}
	case kindReady:
		var r ready
		if err := decode(body, &r); err != nil {
			return err
		}
		if to := pop(p, p.made, r.ID); to != nil {
			to <- r.failure()
		}
	case kindEvent:
		var e event
		if err := decode(body, &e); err != nil {
			return err
		}
		told, err := e.event()
		if err == nil && p.told.Event != nil {
			p.told.Event(told)
		}
		return err
	case kindName:
		var n name
		if err := decode(body, &n); err != nil {
			return err
		}
		go func() {
			yes := p.told.Ask != nil && p.told.Ask(p.life, n.Name)
			_ = p.socket.send(encode(kindNamed, named{n.ID, yes}))
		}()
	case kindOpen:
		var o open
		if err := decode(body, &o); err != nil {
			return err
		}
		return p.open(o)
	}
	return nil
}

func pop[T any](p *Process, from map[uint64]T, id uint64) T {
	p.mu.Lock()
	defer p.mu.Unlock()
	v := from[id]
	delete(from, id)
	return v
}

// put makes a place for the reply to a message.
func put[T any](p *Process, in map[uint64]chan T) (uint64, chan T) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last++
	to := make(chan T, 1)
	in[p.last] = to
	return p.last, to
}

// Attach gives the network the container's device, and returns when packets
// are taken and the ports are published.
func (p *Process) Attach(device *os.File) error {
	id, done := put(p, p.made)
	if err := p.socket.send(encode(kindDevice, ready{ID: id}), int(device.Fd())); err != nil {
		return fmt.Errorf("handing the network device over: %w", err)
	}
	return p.await(done)
}

// Publish has a port published from now on, where the configuration has left
// that for later.
func (p *Process) Publish(port Port) error {
	id, done := put(p, p.made)
	if err := p.socket.send(encode(kindPublish, publish{id, port})); err != nil {
		return ErrEnded
	}
	return p.await(done)
}

// Listen has a socket of the host's listen at a port that is kept for the
// container. The socket stays the caller's. The error has EADDRINUSE where the
// port is published in another way.
func (p *Process) Listen(port Port, socket int, backlog int32) error {
	id, done := put(p, p.made)
	if err := p.socket.send(encode(kindListen, listen{id, port, backlog}), socket); err != nil {
		return ErrEnded
	}
	return p.await(done)
}

func (p *Process) await(done chan error) error {
	select {
	case err := <-done:
		return err
	case <-p.ended:
		return ErrEnded
	}
}

// Decide asks whether a flow may be.
func (p *Process) Decide(ctx context.Context, f Flow) (Answer, error) {
	id, done := put(p, p.waiting)
	if err := p.socket.send(encode(kindAsk, question{id, f.Protocol, f.To.String()})); err != nil {
		return Answer{}, ErrEnded
	}
	select {
	case r := <-done:
		return r.Answer, nil
	case <-p.ended:
		return Answer{}, ErrEnded
	case <-ctx.Done():
		pop(p, p.waiting, id)
		return Answer{}, ctx.Err()
	}
}

// Grant allows a destination until the container ends.
func (p *Process) Grant(e manifest.Egress) error {
	if p.socket.send(encode(kindGrant, e)) != nil {
		return ErrEnded
	}
	return nil
}

// Ended is closed when the network process is gone.
func (p *Process) Ended() <-chan struct{} { return p.ended }

// patience is how long a network process has to tell what it has left to tell.
const patience = 2 * time.Second

// Close ends the network process. All its events have been told of then.
func (p *Process) Close() error {
	_ = shutdown(p.socket.file)
	select {
	case <-p.ended:
	case <-time.After(patience):
	}
	// What has closed its socket has nothing more to do.
	err := p.process.Kill()
	if errors.Is(err, os.ErrProcessDone) {
		err = nil
	}
	_, wait := p.process.Wait()
	return errors.Join(err, wait, p.socket.file.Close())
}
