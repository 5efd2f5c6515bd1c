package policy

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/least-privilege/lpm/manifest"
)

// network is the section of most tests: a line an entry, as in
// "tcp api.example.com 443 8000-8100" and "icmp 192.0.2.0/24".
func network(t testing.TB, lines ...string) manifest.Network {
	t.Helper()
	n := manifest.Network{Mode: manifest.NetworkPrivate}
	for _, line := range lines {
		n.Egress = append(n.Egress, entry(t, line))
	}
	return n
}

func entry(t testing.TB, line string) manifest.Egress {
	t.Helper()
	f := strings.Fields(line)
	e := manifest.Egress{Protocol: manifest.Protocol(f[0]), Host: f[1]}
	if strings.Contains(f[1], "/") {
		e.Host, e.CIDR = "", f[1]
	}
	for _, text := range f[2:] {
		var p manifest.PortRange
		if err := p.UnmarshalText([]byte(text)); err != nil {
			t.Fatal(err)
		}
		e.Ports = append(e.Ports, p)
	}
	return e
}

// flow reads "tcp 192.0.2.1:443" and "icmp 192.0.2.1".
func flow(t testing.TB, text string) Flow {
	t.Helper()
	protocol, to, _ := strings.Cut(text, " ")
	if protocol == "icmp" {
		return Flow{manifest.ICMP, netip.AddrPortFrom(netip.MustParseAddr(to), 0)}
	}
	return Flow{manifest.Protocol(protocol), netip.MustParseAddrPort(to)}
}

// line is an entry as the tests write it, "" for none.
func line(e *manifest.Egress) string {
	if e == nil {
		return ""
	}
	parts := []string{string(e.Protocol), e.Host + e.CIDR}
	for _, p := range e.Ports {
		parts = append(parts, p.String())
	}
	return strings.Join(parts, " ")
}

