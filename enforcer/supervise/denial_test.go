package supervise

import (
	"net/netip"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
)

// TestLedgerIsBounded: a container that is refused ever new things costs no
// more memory than the bound, and loses no count.
func TestLedgerIsBounded(t *testing.T) {
	var l ledger
	for i := range maxDenials + 500 {
		l.note(Denial{Kind: KindProgram, What: "/tmp/" + strconv.Itoa(i)})
	}
	for range 3 {
		if l.note(Denial{Kind: KindProgram, What: "/tmp/0"}) != nil {
			t.Error("a known denial was taken for a new one")
		}
	}
	list := l.sorted()
	if len(list) != maxDenials || l.others != 500 {
		t.Fatalf("%d kept, %d others", len(list), l.others)
	}
	if list[0].What != "/tmp/0" || list[0].Count != 4 {
		t.Errorf("first %+v, want /tmp/0 four times", list[0])
	}
}

func TestNewer(t *testing.T) {
	for _, test := range []struct {
		a, b string
		want bool
	}{
		{"6.9", "6.12", false}, {"6.12", "6.9", true}, {"7.0", "6.18", true}, {"6.18", "6.18", false}, {"", "6.18", false}, {"5.1", "", true},
	} {
		if got := newer(test.a, test.b); got != test.want {
			t.Errorf("newer(%q, %q) is %v", test.a, test.b, got)
		}
	}
}

func TestParseAddress(t *testing.T) {
	tests := []struct {
		name string
		in   []byte
		want string
	}{
		{"IPv4", []byte{2, 0, 0x1f, 0x90, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0}, "127.0.0.1:8080"},
		{"IPv6", append([]byte{10, 0, 0, 80, 0, 0, 0, 0, 15: 0, 23: 1}, 0, 0, 0, 0), "[::1]:80"},
		{"IPv6 without a scope", []byte{10, 0, 0, 80, 23: 1}, "[::1]:80"},
		{"IPv4 cut short", []byte{2, 0, 0, 80, 127, 0, 0, 1}, ""},
		{"a path", append([]byte{unix.AF_UNIX, 0}, "/run/socket\x00"...), ""},
		{"nothing", nil, ""},
		{"no family", []byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := ParseAddress(test.in)
			if (err == nil) != (test.want != "") || err == nil && got.String() != test.want {
				t.Errorf("got %v, %v; want %q", got, err, test.want)
			}
		})
	}
}

func FuzzParseAddress(f *testing.F) {
	f.Add([]byte{2, 0, 0x1f, 0x90, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0})
	f.Add([]byte{10, 0, 0, 80, 23: 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		if a, err := ParseAddress(b); err == nil && (!a.IsValid() || a == netip.AddrPort{}) {
			t.Errorf("%x is %v", b, a)
		}
	})
}
