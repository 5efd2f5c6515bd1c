package enforcer_test

import (
	"context"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/least-privilege/lpm/enforcer/container"
	"github.com/least-privilege/lpm/enforcer/plan"
	"github.com/least-privilege/lpm/enforcer/supervise"
	"github.com/least-privilege/lpm/manifest"
)

// TestFlood: a container whose threads and processes are refused ever new
// things costs the supervisor no more memory than a bound, and few reports;
// each refusal is counted.
func TestFlood(t *testing.T) {
	const attempts, most = 120_000, 8 << 20
	tests := []struct {
		name string
		// person is asked, and answers.
		person supervise.Asker
	}{
		{"refused", nil},
		{"refused by a person", &refuser{left: 20}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			l := newLab(t, "static")
			var reports atomic.Int64
			var before int64
			o, err := l.try(t.Context(), plan.Enforce, static(func(m *manifest.Manifest) {
				spawns(m)
				sockets(m)
			}), container.Observer{
				Asker:   test.person,
				Started: func(int) { before = resident(t) },
				Denied:  func(supervise.Denial) { reports.Add(1) },
			}, "flood", strconv.Itoa(attempts))
			if err != nil || o.Code != 0 {
				t.Fatalf("code %d, error %v, stderr %q, denials %+v", o.Code, err, o.err, o.Denials)
			}
			if used := peak(t) - before; used > most {
				t.Errorf("the supervisor took %d MiB more, want at most %d", used>>20, most>>20)
			}
			total := o.Others
			for _, d := range o.Denials {
				total += d.Count
			}
			if total != attempts || o.Others == 0 {
				t.Errorf("%d refusals, of which %d others, want %d", total, o.Others, attempts)
			}
			if len(o.Denials) > 1000 || reports.Load() > 2*int64(len(o.Denials)) {
				t.Errorf("%d distinct denials and %d reports", len(o.Denials), reports.Load())
			}
		})
	}
}

// refuser says no to so many things, and then to everything.
type refuser struct {
	mu   sync.Mutex
	left int
}

func (r *refuser) Ask(context.Context, supervise.Question) supervise.Answer {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.left--; r.left < 0 {
		return supervise.NoMore
	}
	return supervise.No
}

// resident gives back what memory it can, and returns what this process has
// left. The kernel counts the peak anew from here on.
func resident(t *testing.T) int64 {
	t.Helper()
	debug.FreeOSMemory()
	if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0); err != nil {
		t.Fatal(err)
	}
	return memory(t, "VmRSS:")
}

func peak(t *testing.T) int64 {
	t.Helper()
	return memory(t, "VmHWM:")
}

// memory reads a line of proc_pid_status(5), in bytes.
func memory(t *testing.T, name string) int64 {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "\n"+name)
	line, _, _ := strings.Cut(rest, " kB\n")
	n, err := strconv.ParseInt(strings.TrimSpace(line), 10, 64)
	if err != nil {
		t.Fatalf("%s %q: %v", name, line, err)
	}
	return n << 10
}
