package main

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"time"
)

// DNS messages, right or wrong (RFC 1035, 4.1).

// Types of records (IANA).
const (
	typeA, typeNS, typeCNAME, typeSOA, typeNULL, typePTR, typeMX, typeTXT = 1, 2, 5, 6, 10, 12, 15, 16
	typeSRV, typeNAPTR, typeSVCB, typeHTTPS, typeANY                      = 33, 35, 64, 65, 255
	classIN, classCHAOS                                                   = 1, 3
)

// labels encodes a name as it is meant to be.
func labels(name string) []byte {
	var b []byte
	for label := range strings.SplitSeq(strings.TrimSuffix(name, "."), ".") {
		b = append(append(b, byte(len(label))), label...)
	}
	return append(b, 0)
}

// query is a message with questions, each a name in its encoding with a type and a
// class.
func query(id uint16, flags uint16, questions ...[]byte) []byte {
	b := binary.BigEndian.AppendUint16(nil, id)
	b = binary.BigEndian.AppendUint16(b, flags)
	b = binary.BigEndian.AppendUint16(b, uint16(len(questions)))
	b = append(b, make([]byte, 6)...)
	for _, q := range questions {
		b = append(b, q...)
	}
	return b
}

const recursion = 0x0100

func about(name []byte, kind, class uint16) []byte {
	return binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(append([]byte(nil), name...), kind), class)
}

// reply is what matters of an answer.
type reply struct {
	id      uint16
	code    int
	answers int
}

var errNoReply = errors.New("no reply")

func parseReply(b []byte) (reply, error) {
	if len(b) < 12 || b[2]&0x80 == 0 {
		return reply{}, errNoReply
	}
	return reply{binary.BigEndian.Uint16(b), int(b[3] & 15), int(binary.BigEndian.Uint16(b[6:]))}, nil
}

// nameServer is the one that is asked: that of -server, or lpm's.
func (o options) nameServer() string {
	if o.server != "" {
		return o.server
	}
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 0, 1}), 53).String()
}

// ask sends a message by UDP, and waits for a reply.
func (o options) ask(message []byte) (reply, error) {
	c, err := net.DialTimeout("udp", o.nameServer(), o.wait)
	if err != nil {
		return reply{}, err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(o.wait))
	if _, err := c.Write(message); err != nil {
		return reply{}, err
	}
	b := make([]byte, 4096)
	n, err := c.Read(b)
	if err != nil {
		return reply{}, err
	}
	return parseReply(b[:n])
}

// found asks for a name in its encoding, and fails where nothing is found.
func (o options) found(message []byte) error {
	got, err := o.ask(message)
	switch {
	case err != nil:
		return err
	case got.answers == 0:
		return errNoAnswer(got.code)
	}
	return nil
}

type errNoAnswer int

func (e errNoAnswer) Error() string {
	names := map[int]string{0: "no data", 1: "format error", 2: "server failure", 3: "no such name", 4: "not implemented", 5: "refused"}
	return "resolve: " + names[int(e)]
}

// askStream sends several messages at once on one connection, and returns as many
// replies.
func (o options) askStream(messages [][]byte) ([]reply, error) {
	c, err := net.DialTimeout("tcp", o.nameServer(), o.wait)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(o.wait))
	var all []byte
	for _, m := range messages {
		all = append(binary.BigEndian.AppendUint16(all, uint16(len(m))), m...)
	}
	if _, err := c.Write(all); err != nil {
		return nil, err
	}
	var got []reply
	for range messages {
		var size [2]byte
		if _, err := io.ReadFull(c, size[:]); err != nil {
			return got, err
		}
		b := make([]byte, binary.BigEndian.Uint16(size[:]))
		if _, err := io.ReadFull(c, b); err != nil {
			return got, err
		}
		r, err := parseReply(b)
		if err != nil {
			return got, err
		}
		got = append(got, r)
	}
	return got, nil
}
