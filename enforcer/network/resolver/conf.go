package resolver

import (
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/least-privilege/lpm/enforcer/network/policy"
)

// Bounds of what /etc/resolv.conf can say.
const (
	maxServers  = 4
	maxSearch   = 6
	maxAttempts = 5
	maxTimeout  = 30 * time.Second
)

// conf is what /etc/resolv.conf says (resolv.conf(5)).
type conf struct {
	servers []netip.Addr
	search  []string
	// timeout is how long an answer is waited for, each time.
	timeout  time.Duration
	attempts int
	// stream is to ask by TCP only.
	stream bool
}

// parseConf reads the lines that matter. Where no timeout is given it is two
// seconds, rather than the C library's five: programs in the container wait no
// longer than that for lpm, and it has other servers to try.
func parseConf(text []byte) conf {
	c := conf{timeout: 2 * time.Second, attempts: 2}
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "#") || strings.HasPrefix(line, ";") {
			continue
		}
		fields := strings.Fields(line)
		if len(fields) < 2 {
			continue
		}
		switch fields[0] {
		case "nameserver":
			if a, err := netip.ParseAddr(fields[1]); err == nil && len(c.servers) < maxServers {
				c.servers = append(c.servers, a)
			}
		case "domain":
			c.search = domains(fields[1:2])
		case "search":
			c.search = domains(fields[1:])
		case "options":
			for _, option := range fields[1:] {
				c.option(option)
			}
		}
	}
	if len(c.servers) == 0 {
		c.servers = []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1})}
	}
	return c
}

func (c *conf) option(option string) {
	name, value, _ := strings.Cut(option, ":")
	n, err := strconv.Atoi(value)
	switch {
	case name == "use-vc":
		c.stream = true
	case err != nil || n < 1:
	case name == "timeout":
		c.timeout = min(time.Duration(min(n, 1000))*time.Second, maxTimeout)
	case name == "attempts":
		c.attempts = min(n, maxAttempts)
	}
}

func domains(texts []string) []string {
	var list []string
	for _, text := range texts {
		if name, ok := policy.Canonical(text); ok && len(list) < maxSearch {
			list = append(list, name)
		}
	}
	return list
}

// candidates returns the names to ask the servers for: a name of one part is
// looked for in the search list first.
func (c conf) candidates(name string) []string {
	if strings.Contains(name, ".") {
		return []string{name}
	}
	var list []string
	for _, domain := range c.search {
		if full, ok := policy.Canonical(name + "." + domain); ok {
			list = append(list, full)
		}
	}
	return append(list, name)
}
