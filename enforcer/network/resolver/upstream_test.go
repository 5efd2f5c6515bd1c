package resolver

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/least-privilege/lpm/enforcer/network/policy"
	"github.com/least-privilege/lpm/manifest"
)

// upstream is a DNS server on loopback, at a port of its own. What it answers
// the test says: nil is nothing, and several messages are sent one after
// another.
type upstream struct {
	udp  net.PacketConn
	tcp  net.Listener
	wait sync.WaitGroup

	mu     sync.Mutex
	handle handler
	asked  []asked
}

type handler func(q dnsmessage.Message, tcp bool) [][]byte

type asked struct {
	raw []byte
	dnsmessage.Message
	tcp  bool
	from string
}

func newUpstream(t *testing.T, handle handler) *upstream {
	t.Helper()
	u := &upstream{handle: handle}
	for range 20 {
		var err error
		if u.udp, err = net.ListenPacket("udp", "127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
		if u.tcp, err = net.Listen("tcp", u.udp.LocalAddr().String()); err == nil {
			break
		}
		u.udp.Close()
	}
	if u.tcp == nil {
		t.Fatal("no port is free for both protocols")
	}
	u.wait.Go(u.serveUDP)
	u.wait.Go(u.serveTCP)
	t.Cleanup(func() {
		u.udp.Close()
		u.tcp.Close()
		u.wait.Wait()
	})
	return u
}

func (u *upstream) serveUDP() {
	b := make([]byte, 65535)
	for {
		n, from, err := u.udp.ReadFrom(b)
		if err != nil {
			return
		}
		for _, m := range u.answers(b[:n], false, from.String()) {
			u.udp.WriteTo(m, from)
		}
	}
}

func (u *upstream) serveTCP() {
	for {
		conn, err := u.tcp.Accept()
		if err != nil {
			return
		}
		u.wait.Go(func() {
			defer conn.Close()
			conn.SetDeadline(time.Now().Add(time.Minute))
			var length [2]byte
			if _, err := io.ReadFull(conn, length[:]); err != nil {
				return
			}
			b := make([]byte, binary.BigEndian.Uint16(length[:]))
			if _, err := io.ReadFull(conn, b); err != nil {
				return
			}
			for _, m := range u.answers(b, true, conn.RemoteAddr().String()) {
				conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(m))), m...))
			}
		})
	}
}

func (u *upstream) answers(b []byte, tcp bool, from string) [][]byte {
	a := asked{raw: append([]byte(nil), b...), tcp: tcp, from: from}
	if err := a.Unpack(b); err != nil {
		return nil
	}
	u.mu.Lock()
	u.asked = append(u.asked, a)
	handle := u.handle
	u.mu.Unlock()
	return handle(a.Message, tcp)
}

// answerBy changes what is answered.
func (u *upstream) answerBy(handle handler) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.handle = handle
}

// questions returns what was asked so far.
func (u *upstream) questions() []asked {
	u.mu.Lock()
	defer u.mu.Unlock()
	return append([]asked(nil), u.asked...)
}

// zone answers from a list of lines such as "api.example.com 60 A 192.0.2.1",
// where a type of NXDOMAIN says that there is no such name. Answers have the
// whole chain of CNAME records.
func zone(lines ...string) handler {
	return func(q dnsmessage.Message, _ bool) [][]byte {
		return [][]byte{pack(zoneAnswer(q, lines))}
	}
}

func zoneAnswer(q dnsmessage.Message, lines []string) dnsmessage.Message {
	m := answerTo(q)
	name := lower(q.Questions[0].Name)
	for range 20 {
		next := ""
		for _, line := range lines {
			f := strings.Fields(line)
			if f[0] != name {
				continue
			}
			switch f[2] {
			case "NXDOMAIN":
				m.RCode = dnsmessage.RCodeNameError
			case "CNAME":
				next = f[3]
				fallthrough
			default:
				if r := record(line); r.Header.Type == q.Questions[0].Type || next != "" {
					m.Answers = append(m.Answers, r)
				}
			}
		}
		if next == "" {
			break
		}
		name = next
	}
	if len(m.Answers) == 0 {
		m.Authorities = append(m.Authorities, soa(30))
	}
	return m
}

func soa(ttl uint32) dnsmessage.Resource {
	n := dnsmessage.MustNewName("example.com.")
	return dnsmessage.Resource{
		Header: dnsmessage.ResourceHeader{Name: n, Class: dnsmessage.ClassINET, TTL: ttl},
		Body:   &dnsmessage.SOAResource{NS: n, MBox: n, MinTTL: ttl},
	}
}

// record reads a line of a zone.
func record(line string) dnsmessage.Resource {
	f := strings.Fields(line)
	ttl, err := time.ParseDuration(f[1] + "s")
	if err != nil {
		panic(err)
	}
	r := dnsmessage.Resource{Header: dnsmessage.ResourceHeader{
		Name: dnsmessage.MustNewName(f[0] + "."), Class: dnsmessage.ClassINET, TTL: uint32(ttl.Seconds()),
	}}
	switch f[2] {
	case "A":
		r.Header.Type = dnsmessage.TypeA
		r.Body = &dnsmessage.AResource{A: netip.MustParseAddr(f[3]).As4()}
	case "AAAA":
		r.Header.Type = dnsmessage.TypeAAAA
		r.Body = &dnsmessage.AAAAResource{AAAA: netip.MustParseAddr(f[3]).As16()}
	case "CNAME":
		r.Header.Type = dnsmessage.TypeCNAME
		r.Body = &dnsmessage.CNAMEResource{CNAME: dnsmessage.MustNewName(f[3] + ".")}
	default:
		panic(line)
	}
	return r
}

