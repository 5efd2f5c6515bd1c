package record

import (
	"maps"
	"slices"
)

// starts tell when there may be more processes and threads than there ever
// were: samples alone miss all of a run that is short, and what others start
// for a moment. Ends are not seen, so that there may be fewer than it seems; it
// is looked again once they seem to be many more than the peak.
type starts struct {
	// first is the container's first process; 0 before there are samples.
	first int
	// counted is how many there were at the last look, since how many were
	// started after it.
	counted, since int64
}

// isStart tells the calls that make a process or a thread.
func isStart(name string) bool {
	switch name {
	case "clone", "clone3", "fork", "vfork":
		return true
	}
	return false
}

// seemsMany reports whether one more is a reason to look. What is between it
// and the peak a proposal has room for: it allows twice the peak, and more.
func (s *starts) seemsMany(peak int64) bool {
	s.since++
	return s.first != 0 && s.counted+s.since > peak+peak/4+4
}

// noteStart is told of each call that makes a process or a thread, before it is
// made. The caller holds the lock.
func (r *Recorder) noteStart() {
	if !r.starts.seemsMany(r.peaks.PIDs) {
		return
	}
	var s sample
	if s.add(r.starts.first) != nil {
		return // it has ended
	}
	probes := slices.Collect(maps.Keys(r.probes))
	if err := others(r.starts.first, probes, func(pid int) { _ = s.add(pid) }); err != nil {
		return
	}
	r.starts.counted, r.starts.since = s.pids+1, 0
	r.peaks.PIDs = max(r.peaks.PIDs, s.pids+1)
}
