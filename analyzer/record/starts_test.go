package record

import (
	"os/exec"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func TestSeemsMany(t *testing.T) {
	s := starts{counted: 10}
	if s.seemsMany(0) {
		t.Error("without a first process there is nothing to look at")
	}
	s = starts{first: 1, counted: 10}
	looks := 0
	for range 100 {
		if s.seemsMany(20) {
			looks++
			s.counted, s.since = 10, 0 // the others have ended
		}
	}
	// 10 and 20 more are as many as a quarter over the peak, and 4.
	if looks != 100/20 {
		t.Errorf("%d looks at 100 starts", looks)
	}
}

// TestManyForAMoment: processes that are there for less time than lies between
// two samples are counted too, to within what a proposal has room for.
func TestManyForAMoment(t *testing.T) {
	r, err := New(options())
	if err != nil {
		t.Fatal(err)
	}
	first := exec.CommandContext(t.Context(), "sh", "-c", "for i in 1 2 3 4 5 6 7 8 9 10; do sleep 1m & done; echo; wait")
	out, err := first.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	first.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := first.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = unix.Kill(-first.Process.Pid, unix.SIGKILL)
		_ = first.Wait()
	})
	if _, err := out.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	r.mu.Lock()
	r.starts.first = first.Process.Pid
	for range 5 {
		r.noteStart()
	}
	r.mu.Unlock()
	if n := r.Record().Peaks.PIDs; n < 11 {
		t.Errorf("the peak is %d processes, of 11", n)
	}
}
