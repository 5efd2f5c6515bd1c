package record

import (
	"fmt"
	"maps"
	"os"
	"path"
	"slices"

	"github.com/least-privilege/lpm/analyzer/evidence"
	"github.com/least-privilege/lpm/enforcer/supervise"
)

// Check begins with a process of the image's health check, which is about to
// execute the given program: its path, what it was asked for as and, of a
// script, the interpreter. The policy is for the calls of that process and of
// those that it starts, and can be asked beside the recorder. ended is called at
// the process's end.
func (r *Recorder) Check(pid int, p evidence.Program) (policy supervise.Policy, ended func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.started.IsZero() {
		// The container's first program has made no call so far that is
		// watched, and the check's must not pass for it.
		r.started = r.now()
		if path.IsAbs(r.options.Program) {
			r.noteProgram(evidence.Program{Path: text(path.Clean(r.options.Program))}, occasion{})
		}
	}
	p.Path, p.As, p.Interpreter = text(p.Path), text(p.As), text(p.Interpreter)
	if p.As == p.Path {
		p.As = ""
	}
	r.noteProgram(p, occasion{ms: r.now().Sub(r.started).Milliseconds(), check: true})
	r.probes[pid] = true
	return checked{r}, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.probes, pid)
	}
}

// checked is the policy for a health check.
type checked struct{ recorder *Recorder }

// Decide is the recorder's, and notes who has made the call.
func (c checked) Decide(made *supervise.Call) supervise.Verdict {
	return c.recorder.decide(made.Arch, made.Number, call{tid: made.TID, args: made.Args, process: made, check: true})
}

// probing lists the processes of health checks that run their program. Until
// then they are copies of this process, and what they use is none of the
// container's.
func (r *Recorder) probing() []int {
	r.mu.Lock()
	list := slices.Collect(maps.Keys(r.probes))
	r.mu.Unlock()
	if len(list) == 0 {
		return nil
	}
	own, err := os.Stat("/proc/self/exe")
	return slices.DeleteFunc(list, func(pid int) bool {
		theirs, errTheirs := os.Stat(fmt.Sprintf("/proc/%d/exe", pid))
		return err != nil || errTheirs != nil || os.SameFile(own, theirs)
	})
}
