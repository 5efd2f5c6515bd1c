package supervise

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestLedgerIsBounded: a container that is refused ever new things costs no
// more memory than the bounds, and loses no count.
func TestLedgerIsBounded(t *testing.T) {
	const short, long = 500, unix.PathMax
	for _, test := range []struct {
		name  string
		width int
		kept  int
	}{
		{"many", short, maxDenialBytes / (short + len("/program"))},
		{"long", long, maxDenialBytes / (long + len("/program"))},
		{"short", 10, maxDenials},
	} {
		t.Run(test.name, func(t *testing.T) {
			var l ledger
			name := func(i int) *refusal {
				return &refusal{subject: subject{KindProgram, fmt.Sprintf("/%0*d", test.width-1, i)}, errno: unix.EACCES}
			}
			const more = 500
			for i := range test.kept + more {
				if _, report := l.note(name(i), "/program", time.Now(), 1); report != (i < test.kept) {
					t.Fatalf("number %d is reported: %v", i, report)
				}
			}
			list, others := l.sorted()
			if len(list) != test.kept || others != more {
				t.Errorf("%d kept, %d others; want %d and %d", len(list), others, test.kept, more)
			}
		})
	}
}

// TestLedgerReports: a denial is reported when it is new and whenever its
// count has doubled, with the times of the first and the last.
func TestLedgerReports(t *testing.T) {
	var l ledger
	r := &refusal{subject: subject{KindSyscall, "ptrace"}, errno: unix.EPERM}
	begin := time.Unix(1000, 0)
	var reported []uint64
	for i := range 100 {
		if d, report := l.note(r, "/program", begin.Add(time.Duration(i)*time.Second), 1); report {
			reported = append(reported, d.Count)
		}
	}
	if want := []uint64{1, 2, 4, 8, 16, 32, 64}; !slices.Equal(reported, want) {
		t.Errorf("reported at counts %d, want %d", reported, want)
	}
	if _, report := l.note(r, "/other", begin, 1); !report {
		t.Error("another program's is not taken for a new one")
	}
	list, _ := l.sorted()
	if d := list[1]; d.Count != 100 || !d.First.Equal(begin) || !d.Last.Equal(begin.Add(99*time.Second)) || d.Errno != "EPERM" {
		t.Errorf("%+v", d)
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
