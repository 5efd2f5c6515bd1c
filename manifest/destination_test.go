package manifest

import (
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
)

func TestDestinationLevels(t *testing.T) {
	for _, tt := range []struct {
		target  string
		want    Level
		meaning string // a part of it
	}{
		{"api.example.com", Normal, "serves this name"},
		{"db", Normal, "serves this name"},
		{"*.example.com", Dangerous, "in the names that it looks up"},
		{"*.s3.example.com", Dangerous, "in the names that it looks up"},
		{"*.com", Special, "ends in .com"},
		{"*.internal", Special, "ends in .internal"},
		{"*.co.uk", Special, "ends in .co.uk"},
		{"*.or.jp", Special, "ends in .or.jp"},
		{"*.example.co.uk", Dangerous, ""},
		{"*.co.example", Dangerous, ""},
		{"192.0.2.0/24", Normal, "these machines"},
		{"192.0.2.7/32", Normal, ""},
		{"192.0.2.0/23", Dangerous, "large part"},
		{"2001:db8::/48", Normal, ""},
		{"2001:db8::/47", Dangerous, "large part"},
		{"10.1.2.3/32", Dangerous, "local network"},
		{"fd12::/64", Dangerous, "local network"},
		{"224.0.0.251/32", Dangerous, "local network"},
		{"ff02::fb/128", Dangerous, "local network"},
		{"255.255.255.255/32", Dangerous, "local network"},
		{"127.0.0.1/32", Special, "your machine's own services"},
		{"127.0.0.0/8", Special, "your machine's own services"},
		{"::1/128", Special, "your machine's own services"},
		{"126.0.0.0/7", Dangerous, ""},
		{"169.254.0.0/24", Dangerous, "local network"},
		{"169.254.169.254/32", Special, "keys"},
		{"168.63.129.0/24", Special, "keys"},
		{"fd00:ec2::23/128", Special, "keys"},
		{"64:ff9b::/96", Special, "keys"},
		{"0.0.0.0/0", Special, "keys"},
		{"::/0", Special, "keys"},
	} {
		e := Egress{Host: tt.target, Protocol: ICMP}
		if strings.Contains(tt.target, "/") {
			e.Host, e.CIDR = "", tt.target
		}
		p := problems{}
		if e.validate(&p, "egress", NetworkPrivate); len(p) > 0 {
			t.Fatalf("%s: %v", tt.target, p)
		}
		got, meaning := e.level()
		if got != tt.want || !strings.Contains(meaning, tt.meaning) {
			t.Errorf("%s is %s (%q), want %s (%q)", tt.target, got, meaning, tt.want, tt.meaning)
		}
	}
}

func TestTargetWithin(t *testing.T) {
	for _, tt := range []struct {
		outer, inner string
		want         bool
	}{
		{"a.example.com", "a.example.com", true},
		{"*.example.com", "a.example.com", true},
		{"*.example.com", "a.b.example.com", true},
		{"*.example.com", "*.example.com", true},
		{"*.example.com", "*.a.example.com", true},
		{"*.example.com", "example.com", false},
		{"*.example.com", "badexample.com", false},
		{"*.example.com", "*.badexample.com", false},
		{"*.a.example.com", "*.example.com", false},
		{"*.a.example", "*.example.com", false},
		{"*.com", "*.example.com", true},
		{"a.example.com", "*.example.com", false},
		{"a.example.com", "*.a.example.com", false},
		{"a.example.com", "b.a.example.com", false},
		// A name has no block, and a block no name.
		{"*.example.com", "0.0.0.0/0", false},
		{"0.0.0.0/0", "a.example.com", false},
		{"192.0.2.0/24", "192.0.2.128/25", true},
		{"192.0.2.128/25", "192.0.2.0/24", false},
		{"192.0.2.0/24", "192.0.3.0/24", false},
		{"::/0", "192.0.2.0/24", false},
		{"0.0.0.0/0", "2001:db8::/32", false},
		// Whoever asks for the world asks for no loopback.
		{"0.0.0.0/0", "127.0.0.1/32", false},
		{"0.0.0.0/0", "127.0.0.0/8", false},
		{"::/0", "::1/128", false},
		{"127.0.0.0/8", "127.0.0.1/32", true},
		{"127.0.0.0/8", "127.0.0.0/9", true},
	} {
		if got := targetWithin(to(tt.outer), to(tt.inner)); got != tt.want {
			t.Errorf("%s within %s: %t", tt.inner, tt.outer, got)
		}
	}
}

func to(target string) Egress {
	if strings.Contains(target, "/") {
		return Egress{CIDR: target}
	}
	return Egress{Host: target}
}

// A destination within another never has a higher level.
func TestDestinationLevelsRiseWithWidth(t *testing.T) {
	compared := 0
	for seed := range uint64(20_000) {
		r := rand.New(rand.NewPCG(seed, 5))
		outer, inner := randomBlock(r), randomBlock(r)
		if !targetWithin(outer, inner) {
			continue
		}
		compared++
		wide, _ := outer.level()
		if narrow, _ := inner.level(); wide < narrow {
			t.Fatalf("%s is %s, and %s, a part of it, is %s", outer.CIDR, wide, inner.CIDR, narrow)
		}
	}
	if compared < 1000 {
		t.Errorf("only %d were compared", compared)
	}
}

// randomBlock returns a block around one of the addresses that matter.
func randomBlock(r *rand.Rand) Egress {
	a := netip.MustParseAddr(pick(r, "127.0.0.1", "169.254.169.254", "10.0.0.1", "192.0.2.1", "0.0.0.0", "::1", "fd00:ec2::254", "2001:db8::1", "::"))
	block, err := a.Prefix(r.IntN(a.BitLen() + 1))
	if err != nil {
		panic(err)
	}
	return Egress{CIDR: block.String()}
}
