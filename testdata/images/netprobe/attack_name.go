package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// What can be tried with names. That of -name is one that is granted, or one that
// is not; the target is where a name is to lead.
func nameAttacks() map[string]attack {
	return map[string]attack{
		"name":           func(o options, _ netip.AddrPort) error { return resolve(o, []string{o.name}) },
		"name-below":     func(o options, _ netip.AddrPort) error { return resolve(o, []string{"one." + o.name}) },
		"name-beside":    beside,
		"name-wide":      func(o options, _ netip.AddrPort) error { return resolve(o, []string{wide() + "." + o.name}) },
		"name-reverse":   reverse,
		"name-kinds":     otherKinds,
		"name-spelt":     oddlySpelt,
		"name-two":       twoQuestions,
		"name-told":      toldAddresses,
		"name-pipelined": pipelined,
		"name-flood":     manyNames,
		"rebound":        rebound,
	}
}

// beside looks for names that only look as if they were of a granted name.
func beside(o options, _ netip.AddrPort) error {
	return each(map[string]func() error{
		"longer at its end": func() error { return resolve(o, []string{o.name + ".evil.example.org"}) },
		"longer in front":   func() error { return resolve(o, []string{"not" + o.name}) },
	})
}

// wide is the longest that there can be in front of a name of some length.
func wide() string {
	parts := make([]string, 3)
	for i := range parts {
		parts[i] = strings.Repeat(string(rune('a'+i)), 63)
	}
	return strings.Join(parts, ".")
}

// reverse asks for the name of an address, which says 16 bytes by itself.
func reverse(o options, to netip.AddrPort) error {
	b := to.Addr().As4()
	name := fmt.Sprintf("%d.%d.%d.%d.in-addr.arpa", b[3], b[2], b[1], b[0])
	return o.found(query(1, recursion, about(labels(name), typePTR, classIN)))
}

// otherKinds asks for records that say more than an address does.
func otherKinds(o options, _ netip.AddrPort) error {
	attempts := map[string]func() error{
		"CHAOS": func() error { return o.found(query(1, recursion, about(labels(o.name), typeTXT, classCHAOS))) },
		"NOTIFY": func() error {
			const notify = 4 << 11
			return o.found(query(1, notify, about(labels(o.name), typeSOA, classIN)))
		},
	}
	for name, kind := range map[string]uint16{
		"NS": typeNS, "CNAME": typeCNAME, "SOA": typeSOA, "NULL": typeNULL, "MX": typeMX, "TXT": typeTXT, "SRV": typeSRV,
		"NAPTR": typeNAPTR, "SVCB": typeSVCB, "HTTPS": typeHTTPS, "ANY": typeANY,
	} {
		attempts[name] = func() error { return o.found(query(1, recursion, about(labels(o.name), kind, classIN))) }
	}
	return each(attempts)
}

// oddlySpelt names what is not granted so that it may be taken for the granted
// name: with a zero in it, with dots within a label, with spaces, with letters that
// look alike, by pointers, longer than a name may be.
func oddlySpelt(o options, _ netip.AddrPort) error {
	whole := labels(o.name)
	first, rest, _ := strings.Cut(o.name, ".")
	raw := func(name ...[]byte) func() error {
		return func() error {
			return o.found(query(1, recursion, about(bytes.Join(name, nil), typeA, classIN)))
		}
	}
	label := func(text string) []byte { return append([]byte{byte(len(text))}, text...) }
	return each(map[string]func() error{
		"one label":        raw(label(o.name), []byte{0}),
		"a zero":           raw(label(first+"\x00"), labels(rest)),
		"a zero behind":    raw(whole[:len(whole)-1], label("\x00evil"), labels("example.org")),
		"a space":          raw(label(" "+first), labels(rest)),
		"an empty label":   raw(label(first), []byte{0}, labels(rest)),
		"homograph":        raw(labels("xn--wb-8ia." + rest)), // w, e with a dot below, b
		"pointer to self":  raw([]byte{0xc0, 12}),
		"pointer behind":   raw(label(first), []byte{0xc0, 200}),
		"longer than 255":  raw(label(strings.Repeat("a", 63)), label(strings.Repeat("b", 63)), label(strings.Repeat("c", 63)), label(strings.Repeat("d", 63)), whole),
		"reserved length":  raw([]byte{0x80, 1}, whole),
		"above ASCII":      raw(label("w\xc3\xa9b"), labels(rest)),
		"a line of a file": raw(label(first+"\n127.0.0.1"), labels(rest)),
	})
}

// twoQuestions asks for a granted name, and in the same message for another.
func twoQuestions(o options, _ netip.AddrPort) error {
	other := about(labels("other.example.net"), typeA, classIN)
	return o.found(query(1, recursion, about(labels(o.name), typeA, classIN), other))
}

// toldAddresses tells the resolver itself where a name leads: by answers that
// nobody has asked for, with any number, and by answers in a question.
func toldAddresses(o options, to netip.AddrPort) error {
	b := to.Addr().As4()
	record := append(about(labels(o.name), typeA, classIN), 0, 0, 0x0e, 0x10, 0, 4)
	record = append(record, b[:]...)
	c, err := net.Dial("udp", o.nameServer())
	if err != nil {
		return err
	}
	defer c.Close()
	const response = 0x8180
	for id := range o.count {
		for _, flags := range []uint16{response, recursion} {
			m := query(uint16(id), flags, about(labels(o.name), typeA, classIN))
			m[7] = 1 // one answer
			if _, err := c.Write(append(m, record...)); err != nil && !errors.Is(err, unix.ECONNREFUSED) {
				return err
			}
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), o.wait)
	defer cancel()
	found, err := o.resolver().LookupNetIP(ctx, "ip4", o.name)
	if err != nil {
		return err
	}
	if !slices.Contains(found, to.Addr()) {
		return errors.New("it leads to where it did")
	}
	return fresh(o, to, reconnect)
}

// pipelined asks for a name among many others on one connection.
func pipelined(o options, _ netip.AddrPort) error {
	var all [][]byte
	for id := range uint16(64) {
		name := o.name
		if id%2 == 0 {
			name = "web.example.com"
		}
		all = append(all, query(id, recursion, about(labels(name), typeA, classIN)))
	}
	got, err := o.askStream(all)
	if err != nil {
		return err
	}
	for _, r := range got {
		if r.id%2 == 1 && r.answers > 0 {
			return nil
		}
	}
	return errNoAnswer(got[1].code)
}

// manyNames asks for ever other names, each of which carries something.
func manyNames(o options, _ netip.AddrPort) error {
	answered := 0
	for i := range o.count {
		got, err := o.ask(query(1, recursion, about(labels(fmt.Sprintf("n%d.%s", i, o.name)), typeA, classIN)))
		if err != nil {
			return err
		}
		if got.code != 2 { // SERVFAIL: it was not asked for
			answered++
		}
	}
	fmt.Printf("%d of %d names were asked for\n", answered, o.count)
	if answered < o.count {
		return errors.New("not all names were asked for")
	}
	return nil
}

// rebound looks a name up again and again, and connects to the target the while: at
// one time the name leads there.
func rebound(o options, to netip.AddrPort) error {
	end := time.Now().Add(o.wait)
	last := errors.New("no round")
	o.wait = 500 * time.Millisecond
	for time.Now().Before(end) {
		_ = resolve(o, []string{o.name})
		if last = fresh(o, to, reconnect); last == nil {
			return nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	return last
}