// answerTo returns an answer to a question that has no records yet.
func answerTo(q dnsmessage.Message) dnsmessage.Message {
	return dnsmessage.Message{
		Header:    dnsmessage.Header{ID: q.ID, Response: true, RecursionDesired: true, RecursionAvailable: true},
		Questions: q.Questions,
	}
}

func pack(m dnsmessage.Message) []byte {
	b, err := m.Pack()
	if err != nil {
		panic(err)
	}
	return b
}

// rig is a resolver with all that it needs, and what it told.
type rig struct {
	*Resolver
	pins *policy.Pins
	conf string // path of the resolv.conf
	host string // path of the hosts file

	mu      sync.Mutex
	now     time.Time
	rules   *policy.Rules
	lookups []Lookup
	down    []error
}

// newRig returns a resolver for names granted at TCP port 443 (blocks too).
// Its servers are the upstreams, at 192.0.2.53 and those that follow.
func newRig(t testing.TB, granted []string, upstreams ...*upstream) *rig {
	t.Helper()
	dir := t.TempDir()
	b := &rig{
		pins: policy.NewPins(), conf: filepath.Join(dir, "resolv.conf"), host: filepath.Join(dir, "hosts"),
		now: time.Unix(1_800_000_000, 0), rules: policy.New(grants(granted...)),
	}
	var text strings.Builder
	text.WriteString("options timeout:1\n")
	byAddr := map[string]*upstream{}
	addr := netip.MustParseAddr("192.0.2.53")
	for _, u := range upstreams {
		text.WriteString("nameserver " + addr.String() + "\n")
		byAddr[netip.AddrPortFrom(addr, 53).String()] = u
		addr = addr.Next()
	}
	write(t, b.conf, text.String())
	b.Resolver = New(Config{
		Rules: func() *policy.Rules { b.mu.Lock(); defer b.mu.Unlock(); return b.rules },
		Pins:  b.pins, ResolvConf: b.conf, Hosts: b.host,
		Now: func() time.Time { b.mu.Lock(); defer b.mu.Unlock(); return b.now },
		Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
			var d net.Dialer
			u, known := byAddr[address]
			if !known || u == nil {
				return nil, &net.OpError{Op: "dial", Net: network, Err: os.ErrDeadlineExceeded}
			}
			return d.DialContext(ctx, network, u.udp.LocalAddr().String())
		},
		Observer: Observer{
			Lookup: func(l Lookup) { b.mu.Lock(); defer b.mu.Unlock(); b.lookups = append(b.lookups, l) },
			Down:   func(err error) { b.mu.Lock(); defer b.mu.Unlock(); b.down = append(b.down, err) },
		},
	})
	return b
}

func grants(targets ...string) manifest.Network {
	n := manifest.Network{Mode: manifest.NetworkPrivate}
	for _, target := range targets {
		e := manifest.Egress{Host: target, Ports: []manifest.PortRange{manifest.Port(443)}, Protocol: manifest.TCP}
		if strings.Contains(target, "/") {
			e.Host, e.CIDR = "", target
		}
		n.Egress = append(n.Egress, e)
	}
	return n
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (b *rig) pass(d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.now = b.now.Add(d)
}

// told returns the last look-up that the observer was told of.
func (b *rig) told(t *testing.T) Lookup {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.lookups) == 0 {
		t.Fatal("the observer was told nothing")
	}
	return b.lookups[len(b.lookups)-1]
}

// ask puts a question as a container's client does.
func (b *rig) ask(t *testing.T, name string, kind dnsmessage.Type) dnsmessage.Message {
	t.Helper()
	return b.send(t, dnsmessage.Message{
		Header:    dnsmessage.Header{ID: 7, RecursionDesired: true},
		Questions: []dnsmessage.Question{{Name: dnsmessage.MustNewName(name + "."), Type: kind, Class: dnsmessage.ClassINET}},
	}, true)
}

func (b *rig) send(t *testing.T, q dnsmessage.Message, tcp bool) dnsmessage.Message {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	raw := b.Answer(ctx, pack(q), tcp)
	var m dnsmessage.Message
	if err := m.Unpack(raw); err != nil {
		t.Fatalf("the reply %x: %v", raw, err)
	}
	if m.ID != q.ID || !m.Response || len(m.Questions) != len(q.Questions) && m.OpCode == 0 {
		t.Errorf("the reply is not one to the query: %s", m.GoString())
	}
	return m
}

// addresses returns those of a reply, in order.
func addresses(m dnsmessage.Message) string {
	var list []string
	for _, a := range m.Answers {
		switch body := a.Body.(type) {
		case *dnsmessage.AResource:
			list = append(list, netip.AddrFrom4(body.A).String())
		case *dnsmessage.AAAAResource:
			list = append(list, netip.AddrFrom16(body.AAAA).String())
		default:
			list = append(list, a.GoString())
		}
	}
	return strings.Join(list, " ")
}
