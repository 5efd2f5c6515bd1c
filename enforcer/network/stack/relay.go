package stack

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/waiter"
)

// relay carries bytes between a connection of the container and one of the host.
//
// Each direction moves them in one copy: from the host's socket into the memory of
// the segments that are sent, and from the memory of received ones into the host's
// socket. Of what the host sends, a small beginning is copied once more, and may be
// held until the container takes it; else a direction holds nothing while it waits.
type relay struct {
	ep    tcpip.Endpoint
	queue *waiter.Queue
	host  *net.TCPConn
	raw   syscall.RawConn
	stack *Stack
	// broken ends what waits for the endpoint.
	broken chan struct{}
	once   sync.Once
	// sent is set once all that the container sends has been given to the host.
	sent atomic.Bool
}

// abandon resets a connection of the host.
func abandon(host *net.TCPConn) {
	_ = host.SetLinger(0)
	host.Close()
}

// relay returns when both sides are done, or one was reset. It takes both over.
func (s *Stack) relay(host *net.TCPConn, ep tcpip.Endpoint, queue *waiter.Queue) {
	r := &relay{ep: ep, queue: queue, host: host, stack: s, broken: make(chan struct{})}
	var err error
	r.raw, err = host.SyscallConn()
	others, ok := s.tcp.add(r)
	if err != nil || !ok {
		s.tcp.remove(r)
		abandon(host)
		ep.Abort()
		return
	}
	defer s.tcp.remove(r)
	s.bound(ep, share(others))
	keepAlive(ep)
	// A reset that comes while neither direction waits for the container.
	entry := waiter.NewFunctionEntry(waiter.EventErr, func(waiter.EventMask) { go r.check() })
	queue.EventRegister(&entry)
	defer queue.EventUnregister(&entry)

	var wg sync.WaitGroup
	wg.Go(func() { r.direction(r.down) })
	r.direction(r.up)
	wg.Wait()
	select {
	case <-r.broken:
	default:
		ep.Close()
		host.Close()
	}
}

func (r *relay) direction(carry func() error) {
	if err := carry(); err != nil {
		r.abort()
	}
}

// abort resets both sides. The host's kernel still sends what it was given by a
// container that has ended its side.
func (r *relay) abort() {
	r.once.Do(func() {
		close(r.broken)
		r.ep.Abort()
		if r.sent.Load() {
			r.host.Close()
			return
		}
		abandon(r.host)
	})
}

// check aborts if the container has reset the connection.
func (r *relay) check() {
	if tcp.EndpointState(r.ep.State()) == tcp.StateError {
		r.abort()
	}
}

// down carries what the host sends, and the end of it.
func (r *relay) down() error {
	entry, writable := waiter.NewChannelEntry(waiter.WritableEvents | waiter.EventErr | waiter.EventHUp)
	r.queue.EventRegister(&entry)
	defer r.queue.EventUnregister(&entry)
	source := &hostReader{}
	for {
		var (
			n    int64
			terr tcpip.Error
		)
		err := r.raw.Read(func(fd uintptr) bool {
			if source.start(int(fd)); source.Len() > 0 {
				n, terr = r.ep.Write(source, tcpip.WriteOptions{})
			}
			return !errors.Is(source.err, unix.EAGAIN)
		})
		r.stack.counts.down.Add(uint64(n))
		switch {
		case err != nil:
			return err
		case errors.Is(source.err, io.EOF):
			return r.finish()
		case source.err != nil:
			return source.err
		case wouldBlock(terr):
			if err := r.wait(writable); err != nil {
				return err
			}
		case terr != nil:
			return errno(terr)
		}
	}
}

// finish ends what the container receives.
func (r *relay) finish() error {
	if terr := r.ep.Shutdown(tcpip.ShutdownWrite); terr != nil {
		return errno(terr)
	}
	return nil
}

// up carries what the container sends, and the end of it.
func (r *relay) up() error {
	entry, readable := waiter.NewChannelEntry(waiter.ReadableEvents | waiter.EventErr | waiter.EventHUp)
	r.queue.EventRegister(&entry)
	defer r.queue.EventUnregister(&entry)
	sink := &hostWriter{}
	for {
		var (
			result tcpip.ReadResult
			terr   tcpip.Error
		)
		err := r.raw.Write(func(fd uintptr) bool {
			*sink = hostWriter{fd: int(fd)}
			result, terr = r.ep.Read(sink, tcpip.ReadOptions{})
			return result.Count > 0 || !errors.Is(sink.err, unix.EAGAIN)
		})
		if result.Count > 0 {
			r.stack.counts.up.Add(uint64(result.Count))
			r.ep.ModerateRecvBuf(result.Count)
		}
		_, ended := terr.(*tcpip.ErrClosedForReceive)
		switch {
		case err != nil:
			return err
		case sink.err != nil && !errors.Is(sink.err, unix.EAGAIN):
			return sink.err
		case ended:
			err := r.host.CloseWrite()
			r.sent.Store(err == nil)
			return err
		case wouldBlock(terr):
			if err := r.wait(readable); err != nil {
				return err
			}
		case terr != nil && sink.err == nil:
			return errno(terr)
		}
	}
}

