package coverage

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/least-privilege/lpm/analyzer"
	"github.com/least-privilege/lpm/analyzer/evidence"
	"github.com/least-privilege/lpm/manifest"
)

// run is a record of calls, each first made so many milliseconds after the
// start.
func run(duration int64, calls map[string]int64) *evidence.Record {
	r := &evidence.Record{
		Version: 1, Image: evidence.Image{Digest: "sha256:" + strings.Repeat("0", 64)},
		Architecture: "amd64", Kernel: "6.18", Network: manifest.NetworkHost,
		Identity: evidence.Identity{Mode: manifest.IdentitySingle},
		Started:  time.Unix(0, 0), Duration: duration,
	}
	for name, first := range calls {
		info, _ := manifest.LookupSyscall("amd64", name)
		r.Calls = append(r.Calls, evidence.Call{
			Architecture: "amd64", Number: info.Number, Name: name, Seen: evidence.Seen{Count: 1, First: first},
		})
	}
	return r
}

func of(t *testing.T, records ...*evidence.Record) *Curve {
	t.Helper()
	c, err := Of(records, analyzer.ImageFacts{Reachable: map[string]string{}})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestOf(t *testing.T) {
	c := of(t,
		run(1000, map[string]int64{"openat": 5, "getuid": 900}),
		run(2000, map[string]int64{"openat": 1, "unlink": 70, "getuid": 2}),
		run(500, map[string]int64{"openat": 3}),
	)
	var got []string
	for _, r := range c.Runs {
		var ids []string
		for _, p := range r.New {
			ids = append(ids, p.ID)
		}
		got = append(got, strings.Join(ids, " "))
	}
	if want := "syscall:openat syscall:getuid|syscall:unlink|"; strings.Join(got, "|") != want {
		t.Errorf("new permissions %q, want %q", strings.Join(got, "|"), want)
	}
	if c.Runs[1].New[0].First != 70 || c.Runs[2].Total != 3 {
		t.Errorf("curve %+v", c)
	}
}

func TestSentence(t *testing.T) {
	one, two := map[string]int64{"openat": 5}, map[string]int64{"openat": 5, "unlink": 12_300}
	for _, test := range []struct {
		name string
		runs []*evidence.Record
		want string
	}{
		{"one run", []*evidence.Record{run(30_000, two)}, "the last of 2 permissions came after 12.3 s of a run of 30.0 s; "},
		{"nothing seen", []*evidence.Record{run(100, nil)}, "the last of 0 permissions came after 0.0 s of a run of 0.1 s; "},
		{"still new ones", []*evidence.Record{run(9, one), run(9, two)}, "the last of 2 runs still showed 1 new permission, so that more are to be expected; "},
		{"a quiet run", []*evidence.Record{run(9, two), run(9, one)}, "no new permission in the last of 2 runs; "},
		{"quiet runs", []*evidence.Record{run(9, one), run(9, two), run(9, one), run(9, two), run(9, one), run(9, one)},
			"no new permission in the last 4 of 6 runs; "},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := of(t, test.runs...).Sentence(); got != test.want+caveat {
				t.Errorf("%q, want %q", got, test.want+caveat)
			}
		})
	}
}

func TestText(t *testing.T) {
	got := of(t, run(3000, map[string]int64{"openat": 0, "getuid": 1500}), run(1000, nil)).Text(42)
	want := ` 2│              █████████████████████████
  │              █████████████████████████
  │              █████████████████████████
  │              █████████████████████████
  │███████████████████████████████████████
  │███████████████████████████████████████
  │███████████████████████████████████████
 0│███████████████████████████████████████
  └─────────────────────────────┬─────────
   run 1, 3.0 s: 2 new
   run 2, 1.0 s: 0 new
`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if got := of(t, run(10, nil)).Text(80); got != "no permission was seen in use\n" {
		t.Errorf("of nothing: %q", got)
	}
}

func TestSVG(t *testing.T) {
	for _, c := range []*Curve{
		of(t, run(0, nil)),
		of(t, run(10, map[string]int64{"openat": 99_999}), run(50_000, map[string]int64{"unlink": 3})),
	} {
		svg := c.SVG()
		d := xml.NewDecoder(strings.NewReader(string(svg)))
		for {
			if _, err := d.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%v in\n%s", err, svg)
			}
		}
		if !strings.Contains(string(svg), c.Sentence()) {
			t.Errorf("the description is missing:\n%s", svg)
		}
		if strings.Contains(string(svg), "NaN") || strings.Contains(string(svg), "Inf") {
			t.Errorf("numbers in\n%s", svg)
		}
	}
}

func TestOfRefuses(t *testing.T) {
	other := run(1, nil)
	other.Libc, other.Image.Digest = "musl", "sha256:"+strings.Repeat("1", 64)
	var conflict *analyzer.ConflictError
	if _, err := Of([]*evidence.Record{run(1, nil), other}, analyzer.ImageFacts{}); !errors.As(err, &conflict) {
		t.Errorf("error %v", err)
	}
}
