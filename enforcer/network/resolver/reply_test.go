package resolver

import (
	"fmt"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

// A reply is as long as the client takes, and says whether some is missing.
func TestTruncation(t *testing.T) {
	var lines []string
	for i := range 60 {
		lines = append(lines, fmt.Sprintf("many.example.com 60 A 192.0.2.%d", i+1), fmt.Sprintf("many.example.com 60 AAAA 2001:db8::%d", i+1))
	}
	b := newRig(t, []string{"many.example.com"}, newUpstream(t, zone(lines...)))
	for _, c := range []struct {
		name      string
		kind      dnsmessage.Type
		size      int // of EDNS
		tcp       bool
		limit     int
		truncated bool
	}{
		{"UDP", a4, 0, false, 512, true},
		{"UDP, IPv6", a6, 0, false, 512, true},
		{"EDNS says less than may be", a4, 100, false, 512, true},
		{"EDNS", a4, 900, false, 900, true},
		{"EDNS, enough", a4, 1232, false, 1232, false},
		{"EDNS, IPv6", a6, 1232, false, 1232, true},
		{"EDNS, IPv6, enough", a6, 65535, false, maxUDP, false},
		{"TCP", a4, 0, true, maxTCP, false},
		{"TCP, whatever EDNS says", a6, 512, true, maxTCP, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			q := queryFor("many.example.com")
			q.Questions[0].Type = c.kind
			if c.size > 0 {
				q.Additionals = []dnsmessage.Resource{optRecord(c.size, 0)}
			}
			raw := b.Answer(t.Context(), pack(q), c.tcp)
			var m dnsmessage.Message
			if err := m.Unpack(raw); err != nil {
				t.Fatal(err)
			}
			if len(raw) > c.limit || m.Truncated != c.truncated || (len(m.Answers) == 60) == c.truncated || len(m.Answers) == 0 {
				t.Errorf("%d bytes, %d records, truncated %v", len(raw), len(m.Answers), m.Truncated)
			}
			if len(m.Additionals) == 1 != (c.size > 0) {
				t.Errorf("the reply has the options %v", m.Additionals)
			}
			// One more record would not have fitted.
			record := 16
			if c.kind == a6 {
				record = 28
			}
			if c.truncated && len(raw)+record <= c.limit {
				t.Errorf("%d bytes of %d are used", len(raw), c.limit)
			}
		})
	}
}
