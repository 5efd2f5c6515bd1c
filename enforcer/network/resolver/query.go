package resolver

import (
	"strconv"
	"strings"

	"golang.org/x/net/dns/dnsmessage"
)

// Sizes of messages, in bytes.
const (
	minUDP   = 512   // what every client takes (RFC 1035, 4.2.1)
	maxUDP   = 4096  // what is sent to a client that takes more
	maxTCP   = 65535 // what the length before a message can say
	maxQuery = 4096  // what is read of a query
)

// badVersion is the extended code for another version of EDNS than 0 (RFC 6891,
// section 9).
const badVersion dnsmessage.RCode = 16

// query is a question as it was asked.
type query struct {
	header   dnsmessage.Header
	question dnsmessage.Question
	// asked is that there is a question.
	asked bool
	// code, if not 0, is the answer already: the query is faulty.
	code dnsmessage.RCode
	// edns is that the client knows EDNS, size how large a datagram it takes.
	edns bool
	size int
}

// parseQuery reads a query. It is false for what nothing is replied to: what is
// no message, and replies, so that two servers cannot keep each other busy.
func parseQuery(b []byte) (query, bool) {
	q := query{size: minUDP, code: dnsmessage.RCodeFormatError}
	var p dnsmessage.Parser
	var err error
	if q.header, err = p.Start(b); err != nil || q.header.Response {
		return q, false
	}
	if q.header.OpCode != 0 {
		q.code = dnsmessage.RCodeNotImplemented
		return q, true
	}
	if len(b) > maxQuery {
		return q, true
	}
	questions, err := p.AllQuestions()
	if err != nil || len(questions) != 1 {
		return q, true
	}
	q.question, q.asked = questions[0], true
	if p.SkipAllAnswers() != nil || p.SkipAllAuthorities() != nil {
		return q, true
	}
	q.code = q.options(&p)
	return q, true
}

// options reads the section that may have the client's EDNS record. What
// options that has is of no interest.
func (q *query) options(p *dnsmessage.Parser) dnsmessage.RCode {
	code := dnsmessage.RCodeSuccess
	for {
		h, err := p.AdditionalHeader()
		if err == dnsmessage.ErrSectionDone { //nolint:errorlint // dnsmessage returns it as it is
			return code
		}
		if err != nil {
			return dnsmessage.RCodeFormatError
		}
		if h.Type == dnsmessage.TypeOPT {
			if q.edns || h.Name.Length != 1 {
				return dnsmessage.RCodeFormatError
			}
			q.edns, q.size = true, min(max(int(h.Class), minUDP), maxUDP)
			if version := h.TTL >> 16 & 0xff; version != 0 {
				code = badVersion
			}
		}
		if p.SkipAdditional() != nil {
			return dnsmessage.RCodeFormatError
		}
	}
}

// name returns the name without the dot at its end.
func (q *query) name() string { return strings.TrimSuffix(q.question.Name.String(), ".") }

// typeName returns "A" for the type of IPv4 addresses, and so on.
func typeName(t dnsmessage.Type) string {
	if name, known := strings.CutPrefix(t.String(), "Type"); known {
		return name
	}
	return strconv.Itoa(int(t))
}
