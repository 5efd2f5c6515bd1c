package analyzer

import (
	"slices"
	"strings"
	"testing"

	"github.com/least-privilege/lpm/analyzer/evidence"
	"github.com/least-privilege/lpm/manifest"
)

// TestPrivateNetwork proposes from what was reached on a private network: names
// where they led there, addresses elsewhere, and nothing of the container's own.
func TestPrivateNetwork(t *testing.T) {
	seen := evidence.Seen{Count: 1, First: 5, Programs: []string{"/bin/app"}}
	connect := func(family, address string, port uint16, protocol string) evidence.Connect {
		return evidence.Connect{Family: family, Address: address, Port: port, Protocol: protocol, Seen: seen}
	}
	tests := []struct {
		name     string
		connects []evidence.Connect
		names    []evidence.Name
		binds    []evidence.Bind
		want     []string
		warning  string
	}{
		{name: "nothing", want: nil},
		{
			name:     "its own addresses",
			connects: []evidence.Connect{connect("inet", "127.0.0.1", 80, "tcp"), connect("inet6", "::1", 80, "tcp"), connect("inet", "192.0.0.1", 53, "udp"), connect("inet6", "fdc5:1f5a:9b3e::2", 80, "tcp")},
		},
		{
			name:     "a name, by both of its addresses and several ports",
			connects: []evidence.Connect{connect("inet", "198.51.100.10", 443, "tcp"), connect("inet6", "2001:db8::10", 443, "tcp"), connect("inet", "198.51.100.10", 444, "tcp"), connect("inet", "198.51.100.10", 80, "tcp")},
			names:    []evidence.Name{{Name: "web.example", Addresses: []string{"198.51.100.10", "2001:db8::10"}, Seen: seen}},
			want:     []string{"egress web.example tcp 80,443-444"},
		},
		{
			name:     "two names of one address",
			connects: []evidence.Connect{connect("inet", "198.51.100.10", 443, "tcp")},
			names:    []evidence.Name{{Name: "a.example", Addresses: []string{"198.51.100.10"}, Seen: seen}, {Name: "b.example", Addresses: []string{"198.51.100.10"}, Seen: seen}},
			want:     []string{"egress a.example tcp 443", "egress b.example tcp 443"},
		},
		{
			name:     "a name as programs spell it, and one that no manifest can have",
			connects: []evidence.Connect{connect("inet", "198.51.100.10", 443, "tcp"), connect("inet", "198.51.100.20", 443, "tcp")},
			names: []evidence.Name{
				{Name: "WEB.Example", Addresses: []string{"198.51.100.10"}, Seen: seen}, {Name: "web.example", Addresses: []string{"198.51.100.10"}, Seen: seen},
				{Name: "my_web.example", Addresses: []string{"198.51.100.20"}, Seen: seen},
			},
			want:    []string{"egress 198.51.100.20/32 tcp 443", "egress web.example tcp 443"},
			warning: "one address was connected to that no name",
		},
		{
			name:     "addresses that no name gave",
			connects: []evidence.Connect{connect("inet6", "::ffff:198.51.100.20", 5432, "tcp"), connect("inet6", "2001:db8::20", 123, "udp"), connect("inet", "198.51.100.30", 0, "icmp")},
			want:     []string{"egress 198.51.100.20/32 tcp 5432", "egress 198.51.100.30/32 icmp ", "egress 2001:db8::20/128 udp 123"},
			warning:  "3 addresses were connected to that no name was looked up for",
		},
		{
			name:     "echo requests alone",
			connects: []evidence.Connect{connect("inet", "198.51.100.10", 0, "icmp")},
			names:    []evidence.Name{{Name: "web.example", Addresses: []string{"198.51.100.10"}, Seen: seen}},
			want:     []string{"egress web.example icmp "},
		},
		{
			name: "ports",
			binds: []evidence.Bind{
				{Family: "inet", Address: "0.0.0.0", Port: 8080, Protocol: "tcp", Listening: true, Seen: seen},
				{Family: "inet", Address: "127.0.0.1", Port: 9000, Protocol: "tcp", Listening: true, Seen: seen},
			},
			want: []string{"listen tcp 8080 published", "listen tcp 9000"},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := record()
			r.Network, r.Connects, r.Names, r.Binds = manifest.NetworkPrivate, test.connects, test.names, test.binds
			p, err := Propose([]*evidence.Record{r}, ImageFacts{})
			if err != nil {
				t.Fatal(err)
			}
			n := p.Manifest.Network
			if got := networkLines(n); !slices.Equal(got, test.want) {
				t.Errorf("proposed %q, want %q", got, test.want)
			}
			mode := manifest.NetworkPrivate
			if test.want == nil {
				mode = manifest.NetworkNone
			}
			if n.Mode != mode {
				t.Errorf("mode %s, want %s", n.Mode, mode)
			}
			if all := strings.Join(p.Warnings, "\n"); !strings.Contains(all, test.warning) {
				t.Errorf("warnings %q, want %q", all, test.warning)
			}
		})
	}
}

// private is a record of a private network that has all kinds of entries.
func private() *evidence.Record {
	r := record()
	r.Network = manifest.NetworkPrivate
	r.Names = []evidence.Name{{Name: "WEB.Example", Addresses: []string{"198.51.100.10"}, Seen: seen(1, 1, "/bin/app")}}
	r.Connects = []evidence.Connect{
		{Family: "inet", Address: "198.51.100.10", Port: 443, Protocol: "tcp", Seen: seen(1, 1, "/bin/app")},
		{Family: "inet6", Address: "2001:db8::20", Port: 123, Protocol: "udp", Seen: seen(1, 1, "/bin/app")},
		{Family: "inet", Address: "198.51.100.10", Protocol: "icmp", Seen: seen(1, 1, "/bin/app")},
	}
	r.Binds = []evidence.Bind{{Family: "inet", Address: "0.0.0.0", Port: 8080, Protocol: "tcp", Listening: true, Seen: seen(1, 1, "/bin/app")}}
	return r
}

// networkLines are the entries of a network section, a line each.
func networkLines(n manifest.Network) (lines []string) {
	for _, e := range n.Egress {
		var ports []string
		for _, r := range e.Ports {
			ports = append(ports, r.String())
		}
		lines = append(lines, "egress "+e.Host+e.CIDR+" "+string(e.Protocol)+" "+strings.Join(ports, ","))
	}
	for _, l := range n.Listen {
		line := "listen " + string(l.Protocol) + " " + manifest.Port(l.Port).String()
		if l.Publish {
			line += " published"
		}
		lines = append(lines, line)
	}
	return lines
}
