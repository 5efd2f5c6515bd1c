package networktest

import (
	"net"
	"net/netip"
	"sync"
)

// tally notes connections.
type tally struct {
	mu          sync.Mutex
	connections []*Connection
}

func (t *tally) all() []Connection {
	t.mu.Lock()
	defer t.mu.Unlock()
	var all []Connection
	for _, c := range t.connections {
		all = append(all, *c)
	}
	return all
}

func (t *tally) forget() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.connections = nil
}

// noted is a listener whose connections are noted.
type noted struct {
	net.Listener
	tally *tally
}

// Accept waits for the next connection.
func (l noted) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	l.tally.mu.Lock()
	defer l.tally.mu.Unlock()
	note := &Connection{From: addrPort(c.RemoteAddr()), To: addrPort(c.LocalAddr())}
	l.tally.connections = append(l.tally.connections, note)
	return &counted{Conn: c, tally: l.tally, note: note}, nil
}

// counted is a connection whose bytes are counted.
type counted struct {
	net.Conn
	tally *tally
	note  *Connection
}

// Read reads from the connection.
func (c *counted) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.tally.mu.Lock()
	defer c.tally.mu.Unlock()
	c.note.Got += int64(n)
	return n, err
}

// CloseWrite ends one direction.
func (c *counted) CloseWrite() error { return c.Conn.(*net.TCPConn).CloseWrite() }

func addrPort(a net.Addr) netip.AddrPort {
	switch a := a.(type) {
	case *net.TCPAddr:
		return unmapped(a.AddrPort())
	case *net.UDPAddr:
		return unmapped(a.AddrPort())
	}
	return netip.AddrPort{}
}

func unmapped(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()) }