func TestDecide(t *testing.T) {
	section := network(t,
		"tcp api.example.com 443 8000-8100", "udp time.example.com 123", "tcp *.wild.example.com 443",
		"tcp x.wild.example.com 80", "icmp api.example.com",
		"tcp 192.0.2.0/24 443", "udp 2001:db8:1::/48 53", "icmp 198.51.100.0/24", "tcp 127.0.0.0/8 9000", "tcp 169.254.0.0/16 80",
	)
	const api, wild = "api.example.com", "x.wild.example.com"
	for _, c := range []struct {
		flow  string
		names string
		want  Reason
		name  string
		grant string
	}{
		// Address blocks.
		{"tcp 192.0.2.7:443", "", ByBlock, "", ""},
		{"tcp [::ffff:192.0.2.7]:443", "", ByBlock, "", ""},
		{"tcp 192.0.2.7:443", "other.example.org", ByBlock, "other.example.org", ""},
		{"tcp 192.0.2.7:80", "", OtherPort, "", "tcp 192.0.2.7/32 80"},
		{"udp 192.0.2.7:443", "", OtherPort, "", "udp 192.0.2.7/32 443"},
		{"icmp 192.0.2.7", "", OtherPort, "", "icmp 192.0.2.7/32"},
		{"tcp 192.0.3.7:443", "", NotGranted, "", "tcp 192.0.3.7/32 443"},
		{"udp [2001:db8:1::5]:53", "", ByBlock, "", ""},
		{"udp [2001:db8:2::5]:53", "", NotGranted, "", "udp 2001:db8:2::5/128 53"},
		{"icmp 198.51.100.9", "", ByBlock, "", ""},
		{"tcp 198.51.100.9:443", "", OtherPort, "", "tcp 198.51.100.9/32 443"},
		// Names.
		{"tcp 203.0.113.1:443", api, ByName, api, ""},
		{"tcp [2001:db8::1]:443", api, ByName, api, ""},
		{"tcp 203.0.113.1:443", "API.Example.com.", ByName, api, ""},
		{"tcp 203.0.113.1:8000", api, ByName, api, ""},
		{"tcp 203.0.113.1:8050", api, ByName, api, ""},
		{"tcp 203.0.113.1:8100", api, ByName, api, ""},
		{"tcp 203.0.113.1:8101", api, OtherPort, api, "tcp api.example.com 8101"},
		{"tcp 203.0.113.1:7999", api, OtherPort, api, "tcp api.example.com 7999"},
		{"udp 203.0.113.1:443", api, OtherPort, api, "udp api.example.com 443"},
		{"icmp 203.0.113.1", api, ByName, api, ""},
		{"icmp 203.0.113.1", wild, OtherPort, wild, "icmp x.wild.example.com"},
		{"udp 203.0.113.1:123", "time.example.com", ByName, "time.example.com", ""},
		{"tcp 203.0.113.1:123", "time.example.com", OtherPort, "time.example.com", "tcp time.example.com 123"},
		{"tcp 203.0.113.1:443", wild, ByName, wild, ""},
		{"tcp 203.0.113.1:80", wild, ByName, wild, ""},
		{"tcp 203.0.113.1:443", "y.wild.example.com", ByWildcard, "y.wild.example.com", ""},
		{"tcp 203.0.113.1:443", "a.b.c.wild.example.com", ByWildcard, "a.b.c.wild.example.com", ""},
		{"tcp 203.0.113.1:80", "y.wild.example.com", OtherPort, "y.wild.example.com", "tcp y.wild.example.com 80"},
		// A wildcard is of the names below, and of whole labels.
		{"tcp 203.0.113.1:443", "wild.example.com", NotGranted, "wild.example.com", "tcp wild.example.com 443"},
		{"tcp 203.0.113.1:443", "evilwild.example.com", NotGranted, "evilwild.example.com", "tcp evilwild.example.com 443"},
		{"tcp 203.0.113.1:443", "wild.example.com.evil.example", NotGranted, "wild.example.com.evil.example", "tcp wild.example.com.evil.example 443"},
		{"tcp 203.0.113.1:443", "api.example.com.evil.example", NotGranted, "api.example.com.evil.example", "tcp api.example.com.evil.example 443"},
		{"tcp 203.0.113.1:443", "apixexample.com", NotGranted, "apixexample.com", "tcp apixexample.com 443"},
		{"tcp 203.0.113.1:443", "example.com", NotGranted, "example.com", "tcp example.com 443"},
		{"tcp 203.0.113.1:443", "*.wild.example.com", NotGranted, "", "tcp 203.0.113.1/32 443"},
		{"tcp 203.0.113.1:443", "api.example.com\x00", NotGranted, "", "tcp 203.0.113.1/32 443"},
		{"tcp 203.0.113.1:443", "a_b.example.org", NotGranted, "a_b.example.org", "tcp 203.0.113.1/32 443"},
		// Several names of one address: one of them is enough, and is the name.
		{"tcp 203.0.113.1:443", "other.example.org api.example.com", ByName, api, ""},
		{"udp 203.0.113.1:123", "api.example.com time.example.com", ByName, "time.example.com", ""},
		{"udp 203.0.113.1:5", "other.example.org api.example.com", OtherPort, api, "udp api.example.com 5"},
		// No name at all.
		{"tcp 203.0.113.1:443", "", NotGranted, "", "tcp 203.0.113.1/32 443"},
		{"udp 203.0.113.1:443", "", NotGranted, "", "udp 203.0.113.1/32 443"},
		// What is no destination.
		{"tcp 203.0.113.1:0", api, Malformed, api, ""},
		{"udp 192.0.2.7:0", "", Malformed, "", ""},
		// The container's own block, which not even a block grants.
		{"tcp 192.0.0.1:443", api, Inner, api, ""},
		{"udp 192.0.0.1:53", "", Inner, "", ""},
		{"tcp 192.0.0.7:443", "", Inner, "", ""},
		{"tcp [fdc5:1f5a:9b3e::1]:443", api, Inner, api, ""},
		{"tcp [fdc5:1f5a:9b3e::ffff:1]:443", api, Inner, api, ""},
		{"tcp 192.0.0.8:443", api, ByName, api, ""}, // the next block
		// Rebinding.
		{"tcp 127.0.0.1:443", api, Loopback, api, "tcp 127.0.0.1/32 443"},
		{"tcp 127.255.0.1:443", api, Loopback, api, "tcp 127.255.0.1/32 443"},
		{"tcp [::1]:443", api, Loopback, api, "tcp ::1/128 443"},
		{"tcp [::ffff:127.0.0.1]:443", api, Loopback, api, "tcp 127.0.0.1/32 443"},
		{"tcp [::127.0.0.1]:443", api, Loopback, api, "tcp ::7f00:1/128 443"},
		{"tcp [::ffff:0:127.0.0.1]:443", api, Loopback, api, "tcp ::ffff:0:7f00:1/128 443"},
		{"tcp [64:ff9b::127.0.0.1]:443", api, Loopback, api, "tcp 64:ff9b::7f00:1/128 443"},
		{"tcp 0.0.0.0:443", api, Unspecified, api, ""},
		{"tcp 0.1.2.3:443", api, Unspecified, api, ""},
		{"tcp [::]:443", api, Unspecified, api, ""},
		{"tcp [::ffff:0.0.0.0]:443", api, Unspecified, api, ""},
		{"tcp 169.254.169.254:443", api, Metadata, api, "tcp 169.254.169.254/32 443"},
		{"tcp [::ffff:169.254.169.254]:443", api, Metadata, api, "tcp 169.254.169.254/32 443"},
		{"tcp [64:ff9b::169.254.169.254]:443", api, Metadata, api, "tcp 64:ff9b::a9fe:a9fe/128 443"},
		{"tcp [64:ff9b:1::169.254.169.254]:443", api, Metadata, api, "tcp 64:ff9b:1::a9fe:a9fe/128 443"},
		{"tcp [64:ff9b:1:a9fe:a9:fe00::]:443", api, Metadata, api, "tcp 64:ff9b:1:a9fe:a9:fe00::/128 443"},
		{"tcp [64:ff9b:1:a9:fe:a9fe::]:443", api, Metadata, api, "tcp 64:ff9b:1:a9:fe:a9fe::/128 443"},
		{"tcp [64:ff9b:1:0:a9:fea9:fe00:0]:443", api, Metadata, api, "tcp 64:ff9b:1:0:a9:fea9:fe00:0/128 443"},
		{"tcp [2002:a9fe:a9fe::1]:443", api, Metadata, api, "tcp 2002:a9fe:a9fe::1/128 443"},
		{"tcp [2001::5601:5601]:443", api, Metadata, api, "tcp 2001::5601:5601/128 443"}, // Teredo, inverted
		{"tcp [2001:0:a9fe:a9fe::]:443", api, Metadata, api, "tcp 2001:0:a9fe:a9fe::/128 443"},
		{"tcp [2001:db8::5efe:169.254.169.254]:443", api, Metadata, api, "tcp 2001:db8::5efe:a9fe:a9fe/128 443"},
		{"tcp [2001:db8::200:5efe:169.254.169.254]:443", api, Metadata, api, "tcp 2001:db8::200:5efe:a9fe:a9fe/128 443"},
		{"tcp [fd00:ec2::254]:443", api, Metadata, api, "tcp fd00:ec2::254/128 443"},
		{"tcp [fd00:ec2::23]:443", api, Metadata, api, "tcp fd00:ec2::23/128 443"},
		{"tcp [fd20:ce::254]:443", api, Metadata, api, "tcp fd20:ce::254/128 443"},
		{"tcp [fd00:42::42]:443", api, Metadata, api, "tcp fd00:42::42/128 443"},
		{"tcp 168.63.129.16:443", api, Metadata, api, "tcp 168.63.129.16/32 443"},
		{"tcp 100.100.100.200:443", api, Metadata, api, "tcp 100.100.100.200/32 443"},
		{"tcp 192.0.0.192:443", api, Metadata, api, "tcp 192.0.0.192/32 443"},
		{"tcp 169.254.1.1:443", api, LinkLocal, api, "tcp 169.254.1.1/32 443"},
		{"tcp [fe80::1]:443", api, LinkLocal, api, "tcp fe80::1/128 443"},
		{"tcp [fe80::1%eth0]:443", api, LinkLocal, api, "tcp fe80::1/128 443"},
		{"udp 224.0.0.251:123", "time.example.com", Multicast, "time.example.com", "udp 224.0.0.251/32 123"},
		{"udp [ff02::1]:123", "time.example.com", Multicast, "time.example.com", "udp ff02::1/128 123"},
		{"udp 255.255.255.255:123", "time.example.com", Broadcast, "time.example.com", "udp 255.255.255.255/32 123"},
		{"icmp 127.0.0.1", api, Loopback, api, "icmp 127.0.0.1/32"},
		{"tcp [64:ff9b::192.0.0.1]:443", api, Inner, api, ""},
		// The same forms of an address that names may lead to.
		{"tcp [64:ff9b::203.0.113.1]:443", api, ByName, api, ""},
		{"tcp [2002:cb00:7101::1]:443", api, ByName, api, ""},
		{"tcp 10.0.0.1:443", api, ByName, api, ""},
		{"tcp [fd00::1]:443", api, ByName, api, ""},
		// What a block grants of these.
		{"tcp 127.0.0.1:9000", "", ByBlock, "", ""},
		{"tcp [::ffff:127.0.0.1]:9000", api, ByBlock, api, ""},
		{"tcp 169.254.169.254:80", "", ByBlock, "", ""},
		{"tcp [64:ff9b::169.254.169.254]:80", "", Metadata, "", "tcp 64:ff9b::a9fe:a9fe/128 80"},
		{"tcp [::1]:9000", "", Loopback, "", "tcp ::1/128 9000"},
	} {
		t.Run(c.flow+" "+c.names, func(t *testing.T) {
			v := New(section).Decide(flow(t, c.flow), strings.Fields(c.names), false)
			if v.Reason != c.want || v.Name != c.name || line(v.Grant) != c.grant {
				t.Errorf("%v (%q, granted by %q), want %v (%q, %q)", v.Reason, v.Name, line(v.Grant), c.want, c.name, c.grant)
			}
			if v.Allowed != (c.want >= ByBlock) {
				t.Errorf("allowed is %v for: %v", v.Allowed, v.Reason)
			}
			if v.Grant != nil {
				again := New(section).With(*v.Grant).Decide(flow(t, c.flow), strings.Fields(c.names), false)
				if !again.Allowed {
					t.Errorf("with %q: %v", line(v.Grant), again.Reason)
				}
				m := manifest.Network{Mode: manifest.NetworkPrivate, Egress: []manifest.Egress{*v.Grant}}
				checkSection(t, m)
			}
		})
	}
}

