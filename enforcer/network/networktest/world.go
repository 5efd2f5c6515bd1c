package networktest

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A World is the inside of a world. Its servers run in the test's process, and
// end with the test.
type World struct {
	// Zone is what the name servers know.
	Zone *Zone
	// CA is a file with the certificate (PEM) of what HTTPS servers have, and
	// nobody trusts unasked.
	CA string

	t      *testing.T
	opener opener
	wire   *wire
	tally  tally

	mu      sync.Mutex
	handler http.Handler
}

func newWorld(t *testing.T) *World {
	t.Helper()
	// Nothing that is started in here is a stage.
	os.Unsetenv(stageVariable)
	unix.CloseOnExec(openerFD)
	w := &World{t: t, opener: opener{openerFD}, Zone: newZone()}
	w.handler = http.HandlerFunc(describe)
	var err error
	if w.wire, err = openWire(w.opener); err != nil {
		t.Fatal(err)
	}
	certificate := w.newAuthority()
	for _, address := range Addresses() {
		w.serveTCP(address, Echo, echo)
		w.serveTCP(address, Discard, discard)
		w.serveTCP(address, Chargen, chargen)
		w.serveEcho(address)
		w.serveHTTP(address, HTTP, nil)
		w.serveHTTP(address, HTTPS, certificate)
	}
	for _, address := range []string{Resolver4, Resolver6} {
		w.serveTCP(address, Domain, w.Zone.stream)
		w.serveDatagrams(address, Domain, w.Zone.datagram)
	}
	return w
}

// Listen opens a TCP listener at any address and port of the world. It is
// closed when the test ends.
func (w *World) Listen(address string, port uint16) net.Listener {
	w.t.Helper()
	file := w.open("tcp", address, port)
	defer file.Close()
	l, err := net.FileListener(file)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { l.Close() })
	return noted{l, &w.tally}
}

// ListenPacket opens a UDP socket at any address and port of the world. It is
// closed when the test ends.
func (w *World) ListenPacket(address string, port uint16) net.PacketConn {
	w.t.Helper()
	file := w.open("udp", address, port)
	defer file.Close()
	c, err := net.FilePacketConn(file)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { c.Close() })
	return c
}

func (w *World) open(network, address string, port uint16) *os.File {
	w.t.Helper()
	file, err := w.opener.open(network, netip.AddrPortFrom(netip.MustParseAddr(address), port))
	if err != nil {
		w.t.Fatal(err)
	}
	return file
}

// Handle has the HTTP and HTTPS servers of all addresses answer this way. At
// first they answer with the lines "method path", "host", "from" and "to", of
// the request and the connection.
func (w *World) Handle(h http.Handler) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.handler = h
}

// Packets returns what was sent on lo since the world began. Of TCP it is the
// attempts to connect. It is an error if some were not seen.
func (w *World) Packets() ([]Packet, error) { return w.wire.packets() }

// Sent reports whether anything was sent to an address. The network is tcp (an
// attempt to connect, whether or not somebody listened), udp, icmp, or "" for
// anything; port 0 is any. What a process sent before it ended has been seen
// when it has ended.
func (w *World) Sent(network, address string, port uint16) (bool, error) {
	to, err := netip.ParseAddr(address)
	if err != nil {
		return false, err
	}
	all, err := w.Packets()
	sent := slices.ContainsFunc(all, func(p Packet) bool {
		return (network == "" || p.Network == network) && p.To.Addr() == to && (port == 0 || p.To.Port() == port)
	})
	if sent {
		return true, nil
	}
	return false, err
}

// Forget forgets what was sent, accepted and asked up to now.
func (w *World) Forget() error {
	if err := w.wire.forget(); err != nil {
		return err
	}
	w.tally.forget()
	w.Zone.forget()
	return nil
}

// A Connection is one that a server of the world has accepted.
type Connection struct {
	From, To netip.AddrPort
	// Got is how many bytes the server has read from it.
	Got int64
}

// Connections returns those that servers have accepted up to now, in this order. One that was just made may not have been accepted yet.
func (w *World) Connections() []Connection { return w.tally.all() }

// Eventually waits until a condition holds. The test fails if it does not in
// half a minute.
func (w *World) Eventually(what string, holds func() bool) {
	w.t.Helper()
	for range 3000 {
		if holds() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	w.t.Fatalf("%s has not come about", what)
}

func describe(rw http.ResponseWriter, r *http.Request) {
	to, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	fmt.Fprintf(rw, "%s %s\nhost %s\nfrom %s\nto %s\n", r.Method, r.URL.Path, r.Host, r.RemoteAddr, to)
}
