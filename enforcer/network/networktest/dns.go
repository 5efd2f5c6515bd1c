package networktest

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"

	"golang.org/x/net/dns/dnsmessage"
)

// stream answers questions on a connection.
func (z *Zone) stream(c net.Conn) {
	for {
		var size [2]byte
		if _, err := io.ReadFull(c, size[:]); err != nil {
			return
		}
		b := make([]byte, binary.BigEndian.Uint16(size[:]))
		if _, err := io.ReadFull(c, b); err != nil {
			return
		}
		reply := z.answer("tcp", b)
		if reply == nil {
			continue
		}
		if _, err := c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(reply))), reply...)); err != nil {
			return
		}
	}
}

func (z *Zone) datagram(b []byte) []byte { return z.answer("udp", b) }

// answer returns the reply to a question, or nil where there is none.
func (z *Zone) answer(network string, b []byte) []byte {
	var p dnsmessage.Parser
	header, err := p.Start(b)
	if err != nil || header.Response {
		return nil
	}
	question, err := p.Question()
	if err != nil {
		return nil
	}
	name := strings.ToLower(strings.TrimSuffix(question.Name.String(), "."))
	z.mu.Lock()
	defer z.mu.Unlock()
	z.queries = append(z.queries, Query{network, name, strings.TrimPrefix(question.Type.String(), "Type")})
	if z.dead {
		return nil
	}
	found, long, code := z.look(name, question.Type)
	reply := dnsmessage.Message{
		Header: dnsmessage.Header{
			ID: header.ID, Response: true, RecursionDesired: header.RecursionDesired, RecursionAvailable: true, RCode: code,
		},
		Questions: []dnsmessage.Question{question},
	}
	if long && network == "udp" {
		reply.Truncated = true
	} else {
		for _, r := range found {
			resource, err := r.resource(question)
			if err != nil {
				reply.RCode = dnsmessage.RCodeServerFailure
				break
			}
			reply.Answers = append(reply.Answers, resource)
		}
	}
	packed, err := reply.Pack()
	if err != nil {
		return nil
	}
	return packed
}

// resource returns a record as it is sent. Where it is for the very name that
// was asked for, that is written as it was asked.
func (r named) resource(asked dnsmessage.Question) (dnsmessage.Resource, error) {
	name := asked.Name
	if !strings.EqualFold(strings.TrimSuffix(name.String(), "."), r.name) {
		var err error
		if name, err = dnsmessage.NewName(r.name + "."); err != nil {
			return dnsmessage.Resource{}, err
		}
	}
	resource := dnsmessage.Resource{Header: dnsmessage.ResourceHeader{Name: name, Class: dnsmessage.ClassINET, TTL: r.TTL}}
	if r.Type == "CNAME" {
		to, err := dnsmessage.NewName(r.Value + ".")
		resource.Header.Type, resource.Body = dnsmessage.TypeCNAME, &dnsmessage.CNAMEResource{CNAME: to}
		return resource, err
	}
	a, err := netip.ParseAddr(r.Value)
	if err != nil {
		return resource, err
	}
	switch r.Type {
	case "A":
		if !a.Is4() {
			return resource, fmt.Errorf("%s is no IPv4 address", a)
		}
		resource.Header.Type, resource.Body = dnsmessage.TypeA, &dnsmessage.AResource{A: a.As4()}
	case "AAAA":
		resource.Header.Type, resource.Body = dnsmessage.TypeAAAA, &dnsmessage.AAAAResource{AAAA: a.As16()}
	default:
		return resource, fmt.Errorf("no type %q", r.Type)
	}
	return resource, nil
}