// checkSection fails unless a manifest can have the section. Entries for ICMP
// are left out: they have no ports.
func checkSection(t *testing.T, n manifest.Network) {
	t.Helper()
	if n.Egress[0].Protocol == manifest.ICMP {
		return
	}
	m := manifest.Manifest{Network: n}
	if err := m.Validate(); err != nil && strings.Contains(err.Error(), "network") {
		t.Errorf("no manifest can say %q: %v", line(&n.Egress[0]), err)
	}
}

func TestDecideLocal(t *testing.T) {
	r := New(network(t, "tcp api.example.com 443", "tcp 192.0.2.9/32 443"))
	names := []string{"api.example.com"}
	for _, c := range []struct {
		to    string
		local bool
		want  Reason
	}{
		{"192.0.2.7:443", true, Host},
		{"192.0.2.7:443", false, ByName},
		{"192.0.2.9:443", true, ByBlock},
		{"[2001:db8::1]:443", true, Host},
		{"127.0.0.1:443", true, Loopback},
	} {
		f := Flow{manifest.TCP, netip.MustParseAddrPort(c.to)}
		if v := r.Decide(f, names, c.local); v.Reason != c.want {
			t.Errorf("%s, local %v: %v, want %v", c.to, c.local, v.Reason, c.want)
		}
	}
}

