package coverage

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
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

// families is a record of sockets of address families.
func families(duration int64, families ...uint64) *evidence.Record {
	r := run(duration, nil)
	c := evidence.Call{Architecture: "amd64", Number: 41, Name: "socket", Seen: evidence.Seen{Count: uint64(len(families))}}
	for _, f := range families {
		c.Values = append(c.Values, evidence.Values{
			Args: []evidence.Arg{{Arg: 0, Value: f}, {Arg: 1, Value: 1}}, Seen: evidence.Seen{Count: 1, First: int64(f)},
		})
	}
	r.Calls = append(r.Calls, c)
	return r
}

// TestWidened holds that a permission which a run has widened is new, and not
// counted with the one whose place it takes.
func TestWidened(t *testing.T) {
	const unix, inet, inet6 = 1, 2, 10
	c := of(t, families(100, unix), families(100, inet, unix), families(100, inet), families(100, inet6))
	var totals, news []int
	for i, r := range c.Runs {
		totals, news = append(totals, r.Total), append(news, len(r.New))
		for _, p := range r.New {
			if p.Widens != (i > 0) {
				t.Errorf("run %d: %+v", i+1, p)
			}
		}
	}
	if !slices.Equal(news, []int{1, 1, 0, 1}) || !slices.Equal(totals, []int{1, 1, 1, 1}) {
		t.Errorf("new %v, totals %v in %+v", news, totals, c)
	}
	if steps, _ := c.points(); steps[len(steps)-1].total != 1 || most(steps) != 1 {
		t.Errorf("steps %+v", steps)
	}
}

// TestFolders holds that the many folders of one parent that become one permission
// are one in the curve too.
func TestFolders(t *testing.T) {
	written := func(from, to int) *evidence.Record {
		r := run(100, nil)
		for i := from; i < to; i++ {
			r.Files = append(r.Files, evidence.File{
				Path: fmt.Sprintf("/var/cache/app/%d/x", i), Access: []evidence.Access{evidence.Create}, Seen: evidence.Seen{Count: 1},
			})
		}
		return r
	}
	c := of(t, written(0, 6), written(6, 12))
	if c.Runs[0].Total != 6 || c.Runs[1].Total != 1 || len(c.Runs[1].New) != 1 {
		t.Errorf("curve %+v", c)
	}
	steps, _ := c.points()
	if steps[len(steps)-1].total != 1 || most(steps) != 6 {
		t.Errorf("steps %+v", steps)
	}
	if svg, text := c.SVG(), c.Text(40); !strings.Contains(string(svg), ">6</text>") || !strings.Contains(text, " 6│") {
		t.Errorf("drawn\n%s\n%s", svg, text)
	}
}

// TestLongest holds that the longest runs a record can tell of can be drawn.
func TestLongest(t *testing.T) {
	var runs []*evidence.Record
	for range 50 {
		r := run(evidence.MaxDuration, map[string]int64{"openat": evidence.MaxDuration})
		if err := r.Validate(); err != nil {
			t.Fatal(err)
		}
		runs = append(runs, r)
	}
	c := of(t, runs...)
	if text, svg := c.Text(500), string(c.SVG()); !strings.Contains(text, "run 50, 8784h0m0s: 0 new") || !strings.Contains(svg, ">439200h0m0s<") {
		t.Errorf("drawn\n%s\n%s", text, svg)
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
