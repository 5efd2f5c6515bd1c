package render

import (
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"time"
)

// screen is what a terminal is sent, safe for use by several goroutines.
type screen struct {
	mu   sync.Mutex
	text strings.Builder
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// waitFor waits until a text appears after so many bytes, and returns how many
// there are by then.
func (s *screen) waitFor(t *testing.T, after int, text string) int {
	t.Helper()
	for range 600 {
		if all := s.String(); strings.Contains(all[after:], text) {
			return len(all)
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("%q does not appear: %q", text, s.String()[after:])
	return 0
}

func TestProgressOnATerminal(t *testing.T) {
	s := new(screen)
	p := (&Terminal{Err: s, redraw: true}).Start("pulling \x1b[2Japp:1")
	const waiting = `pulling \x1b[2Japp:1 …`
	drawn := s.waitFor(t, 0, waiting)
	p.Update(512<<10, 1<<20)
	drawn = s.waitFor(t, drawn, " 50% ")
	p.Update(512<<10, 2<<20) // the total can grow
	drawn = s.waitFor(t, drawn, " 25% ")
	p.Update(2<<20, 2<<20)
	drawn = s.waitFor(t, drawn, waiting)
	p.Update(1<<20, 4<<20) // another image of the same source
	s.waitFor(t, drawn, " 25% ")
	p.Stop()
	if text := s.String(); !strings.HasSuffix(text, "\r\x1b[K") {
		t.Errorf("what was drawn stays: %q", text)
	}
}

func TestProgressElsewhere(t *testing.T) {
	s := new(screen)
	p := (&Terminal{Err: s}).Start("pulling app:1")
	s.waitFor(t, 0, "pulling app:1 …\n")
	p.Update(1, 2)
	p.Stop()
	if text := s.String(); text != "pulling app:1 …\n" {
		t.Errorf("printed %q", text)
	}
	// What is done soon is not worth a word.
	s = new(screen)
	(&Terminal{Err: s, redraw: true}).Start("pulling app:1").Stop()
	if text := s.String(); text != "" {
		t.Errorf("printed %q", text)
	}
}

func TestProgressForPrograms(t *testing.T) {
	s := new(screen)
	terminal := &Terminal{Err: s, Reporting: ReportJSON}
	p := terminal.Start("pulling \x1bapp:1")
	p.Update(1, 4)
	s.waitFor(t, 0, `"done":1,"total":4`)
	p.Update(4, 4)
	p.Stop()
	b := terminal.Bar("runs")
	b.Update(1, 2, "without syscall:read")
	b.Stop()
	var reports []Report
	for line := range strings.Lines(s.String()) {
		var r Report
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		reports = append(reports, r)
	}
	want := []Report{
		{Work: "pulling \x1bapp:1", Unit: "bytes"},
		{Work: "pulling \x1bapp:1", Unit: "bytes", Done: 1, Total: 4},
		{Work: "pulling \x1bapp:1", Unit: "bytes", Done: 4, Total: 4, Ended: true},
		{Work: "runs", Unit: "runs", Done: 1, Total: 3, Step: "without syscall:read"},
		{Work: "runs", Unit: "runs", Done: 1, Total: 3, Ended: true},
	}
	if len(reports) != len(want) {
		t.Fatalf("reports %+v, want %+v", reports, want)
	}
	for i := range want {
		if reports[i] != want[i] {
			t.Errorf("report %d is %+v, want %+v", i, reports[i], want[i])
		}
	}
}