// A block of all addresses is one of the world's machines.
func TestWholeWorld(t *testing.T) {
	r := New(network(t, "tcp 0.0.0.0/0 443", "tcp ::/0 443"))
	for to, want := range map[string]Reason{
		"203.0.113.1:443":           ByBlock,
		"[2001:db8::1]:443":         ByBlock,
		"10.1.1.1:443":              ByBlock,
		"127.0.0.1:443":             Loopback,
		"[::1]:443":                 Loopback,
		"0.0.0.0:443":               Unspecified,
		"[::]:443":                  Unspecified,
		"192.0.0.2:443":             Inner,
		"[fdc5:1f5a:9b3e::2]:443":   Inner,
		"[64:ff9b::192.0.0.2]:443":  Inner,
		"[::127.0.0.1]:443":         Loopback,
		"[64:ff9b::127.0.0.1]:443":  Loopback,
		"[64:ff9b::10.0.0.1]:443":   ByBlock,
		"[::ffff:127.0.0.1]:443":    Loopback,
		"[::ffff:203.0.113.1]:443":  ByBlock,
		"[2002:7f00:1::]:443":       Loopback,
		"[::ffff:0:127.0.0.1]:443":  Loopback,
		"[::ffff:0:203.0.113.1]:80": OtherPort,
	} {
		f := Flow{manifest.TCP, netip.MustParseAddrPort(to)}
		if v := r.Decide(f, nil, false); v.Reason != want {
			t.Errorf("%s: %v, want %v", to, v.Reason, want)
		}
	}
}

