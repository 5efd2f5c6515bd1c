package networktest

import "net/netip"

// The machine's own addresses, beside those of its loopback.
const (
	Host4 = "192.0.2.2"
	Host6 = "2001:db8::2"
)

// The addresses of the name servers, port 53. Only they have no other service.
const (
	Resolver4 = "203.0.113.53"
	Resolver6 = "2001:db8:53::53"
)

// Addresses of servers.
const (
	Web4   = "198.51.100.10"
	Web6   = "2001:db8:1::10"
	Other4 = "198.51.100.20"
	Other6 = "2001:db8:1::20"
	// LAN is an address of the network at home or at work.
	LAN = "10.77.0.5"
	// Metadata is where clouds tell a machine its secrets.
	Metadata = "169.254.169.254"
)

// Loopback addresses, where the machine's own services are.
const (
	Loopback4 = "127.0.0.1"
	Loopback6 = "::1"
)

// Ports of the services.
const (
	Echo    = 7
	Discard = 9
	Chargen = 19
	Domain  = 53
	HTTP    = 80
	HTTPS   = 443
)

// Names that the zone begins with, other than in upper case.
const (
	// WebName has the addresses Web4 and Web6.
	WebName = "web.example.com"
	// AliasName is an alias of WebName.
	AliasName = "www.example.com"
	// OtherName has the addresses Other4 and Other6.
	OtherName = "other.example.net"
	// HostsName is in the machine's /etc/hosts alone, as LAN.
	HostsName = "printer.example.org"
)

// Addresses are those that have every service.
func Addresses() []string {
	return []string{Web4, Web6, Other4, Other6, LAN, Metadata, Host4, Host6, Loopback4, Loopback6}
}

// elsewhere are the networks that lead to servers.
func elsewhere() []netip.Prefix {
	var all []netip.Prefix
	for _, s := range []string{
		"192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "10.77.0.0/16", "169.254.0.0/16", "2001:db8::/32",
	} {
		all = append(all, netip.MustParsePrefix(s))
	}
	return all
}

const resolvConf = "search example.com\nnameserver " + Resolver4 + "\nnameserver " + Resolver6 + "\n"

const hosts = "127.0.0.1 localhost\n::1 localhost\n" + LAN + " " + HostsName + " printer\n"
