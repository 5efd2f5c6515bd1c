package main

import (
	"errors"
	"net/netip"

	"golang.org/x/sys/unix"
)

// The target, named in the ways that there are to name an address.
func addressAttacks() map[string]attack {
	return map[string]attack{
		"address": func(o options, to netip.AddrPort) error { return fresh(o, to, reconnect) },
		"mapped": func(o options, to netip.AddrPort) error {
			o.mapped = true
			return fresh(o, to, reconnect)
		},
		"unspecified": func(o options, to netip.AddrPort) error {
			return o.anyOf(to.Port(), netip.IPv4Unspecified(), netip.IPv6Unspecified(), netip.MustParseAddr("0.0.0.1"))
		},
		"loopback": func(o options, to netip.AddrPort) error {
			return o.anyOf(to.Port(), netip.MustParseAddr("127.0.0.1"), netip.IPv6Loopback(), netip.MustParseAddr("127.1.2.3"))
		},
		"translated": translated,
		"scoped":     scoped,
		"datagram":   func(o options, to netip.AddrPort) error { return udp(o, []string{to.String()}) },
		"echo":       func(o options, to netip.AddrPort) error { return ping(o, []string{to.Addr().String()}) },
		"other-name": func(o options, to netip.AddrPort) error {
			o.to = to.String()
			return browse(o, []string{"http://" + o.name + "/"})
		},
	}
}

// anyOf connects to each of several addresses.
func (o options) anyOf(port uint16, all ...netip.Addr) error {
	attempts := map[string]func() error{}
	for _, a := range all {
		attempts[a.String()] = func() error { return fresh(o, netip.AddrPortFrom(a, port), reconnect) }
	}
	return each(attempts)
}

// translated names an IPv4 address in the forms of IPv6 that translators and
// tunnels turn into it: IPv4-compatible (RFC 4291), NAT64 (RFC 6052), 6to4 (RFC
// 3056), Teredo (RFC 4380) and ISATAP (RFC 5214).
func translated(o options, to netip.AddrPort) error {
	four := to.Addr().As4()
	form := func(at int, prefix ...byte) netip.Addr {
		var b [16]byte
		copy(b[:], prefix)
		copy(b[at:], four[:])
		return netip.AddrFrom16(b)
	}
	teredo := form(4, 0x20, 0x01).As16()
	for i, b := range four {
		teredo[12+i] = ^b
	}
	return o.anyOf(to.Port(), form(12), form(12, 0, 0x64, 0xff, 0x9b), form(2, 0x20, 0x02), netip.AddrFrom16(teredo),
		form(12, 0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0x5e, 0xfe))
}

// scoped names an address and an interface with it.
func scoped(o options, to netip.AddrPort) error {
	fd, err := o.open(unix.SOCK_STREAM, to)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	all := []error{}
	for _, zone := range []uint32{1, 2, 64, 65} {
		err := unix.Connect(fd, &unix.SockaddrInet6{Addr: to.Addr().As16(), Port: int(to.Port()), ZoneId: zone})
		if err == nil {
			return arrives(fd)
		}
		all = append(all, call("connect", err))
	}
	return errors.Join(all...)
}
