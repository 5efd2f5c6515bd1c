package gateway

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/least-privilege/lpm/enforcer/network/link"
	"github.com/least-privilege/lpm/enforcer/network/policy"
	"github.com/least-privilege/lpm/enforcer/network/resolver"
	"github.com/least-privilege/lpm/manifest"
)

// TestDecideExpired: an address that was a name's once, longer ago than that
// counts, is reached if the name still leads there, and not otherwise.
func TestDecideExpired(t *testing.T) {
	const granted, hosts = "a.example", "192.0.2.7 a.example\n192.0.2.7 b.example\n2001:db8::7 a.example\n"
	long := policy.Grace + time.Second
	for _, test := range []struct {
		name, to string
		pinned   string // the name that led there
		ago      time.Duration
		hosts    string
		want     bool
		asks     bool // the name server
	}{
		{"of late", "192.0.2.7:443", granted, 0, "", true, false},
		{"in the grace period", "192.0.2.7:443", granted, policy.Grace - time.Minute, "", true, false},
		{"still there", "192.0.2.7:443", granted, long, hosts, true, false},
		{"still there, in IPv6", "[2001:db8::7]:443", granted, long, hosts, true, false},
		{"still there, in another form", "[::ffff:192.0.2.7]:443", granted, long, hosts, true, false},
		{"still there, at another port", "192.0.2.7:80", granted, long, hosts, false, false},
		{"elsewhere by now", "192.0.2.8:443", granted, long, hosts, false, false},
		{"no longer granted", "192.0.2.7:443", "b.example", long, hosts, false, false},
		{"never seen", "192.0.2.9:443", "", 0, hosts, false, false},
		{"nobody knows", "192.0.2.7:443", granted, long, "", false, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			g, asked := expiring(t, granted, test.hosts)
			to := netip.MustParseAddrPort(test.to)
			if test.pinned != "" {
				g.pins.Pin(test.pinned, to.Addr(), 0, time.Now().Add(-test.ago))
			}
			a := g.Decide(link.Flow{Protocol: manifest.TCP, To: to})
			if a.Allowed != test.want || a.Allowed == (a.Reason != "") {
				t.Errorf("%+v, want %t", a, test.want)
			}
			if a.Allowed && a.Name != granted {
				t.Errorf("allowed for %q", a.Name)
			}
			if got := asked.Load() > 0; got != test.asks {
				t.Errorf("a name server was asked: %t", got)
			}
			// What was found out holds for the next one.
			if again := g.Decide(link.Flow{Protocol: manifest.TCP, To: to}); again.Allowed != test.want {
				t.Errorf("the second time: %+v", again)
			}
		})
	}
}

// expiring is a gateway that grants a name at TCP port 443, with a hosts file and
// a name server that is not there, and counts who asks it.
func expiring(t *testing.T, name, hosts string) (*Gateway, *atomic.Int32) {
	t.Helper()
	dir, asked := t.TempDir(), &atomic.Int32{}
	files := map[string]string{"hosts": hosts, "resolv.conf": "nameserver 192.0.2.53\noptions timeout:1 attempts:1\n"}
	for file, text := range files {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	g := &Gateway{pins: policy.NewPins()}
	g.rules.Store(policy.New(manifest.Network{Mode: manifest.NetworkPrivate, Egress: []manifest.Egress{
		{Host: name, Ports: []manifest.PortRange{manifest.Port(443)}, Protocol: manifest.TCP},
	}}))
	g.resolver = resolver.New(resolver.Config{
		Rules: g.rules.Load, Pins: g.pins, Hosts: filepath.Join(dir, "hosts"), ResolvConf: filepath.Join(dir, "resolv.conf"),
		Dial: func(context.Context, string, string) (net.Conn, error) {
			asked.Add(1)
			return nil, errors.New("nobody is there")
		},
	})
	return g, asked
}
