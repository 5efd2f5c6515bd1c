package resolver

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

const (
	// serverPort is where DNS servers are.
	serverPort = 53
	// offered is the size of datagrams that a server may send, which passes
	// everywhere in one piece.
	offered = 1232
	// maxStrays is the number of datagrams that are no answer to the question
	// before it is asked by TCP, where nobody else can put in a word.
	maxStrays = 16
)

// question is what is sent to a server: the identifier and the spelling of the
// name are chosen at random, so that whoever cannot see them cannot answer.
type question struct {
	id   uint16
	name dnsmessage.Name
	kind dnsmessage.Type
}

func newQuestion(k key) (question, error) {
	var random [2 + 32]byte // an identifier, and a bit for each byte of a name
	if _, err := rand.Read(random[:]); err != nil {
		return question{}, err
	}
	spelt := []byte(k.name + ".")
	for i, c := range spelt {
		if 'a' <= c && c <= 'z' && random[2+i/8%32]>>(i%8)&1 == 1 {
			spelt[i] = c - 'a' + 'A'
		}
	}
	name, err := dnsmessage.NewName(string(spelt))
	return question{binary.BigEndian.Uint16(random[:]), name, k.kind}, err
}

// pack composes the query.
func (q question) pack(edns bool) ([]byte, error) {
	m := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: q.id, RecursionDesired: true},
		Questions: []dnsmessage.Question{{Name: q.name, Type: q.kind, Class: dnsmessage.ClassINET}},
	}
	if edns {
		var h dnsmessage.ResourceHeader
		if err := h.SetEDNS0(offered, 0, false); err != nil {
			return nil, err
		}
		m.Additionals = []dnsmessage.Resource{{Header: h, Body: &dnsmessage.OPTResource{}}}
	}
	return m.Pack()
}

// exchange puts a question to one server: by UDP, and by TCP where the answer
// is too long for that or may not be the server's.
func (r *Resolver) exchange(ctx context.Context, c conf, server netip.Addr, k key) (response, error) {
	if c.stream {
		return r.try(ctx, c, "tcp", server, k, true)
	}
	edns := true
	got, err := r.try(ctx, c, "udp", server, k, edns)
	if err == nil && (got.code == dnsmessage.RCodeFormatError || got.code == dnsmessage.RCodeNotImplemented) {
		edns = false // an old server
		got, err = r.try(ctx, c, "udp", server, k, edns)
	}
	if errors.Is(err, errDoubtful) || err == nil && got.truncated {
		return r.try(ctx, c, "tcp", server, k, edns)
	}
	return got, err
}

// errDoubtful is an answer that somebody else may have sent.
var errDoubtful = errors.New("the answer may not be the server's")

// try asks once, on a connection of its own and thereby from a port that the
// kernel chooses at random; it takes answers from the server's address alone.
func (r *Resolver) try(ctx context.Context, c conf, network string, server netip.Addr, k key, edns bool) (response, error) {
	q, err := newQuestion(k)
	if err != nil {
		return response{}, err
	}
	packed, err := q.pack(edns)
	if err != nil {
		return response{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	conn, err := r.config.Dial(ctx, network, netip.AddrPortFrom(server, serverPort).String())
	if err != nil {
		return response{}, reason(err)
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	var got response
	if network == "udp" {
		got, err = datagram(conn, q, packed)
	} else {
		got, err = stream(conn, q, packed)
	}
	return got, reason(err)
}

// reason leaves out of an error which socket it was of, which is said already.
func reason(err error) error {
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Err
	}
	return err
}

// datagram asks by UDP. What is no answer to the question is passed over, for
// it may be from somebody who hopes to be taken for the server.
func datagram(conn net.Conn, q question, packed []byte) (response, error) {
	if _, err := conn.Write(packed); err != nil {
		return response{}, err
	}
	buffer := make([]byte, maxUDP)
	for range maxStrays {
		n, err := conn.Read(buffer)
		if err != nil {
			return response{}, err
		}
		got, err := q.read(buffer[:n])
		switch {
		case errors.Is(err, errStray):
			continue
		case err == nil && !got.exact:
			return response{}, errDoubtful
		}
		return got, err
	}
	return response{}, errDoubtful
}

// stream asks by TCP, where each message has its length in front.
func stream(conn net.Conn, q question, packed []byte) (response, error) {
	framed := append(binary.BigEndian.AppendUint16(nil, uint16(len(packed))), packed...)
	if _, err := conn.Write(framed); err != nil {
		return response{}, err
	}
	var length [2]byte
	if _, err := io.ReadFull(conn, length[:]); err != nil {
		return response{}, err
	}
	b := make([]byte, binary.BigEndian.Uint16(length[:]))
	if _, err := io.ReadFull(conn, b); err != nil {
		return response{}, err
	}
	got, err := q.read(b)
	if errors.Is(err, errStray) || err == nil && got.truncated {
		return response{}, unusable("it does not answer the question")
	}
	return got, err
}
