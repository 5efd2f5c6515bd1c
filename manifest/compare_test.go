package manifest

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

func describe(d Diff) string {
	var b strings.Builder
	for _, side := range []struct {
		sign    string
		changes []Change
	}{{"+", d.Added}, {"^", d.Widened}, {"v", d.Narrowed}, {"-", d.Removed}} {
		for _, c := range side.changes {
			fmt.Fprintf(&b, "%s%s ", side.sign, c.Subject)
		}
	}
	return strings.TrimSpace(b.String())
}

func TestCompare(t *testing.T) {
	syscall := func(entries string) string {
		return strings.Replace(minimal, `"6.18"`, `"6.18","allow":[`+entries+`]`, 1)
	}
	inet, both := `{"name":"socket","when":[{"arg":0,"oneOf":["AF_INET"]}]}`, `{"name":"socket","when":[{"arg":0,"oneOf":["AF_INET","AF_UNIX"]}]}`
	unix := `{"name":"socket","when":[{"arg":0,"oneOf":["AF_UNIX"]}]}`
	for _, tt := range []struct{ name, old, new, want string }{
		{"same", everything, everythingCanonical, ""},
		{"call", syscall(`{"name":"read"}`), syscall(`{"name":"write"}`), "+syscall:write -syscall:read"},
		{"wider condition", syscall(inet), syscall(both), "^syscall:socket"},
		{"narrower condition", syscall(both), syscall(inet), "vsyscall:socket"},
		{"other condition", syscall(inet), syscall(unix), "^syscall:socket"},
		{"condition in two entries", syscall(both), syscall(inet + "," + unix), ""},
		{"no condition", syscall(inet), syscall(`{"name":"socket"}`), "^syscall:socket"},
		{"reason", body(`"identity":{"mode":"range"}`), body(`"identity":{"mode":"range","reason":"x"}`), ""},
		{"no longer optional", body(`"identity":{"mode":"range","optional":true}`), body(`"identity":{"mode":"range"}`), "^identity"},
		{"more memory", body(`"resources":{"memory":1048576}`), body(`"resources":{"memory":2097152}`), "^resource:memory"},
		{"no bound", body(`"resources":{"memory":1048576}`), minimal, "^resource:memory"},
		{"a bound", minimal, body(`"resources":{"memory":1048576}`), "vresource:memory"},
		{"more disk time", body(`"resources":{"ioWeight":10}`), body(`"resources":{"ioWeight":100}`), "^resource:ioWeight"},
		{"folder above", body(`"filesystem":{"writable":[{"path":"/var/log"}]}`), body(`"filesystem":{"writable":[{"path":"/var"}]}`), "+write:/var"},
		{"folder below", body(`"filesystem":{"writable":[{"path":"/var"}]}`), body(`"filesystem":{"writable":[{"path":"/var/log"}]}`), "-write:/var"},
		{"less to read", minimal, body(`"filesystem":{"readable":[{"path":"/etc"}]}`), "-read:/"},
		{"all to read", body(`"filesystem":{"readable":[{"path":"/etc"}]}`), minimal, "+read:/"},
		{"network", minimal, body(`"network":{"mode":"host"}`), "+network"},
		{"wider network", body(`"network":{"mode":"private"}`), body(`"network":{"mode":"host"}`), "^network"},
		{"narrower network", body(`"network":{"mode":"host"}`), body(`"network":{"mode":"private"}`), "vnetwork"},
		{"one more port", body(`"network":{"mode":"host","egress":[{"ports":["80"],"protocol":"tcp"}]}`), body(`"network":{"mode":"host","egress":[{"ports":["80-81"],"protocol":"tcp"}]}`), "^egress::tcp"},
		{"ping", body(`"network":{"mode":"private"}`), body(`"network":{"mode":"private","egress":[{"host":"a.example.com","protocol":"icmp"}]}`), "+egress:a.example.com:icmp"},
		{"ping beside a port", body(`"network":{"mode":"private","egress":[{"host":"a.example.com","ports":["1-65535"],"protocol":"udp"}]}`), body(`"network":{"mode":"private","egress":[{"host":"a.example.com","ports":["1-65535"],"protocol":"udp"},{"host":"a.example.com","protocol":"icmp"}]}`), "+egress:a.example.com:icmp"},
		{"ping of a name below", body(`"network":{"mode":"private","egress":[{"host":"*.example.com","protocol":"icmp"}]}`), body(`"network":{"mode":"private","egress":[{"host":"a.example.com","protocol":"icmp"}]}`), "-egress:*.example.com:icmp"},
		{"published", body(`"network":{"mode":"private","listen":[{"port":80,"protocol":"tcp"}]}`), body(`"network":{"mode":"private","listen":[{"port":80,"protocol":"tcp","publish":true}]}`), "^listen:tcp/80"},
		{"mount to be written", body(`"mounts":[{"path":"/a","volume":"v"}]`), body(`"mounts":[{"path":"/a","volume":"v","write":true}]`), "^mount:/a"},
		{"other source", body(`"mounts":[{"path":"/a","volume":"v"}]`), body(`"mounts":[{"path":"/a","host":"/srv"}]`), "^mount:/a"},
		{"architecture", syscall(`{"name":"read"}`), strings.Replace(syscall(`{"name":"read"}`), "amd64", "arm64", 1), "^syscall:read"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := describe(Compare(parse(t, tt.old), parse(t, tt.new))); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// "Asks for nothing new" and Covers say the same.
func TestCompareAgreesWithCovers(t *testing.T) {
	forRandom(t, func(t *testing.T, a, b, _ *Manifest) {
		m := meetOf(t, a, b)
		if m == nil {
			return
		}
		for _, pair := range [][2]*Manifest{{a, b}, {a, m}, {m, a}, {a, a}} {
			d := Compare(pair[0], pair[1])
			beyond := Covers(pair[0], pair[1])
			if len(beyond) > 0 && !d.Wider() {
				t.Errorf("%s is new, and the comparison does not say so: %s", beyond[0].ID, describe(d))
			}
			if pair[0] == pair[1] && describe(d) != "" {
				t.Errorf("a manifest differs from itself: %s", describe(d))
			}
		}
	})
}

func TestWithout(t *testing.T) {
	m := parse(t, everything)
	got, err := m.Without("capability:CAP_NET_RAW", "syscall:ioctl(1=TIOCGWINSZ)")
	if err != nil {
		t.Fatal(err)
	}
	if d := describe(Compare(m, got)); d != "-capability:CAP_NET_RAW -syscall:ioctl" {
		t.Errorf("got %s", d)
	}
	if len(m.Capabilities) != 2 || m.Capabilities[1].Name != "CAP_NET_RAW" {
		t.Error("Without changed the manifest")
	}
	network := parse(t, body(`"network":{"mode":"private","optional":true,"listen":[{"port":80,"protocol":"tcp"}]}`))
	if got, err = network.Without("network:private"); err != nil || got.Network.Mode != NetworkNone || len(got.Network.Listen) > 0 {
		t.Errorf("without its network: %+v, %v", got, err)
	}
	for _, tt := range []struct {
		name, text, id string
		want           error
	}{
		{"not there", everything, "capability:CAP_SYS_ADMIN", ErrUnknownPermission},
		{"required", everything, "capability:CAP_SETUID", ErrRequired},
		{"follows from what is not there", everything, "resource:fileSize", ErrRequired},
		{"last readable path", body(`"filesystem":{"readable":[{"path":"/etc","optional":true}]}`), "read:/etc", ErrLastReadable},
		{"included in another", body(`"execute":[{"path":"*"},{"path":"/bin/sh","optional":true}]`), "execute:/bin/sh", ErrStillAllowed},
	} {
		if got, err := parse(t, tt.text).Without(tt.id); !errors.Is(err, tt.want) {
			t.Errorf("%s: got %v, %v", tt.name, got, err)
		}
	}
}

func TestUnionAndIntersectErrors(t *testing.T) {
	amd64, arm64 := parse(t, minimal), parse(t, strings.Replace(minimal, "amd64", "arm64", 1))
	if _, err := Union(amd64, arm64); !errors.Is(err, ErrArchitecture) {
		t.Errorf("union of two architectures: %v", err)
	}
	if _, err := Intersect(amd64, arm64); !errors.Is(err, ErrArchitecture) {
		t.Errorf("intersection of two architectures: %v", err)
	}
	etc, usr := parse(t, body(`"filesystem":{"readable":[{"path":"/etc"}]}`)), parse(t, body(`"filesystem":{"readable":[{"path":"/usr"}]}`))
	if _, err := Intersect(etc, usr); !errors.Is(err, ErrNothingReadable) {
		t.Errorf("intersection of what can be read: %v", err)
	}
	volume, host := parse(t, body(`"mounts":[{"path":"/a","volume":"v"}]`)), parse(t, body(`"mounts":[{"path":"/a","host":"/srv"}]`))
	if _, err := Union(volume, host); err == nil {
		t.Error("two mounts at one path were joined")
	}
	ping := parse(t, body(`"network":{"mode":"private","egress":[{"host":"a.b","protocol":"icmp"}]}`))
	if _, err := Union(ping, parse(t, body(`"network":{"mode":"host"}`))); err == nil || !strings.Contains(err.Error(), "ICMP") {
		t.Errorf("union of ICMP and the host's network: %v", err)
	}
}
