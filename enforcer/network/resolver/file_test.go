package resolver

import (
	"net/netip"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestParseConf(t *testing.T) {
	addrs := func(texts ...string) (list []netip.Addr) {
		for _, text := range texts {
			list = append(list, netip.MustParseAddr(text))
		}
		return list
	}
	for _, c := range []struct {
		name, text string
		want       conf
	}{
		{"nothing", "", conf{servers: addrs("127.0.0.1"), timeout: 2 * time.Second, attempts: 2}},
		{"usual", "# a comment\n; another\nnameserver 192.0.2.1\nnameserver\t2001:db8::1 # rest\nsearch a.example B.Example.\noptions edns0 trust-ad\n",
			conf{addrs("192.0.2.1", "2001:db8::1"), []string{"a.example", "b.example"}, 2 * time.Second, 2, false}},
		{"the last of domain and search counts", "search a.example b.example\ndomain c.example d.example\nnameserver fe80::1%eth0",
			conf{addrs("fe80::1%eth0"), []string{"c.example"}, 2 * time.Second, 2, false}},
		{"options", "nameserver 192.0.2.1\noptions timeout:7 attempts:4 use-vc\n", conf{addrs("192.0.2.1"), nil, 7 * time.Second, 4, true}},
		{"too much", "nameserver 192.0.2.1\noptions timeout:99999999999 attempts:100\noptions timeout:100", conf{addrs("192.0.2.1"), nil, maxTimeout, maxAttempts, false}},
		{"nonsense", "nameserver nobody\nnameserver 192.0.2.1\noptions timeout:x timeout:0 timeout:-1 attempts:\nsearch . .. a/b\nsearch\nnameserver\n\x00\xff", conf{addrs("192.0.2.1"), nil, 2 * time.Second, 2, false}},
		{"many", strings.Repeat("nameserver 192.0.2.1\n", 100) + "search" + strings.Repeat(" a.example", 100),
			conf{slices.Repeat(addrs("192.0.2.1"), maxServers), slices.Repeat([]string{"a.example"}, maxSearch), 2 * time.Second, 2, false}},
	} {
		got := parseConf([]byte(c.text))
		if !slices.Equal(got.servers, c.want.servers) || !slices.Equal(got.search, c.want.search) ||
			got.timeout != c.want.timeout || got.attempts != c.want.attempts || got.stream != c.want.stream {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}

// The host's hosts file comes first, and is read again when it has changed.
func TestHosts(t *testing.T) {
	u := newUpstream(t, zone("api.example.com 60 A 203.0.113.1", "api.example.com 60 AAAA 2001:db8::66", "www.example.com 60 A 203.0.113.2"))
	b := newRig(t, []string{"api.example.com", "www.example.com", "db", "self"}, u)
	expect := func(name, want4, want6 string) {
		t.Helper()
		if got := addresses(b.ask(t, name, a4)); got != want4 {
			t.Errorf("%s has %q, want %q", name, got, want4)
		}
		if got := addresses(b.ask(t, name, a6)); got != want6 {
			t.Errorf("%s has %q, want %q", name, got, want6)
		}
	}
	expect("api.example.com", "203.0.113.1", "2001:db8::66")
	write(t, b.host, `
# comment
192.0.2.1	API.Example.com	db # db is here
192.0.2.2 db
192.0.2.2 db
::ffff:192.0.2.3 db
2001:db8::1 db
127.0.1.1 self
nonsense db
192.0.2.9
192.0.2.66 other.example.com
192.0.2.67 mydb db.example.net # db was here
`)
	expect("api.example.com", "192.0.2.1", "")
	expect("db", "192.0.2.1 192.0.2.2 192.0.2.3", "2001:db8::1")
	expect("www.example.com", "203.0.113.2", "")
	expect("self", "", "") // the machine's own loopback
	if m := b.ask(t, "other.example.com", a4); m.RCode != gone {
		t.Errorf("a name that is not granted: %s", m.RCode)
	}
	write(t, b.host, "192.0.2.7 db\n")
	expect("db", "192.0.2.7", "")
	if names := b.pins.Names(netip.MustParseAddr("192.0.2.7"), b.now); !slices.Equal(names, []string{"db"}) {
		t.Errorf("the address is pinned to %q", names)
	}
	// A long one, of which the end is passed over: a cut line could say
	// something else.
	const start = "192.0.2.9 db"
	write(t, b.host, strings.Repeat("\n", maxFile-len(start))+start+"x.example.com\n")
	expect("db", "", "")
	expect("api.example.com", "203.0.113.1", "2001:db8::66")
	if err := os.Remove(b.host); err != nil {
		t.Fatal(err)
	}
	expect("api.example.com", "203.0.113.1", "2001:db8::66")
}

// The servers are those that the host has now.
func TestConfChanges(t *testing.T) {
	old := newUpstream(t, zone("api.example.com 0 A 192.0.2.1"))
	now := newUpstream(t, zone("api.example.com 0 A 192.0.2.2"))
	b := newRig(t, []string{"api.example.com"}, old, now)
	for file, want := range map[string]string{"nameserver 192.0.2.53\n": "192.0.2.1", "nameserver 192.0.2.54 # new\n": "192.0.2.2"} {
		write(t, b.conf, file)
		if got := addresses(b.ask(t, "api.example.com", a4)); got != want {
			t.Errorf("%s: %q, want %q", file, got, want)
		}
	}
}

// What cannot be read is an error, and nobody waits for it.
func TestBadFiles(t *testing.T) {
	u := newUpstream(t, zone("api.example.com 0 A 192.0.2.1"))
	for name, spoil := range map[string]func(path string) error{
		"folder": func(path string) error { return os.Mkdir(path, 0o700) },
		"pipe":   func(path string) error { return syscall.Mkfifo(path, 0o600) },
		"loop":   func(path string) error { return os.Symlink(path, path) },
	} {
		for _, which := range []string{"conf", "hosts"} {
			b := newRig(t, []string{"api.example.com"}, u)
			path := map[string]string{"conf": b.conf, "hosts": b.host}[which]
			os.Remove(path)
			if err := spoil(path); err != nil {
				t.Fatal(err)
			}
			m := b.ask(t, "api.example.com", a4)
			if l := b.told(t); m.RCode != fails || l.Err == nil || !strings.Contains(l.Err.Error(), path) {
				t.Errorf("a %s for %s: %s, %v", name, which, m.RCode, l.Err)
			}
		}
	}
}