// wait waits until the endpoint may have become ready.
func (r *relay) wait(ready <-chan struct{}) error {
	select {
	case <-ready:
		return nil
	case <-r.broken:
		return os.ErrClosed
	}
}

func wouldBlock(err tcpip.Error) bool {
	_, is := err.(*tcpip.ErrWouldBlock)
	return is
}

// keepAlive ends connections that a container's kernel has forgotten, which is
// what a program that makes its own packets can pretend.
func keepAlive(ep tcpip.Endpoint) {
	ep.SocketOptions().SetKeepAlive(true)
	idle, interval := tcpip.KeepaliveIdleOption(2*time.Minute), tcpip.KeepaliveIntervalOption(30*time.Second)
	ep.SetSockOpt(&idle)
	ep.SetSockOpt(&interval)
	ep.SetSockOptInt(tcpip.KeepaliveCountOption, 4)
	ep.SocketOptions().SetDelayOption(false)
}

// hostReader gives an endpoint what the host's socket has, without waiting.
type hostReader struct {
	fd int
	// begun is the beginning of what there is, read already, of room. What the
	// endpoint does not take of it stays there; left is in the socket.
	begun []byte
	room  *[smallSize]byte
	left  int
	// err is io.EOF at the end of the stream, and EAGAIN if there is nothing yet.
	err error
}

const (
	// smallSize is how many bytes are read from the host's socket without
	// asking how many there are. It is kept for connections that wait for their
	// container.
	smallSize = 4 << 10
	// pieceSize is the most that is read at once, in bytes.
	pieceSize = 256 << 10
)

// rooms has the rooms of those who read nothing at the moment.
var rooms = sync.Pool{New: func() any { return new([smallSize]byte) }}

// start asks how much there is, so that no more memory is taken than is filled.
func (h *hostReader) start(fd int) {
	h.fd, h.left, h.err = fd, 0, nil
	if len(h.begun) > 0 {
		return
	}
	if h.room == nil {
		h.room = rooms.Get().(*[smallSize]byte)
	}
	n, err := read(fd, h.room[:])
	switch {
	case err != nil:
		h.err = err
	case n == 0:
		h.err = io.EOF
	case n == smallSize:
		// An error is what the next read tells.
		h.left, _ = available(fd)
		h.left = max(0, min(h.left, pieceSize))
	}
	h.begun = h.room[:n]
	h.release()
}

// release gives the room back that nothing is in.
func (h *hostReader) release() {
	if len(h.begun) == 0 && h.room != nil {
		rooms.Put(h.room)
		h.room = nil
	}
}

// Len is of tcpip.Payloader.
func (h *hostReader) Len() int { return len(h.begun) + h.left }

// Read is of io.Reader. It gives all that Len has promised, or fails: the endpoint
// would ask forever after an end of what it reads.
func (h *hostReader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if n := copy(p, h.begun); n > 0 {
		h.begun = h.begun[n:]
		h.release()
		return n, nil
	}
	n, err := read(h.fd, p[:min(len(p), h.left)])
	switch {
	case err != nil:
		h.err = err
		return 0, err
	case n == 0:
		h.err = io.EOF
		return 0, io.ErrUnexpectedEOF
	}
	h.left -= n
	return n, nil
}

// hostWriter gives the host's socket what an endpoint has, without waiting.
type hostWriter struct {
	fd  int
	err error
}

// Write is of io.Writer.
func (h *hostWriter) Write(p []byte) (int, error) {
	n, err := write(h.fd, p)
	if err == nil && n < len(p) {
		err = unix.EAGAIN
	}
	h.err = err
	return n, err
}

// add returns how many there were before.
func (c *connections) add(r *relay) (others int, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return 0, false
	}
	others = len(c.open)
	c.open[r] = struct{}{}
	return others, true
}

func (c *connections) remove(r *relay) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.open, r)
}
