package networktest

import (
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"sync"
)

// serveTCP serves a port with a function for each connection, which is closed
// when it returns.
func (w *World) serveTCP(address string, port uint16, serve func(net.Conn)) {
	w.accept(w.Listen(address, port), serve)
}

// accept serves the connections of a listener, which is closed when the test
// ends.
func (w *World) accept(l net.Listener, serve func(net.Conn)) {
	open := connections{all: map[net.Conn]bool{}}
	var done sync.WaitGroup
	done.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			if !open.add(c) {
				continue
			}
			done.Go(func() {
				defer open.remove(c)
				serve(c)
			})
		}
	})
	w.t.Cleanup(func() {
		l.Close()
		open.close()
		done.Wait()
	})
}

// connections are those that a server has open.
type connections struct {
	mu     sync.Mutex
	closed bool
	all    map[net.Conn]bool
}

func (s *connections) add(c net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		c.Close()
		return false
	}
	s.all[c] = true
	return true
}

func (s *connections) remove(c net.Conn) {
	c.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.all, c)
}

func (s *connections) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for c := range s.all {
		c.Close()
	}
}

// echo returns what comes, and ends when the other end has ended.
func echo(c net.Conn) {
	b := make([]byte, 64<<10)
	for {
		n, err := c.Read(b)
		if n > 0 {
			if _, err := c.Write(b[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// discard reads until the other end has ended, and tells what that was.
func discard(c net.Conn) {
	sum := sha256.New()
	n, err := io.Copy(sum, c)
	if err == nil {
		fmt.Fprintf(c, "%d %x\n", n, sum.Sum(nil))
	}
}

// chargen sends until the other end does not want more.
func chargen(c net.Conn) {
	b := make([]byte, 64<<10)
	for i := range b {
		b[i] = ' ' + byte(i%95)
	}
	for {
		if _, err := c.Write(b); err != nil {
			return
		}
	}
}

// serveEcho returns datagrams.
func (w *World) serveEcho(address string) {
	w.serveDatagrams(address, Echo, func(b []byte) []byte { return b })
}

// serveDatagrams serves a UDP port with a function from what comes to what goes
// back, where nil is nothing.
func (w *World) serveDatagrams(address string, port uint16, serve func([]byte) []byte) {
	c := w.ListenPacket(address, port)
	var done sync.WaitGroup
	done.Go(func() {
		b := make([]byte, 64<<10)
		for {
			n, from, err := c.ReadFrom(b)
			if err != nil {
				return
			}
			if reply := serve(b[:n]); reply != nil {
				// The sender may be gone.
				_, _ = c.WriteTo(reply, from)
			}
		}
	})
	w.t.Cleanup(func() {
		c.Close()
		done.Wait()
	})
}