func TestEverything(t *testing.T) {
	for text, want := range map[string]Reason{
		"tcp 203.0.113.1:443":          Recorded,
		"udp [2001:db8::1]:53":         Recorded,
		"icmp 203.0.113.1":             Recorded,
		"tcp 169.254.169.254:80":       Recorded,
		"tcp 127.0.0.1:80":             Loopback,
		"tcp [::1]:80":                 Loopback,
		"tcp [::ffff:127.0.0.1]:80":    Loopback,
		"tcp [64:ff9b::127.0.0.1]:80":  Loopback,
		"tcp 0.0.0.0:80":               Unspecified,
		"udp 192.0.0.1:53":             Inner,
		"udp [fdc5:1f5a:9b3e::1]:53":   Inner,
		"tcp [::ffff:192.0.0.1]:53":    Inner,
		"tcp [fdc5:1f5a:9b3e:1::1]:53": Recorded,
		"tcp 203.0.113.1:0":            Malformed,
	} {
		v := Everything().Decide(flow(t, text), []string{"a.example.com"}, true)
		if v.Reason != want || v.Allowed != (want == Recorded) || v.Name != "a.example.com" {
			t.Errorf("%s: %+v, want %v", text, v, want)
		}
	}
}

func TestNothing(t *testing.T) {
	var none *Rules
	f := flow(t, "tcp 203.0.113.1:443")
	for name, r := range map[string]*Rules{
		"nil":         none,
		"empty":       New(manifest.Network{}),
		"ports alone": New(manifest.Network{Egress: []manifest.Egress{{Protocol: manifest.TCP, Ports: []manifest.PortRange{manifest.Port(443)}}}}),
		"no ports":    New(network(t, "tcp 203.0.113.0/24")),
		"no address":  New(manifest.Network{Egress: []manifest.Egress{{CIDR: "203.0.113.0", Protocol: manifest.TCP, Ports: []manifest.PortRange{manifest.Port(443)}}}}),
	} {
		if v := r.Decide(f, []string{"api.example.com"}, false); v.Allowed {
			t.Errorf("%s: %+v", name, v)
		}
		if v := r.Decide(Flow{}, nil, false); v.Reason != Malformed {
			t.Errorf("%s: no flow at all is %+v", name, v)
		}
		if v := r.Name("api.example.com"); v.Allowed {
			t.Errorf("%s: %+v", name, v)
		}
	}
}
