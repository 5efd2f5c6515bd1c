package policy

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/least-privilege/lpm/manifest"
)

// FuzzDecide holds every decision to what must be true of all of them.
func FuzzDecide(f *testing.F) {
	for _, a := range []string{"192.0.2.1", "127.0.0.1", "169.254.169.254", "::1", "64:ff9b::7f00:1", "2002:7f00:1::", "::ffff:127.0.0.1", "fdc5:1f5a:9b3e::2"} {
		f.Add(netip.MustParseAddr(a).AsSlice(), uint16(443), "api.example.com", "*.example.com", false)
	}
	f.Fuzz(func(t *testing.T, raw []byte, port uint16, name, granted string, local bool) {
		addr, _ := netip.AddrFromSlice(raw)
		section := manifest.Network{Egress: []manifest.Egress{
			{Host: granted, Ports: []manifest.PortRange{{From: 1, To: 65535}}, Protocol: manifest.TCP},
		}}
		r, to := New(section), Flow{manifest.TCP, netip.AddrPortFrom(addr, port)}
		v := r.Decide(to, []string{name}, local)
		if v.Allowed != (v.Reason >= ByBlock) {
			t.Fatalf("%+v", v)
		}
		if v.Allowed {
			checkAllowed(t, addr, name, granted, local, v)
		}
		if v.Name != strings.ToLower(v.Name) || !r.Address(name, addr, local).Allowed && v.Allowed {
			t.Errorf("%+v", v)
		}
		if v.Grant != nil && !r.With(*v.Grant).Decide(to, []string{name}, local).Allowed {
			t.Errorf("%q does not grant %v", line(v.Grant), to)
		}
		if plain := netip.AddrPortFrom(addr.Unmap(), port); r.Decide(Flow{manifest.TCP, plain}, []string{name}, local).Allowed != v.Allowed {
			t.Errorf("%v and %v are not decided alike", to.To, plain)
		}
	})
}

// checkAllowed checks, in other words than the package's, that a name may lead
// to an address.
func checkAllowed(t *testing.T, addr netip.Addr, name, granted string, local bool, v Verdict) {
	t.Helper()
	a := addr.Unmap()
	name, granted = strings.ToLower(strings.TrimSuffix(name, ".")), strings.ToLower(strings.TrimSuffix(granted, "."))
	below, wild := strings.CutPrefix(granted, "*")
	if name != granted && (!wild || !strings.HasSuffix(name, below)) {
		t.Errorf("%q was taken for a name that %q grants", name, granted)
	}
	if local || !a.IsGlobalUnicast() || a.IsLoopback() || a.IsLinkLocalUnicast() || a.IsMulticast() || a.IsUnspecified() {
		t.Errorf("%q led to %s: %v", name, a, v.Reason)
	}
	b := a.As16()
	text, none := string(b[:]), strings.Repeat("\x00", 12)
	for _, bad := range []string{"\x7f\x00\x00\x01", "\xa9\xfe\xa9\xfe"} {
		for _, prefix := range []string{none, "\x00\x64\xff\x9b" + none[:8], none[:8] + "\xff\xff\x00\x00", "\x20\x02"} {
			if a.Is6() && strings.HasPrefix(text, prefix+bad) {
				t.Errorf("%q led to %s, which carries %x", name, a, bad)
			}
		}
	}
}
