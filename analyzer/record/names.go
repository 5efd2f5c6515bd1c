package record

import (
	"errors"
	"net/netip"
	"slices"
	"strings"

	"golang.org/x/net/dns/dnsmessage"
	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/analyzer/evidence"
)

// dnsPort is where name servers are asked (RFC 1035, 4.2.1).
const dnsPort = 53

// maxAnswer bounds what is read of one answer: resolvers offer 1232 bytes
// (dnsflagday.net/2020), and older ones up to 4096.
const maxAnswer = 4096

// maxAddresses bounds the addresses kept of one name, maxAskers the programs
// whose sockets are looked at.
const (
	maxAddresses = 64
	maxAskers    = 64
)

// noteAsking notes that a program asks for names, so that what it receives is
// worth a look.
func (r *Recorder) noteAsking(c call, v evidence.Connect) {
	if v.Port == dnsPort && v.Protocol == "udp" && len(r.askers) < maxAskers {
		r.askers[c.by] = true
	}
}

// noteAnswer notes the names and addresses of an answer that is about to be
// received. C libraries and c-ares wait until it has arrived before they
// receive it, so that it can be looked at without being taken. What comes by
// read(2), as in programs of Go without a C library, or over TCP, is not seen.
// Nothing is proposed from names, so that one which cannot be read is no loss.
func (r *Recorder) noteAnswer(c call) error {
	if !r.askers[c.by] {
		return nil
	}
	fd, err := c.TakeFD(int32(c.args[0]))
	if err != nil {
		if c.Alive() {
			return nil
		}
		return err // the call is never made
	}
	defer c.LetGo(fd)
	if protocol, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_PROTOCOL); err != nil || protocol != unix.IPPROTO_UDP {
		return nil
	}
	if !arrived(fd) {
		return nil
	}
	b := make([]byte, maxAnswer)
	n, from, err := unix.Recvfrom(fd, b, unix.MSG_PEEK|unix.MSG_DONTWAIT)
	if err != nil || sourcePort(from) != dnsPort {
		return nil // nothing is there, or it is of something else
	}
	r.noteReply(b[:n], r.at(c))
	return nil
}

// arrived reports whether a message is there to be looked at. A look would also
// take an error that is pending, such as that nobody listens there (sock_error in
// net/ipv4/udp.c, __skb_recv_udp), and the program would wait for an answer in
// vain. One that comes between this question and the look is still taken.
func arrived(socket int) bool {
	poll := []unix.PollFd{{Fd: int32(socket), Events: unix.POLLIN}}
	for {
		switch _, err := unix.Poll(poll, 0); {
		case errors.Is(err, unix.EINTR): // a signal of the Go runtime
		case err != nil:
			return false
		default:
			return poll[0].Revents == unix.POLLIN
		}
	}
}

// noteReply notes what a name server has sent.
func (r *Recorder) noteReply(message []byte, o occasion) {
	if name, addresses, err := parseAnswer(message); err == nil && len(addresses) > 0 {
		r.noteName(name, addresses, o)
	}
}

func sourcePort(from unix.Sockaddr) int {
	switch from := from.(type) {
	case *unix.SockaddrInet4:
		return from.Port
	case *unix.SockaddrInet6:
		return from.Port
	}
	return 0
}

func (r *Recorder) noteName(name string, addresses []string, o occasion) {
	n := entry(&r.facts, r.facts.names, "names", maxOthers, name, evidence.Name{Name: name}, name)
	for _, a := range addresses {
		at, known := slices.BinarySearch(n.Addresses, a)
		switch {
		case known:
		case len(n.Addresses) == maxAddresses || !r.facts.afford(a):
			r.facts.leaveOut("names")
		default:
			n.Addresses = slices.Insert(slices.Clone(n.Addresses), at, a)
		}
	}
	r.facts.see(&n.Seen, o)
}

// parseAnswer returns the name that a DNS message (RFC 1035) answers for and
// the addresses it gives. Aliases on the way are not what was asked for.
func parseAnswer(message []byte) (name string, addresses []string, err error) {
	var p dnsmessage.Parser
	header, err := p.Start(message)
	if err != nil || !header.Response || header.RCode != dnsmessage.RCodeSuccess {
		return "", nil, err
	}
	question, err := p.Question()
	if err != nil {
		return "", nil, err
	}
	if err := p.SkipAllQuestions(); err != nil {
		return "", nil, err
	}
	for len(addresses) < maxAddresses {
		answer, err := p.Answer()
		if errors.Is(err, dnsmessage.ErrSectionDone) {
			break
		}
		if err != nil {
			return "", nil, err
		}
		switch body := answer.Body.(type) {
		case *dnsmessage.AResource:
			addresses = append(addresses, netip.AddrFrom4(body.A).String())
		case *dnsmessage.AAAAResource:
			addresses = append(addresses, netip.AddrFrom16(body.AAAA).String())
		}
	}
	name = strings.ToLower(text(strings.TrimSuffix(question.Name.String(), ".")))
	if name == "" {
		return "", nil, nil // the root of all names is nobody's
	}
	return name, addresses, nil
}
