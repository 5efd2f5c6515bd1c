package workload

import (
	"encoding/csv"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/least-privilege/lpm/analyzer"
	"github.com/least-privilege/lpm/analyzer/internal/stage"
)

// need is a call that an application's own test suite requires.
type need struct{ call, instead, excuse string }

// needs reads those of an application.
func needs(t *testing.T, application string) []need {
	t.Helper()
	f, err := os.Open("testdata/required.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r := csv.NewReader(f)
	r.Comment = '#'
	rows, err := r.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var all []need
	for _, row := range rows[1:] {
		if row[0] == application {
			all = append(all, need{row[1], row[2], row[3]})
		}
	}
	if len(all) < 30 {
		t.Fatalf("%d calls are required by %s", len(all), application)
	}
	return all
}

// TestBenchmarksAreEnough records applications under their benchmarks alone.
// What is proposed has to have all that their own test suites take, and not
// much more.
func TestBenchmarksAreEnough(t *testing.T) {
	client := filepath.Join(t.TempDir(), "client")
	if out, err := exec.Command("go", "build", "-o", client, "../../testdata/bench/memcached").CombinedOutput(); err != nil {
		stage.Missing(t, "the client of memcached: %v: %s", err, out)
	}
	for _, test := range []struct {
		server
		most int // calls that the filter allows
	}{
		{server{image: "nginx", port: 8080, tools: []string{"wrk"}, exercise: `wrk -t 1 -c 4 -d 1s "http://$LPM_HOST:$LPM_PORT/"`}, 80},
		{server{image: "redis", port: 6379, tools: []string{"redis-benchmark"}, exercise: `redis-benchmark -h "$LPM_HOST" -p "$LPM_PORT" -q -n 500 -c 5`}, 75},
		{server{image: "memcached", port: 11211, exercise: client + ` -a "$LPM_HOST:$LPM_PORT" -n 500`}, 70},
	} {
		t.Run(test.image, func(t *testing.T) {
			for _, tool := range test.tools {
				if _, err := exec.LookPath(tool); err != nil {
					stage.Missing(t, "%v", err)
				}
			}
			o := newLab(t, test.image).watch(t, test.server)
			p := propose(t, o)
			allowed := allowedCalls(p)
			if len(allowed) > test.most {
				t.Errorf("allows %d calls, more than %d: %q", len(allowed), test.most, allowed)
			}
			reachableOnly := 0
			for id, why := range p.Why {
				if why.Basis == analyzer.Reachable {
					reachableOnly++
				}
				if why.Reach == analyzer.CannotReach && why.Basis == analyzer.Observed {
					t.Errorf("%s was observed, and is said not to be reachable", id)
				}
			}
			// libcap, which redis has by libsystemd, makes its calls by
			// functions that others may set.
			if untold := p.Untold(); strings.Contains(untold, "libcap.so") != (test.image == "redis") || untold != "" && test.image != "redis" {
				t.Errorf("what is not reachable is unknown: %s", untold)
			}
			required := needs(t, test.image)
			missed(t, required, allowed)
			t.Logf("%s: seen %d, offered unseen %d, proposed %d of at most %d, required %d", test.image, len(o.Record.Calls), reachableOnly, len(allowed), test.most, len(required))
		})
	}
}

func allowedCalls(p *analyzer.Proposal) []string {
	var names []string
	for _, c := range p.Manifest.Syscalls.Allow {
		names = append(names, c.Name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// missed holds that each call that is required is allowed, or excused for a
// good reason: that what is made instead is.
func missed(t *testing.T, required []need, allowed []string) {
	t.Helper()
	has := func(call string) bool { return slices.Contains(allowed, call) }
	for _, n := range required {
		switch {
		case n.excuse == "" && !has(n.call):
			t.Errorf("%s is required, and not allowed", n.call)
		case n.excuse != "" && n.instead != "" && !has(n.instead):
			t.Errorf("%s is excused (%s), and %s is not allowed", n.call, n.excuse, n.instead)
		}
	}
}
