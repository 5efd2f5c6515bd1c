package prove

import (
	"context"
	"fmt"
	"time"
)

// Trial is one run of the workload.
type Trial struct {
	// Without are the candidates left out, by their index, sorted.
	Without []int `json:"without"`
	// Attempt counts the runs without the same ones, from 1.
	Attempt int `json:"attempt"`
}

// key is equal for equal trials.
func (t Trial) key() string { return fmt.Sprint(t.Attempt, t.Without) }

// Verdict says how a trial went.
type Verdict string

// The verdicts.
const (
	Passed   Verdict = "passed"
	Failed   Verdict = "failed"
	TimedOut Verdict = "timed out"
)

// Outcome is what a trial led to.
type Outcome struct {
	Verdict Verdict `json:"verdict"`
	// End says how the container ended, such as "status 0". A run that passes
	// but ends in another way than all runs with everything granted do is one
	// that failed.
	End string `json:"end,omitempty"`
	// Reason says in a line why it did not pass, Line is a line that was
	// printed, Denial what was refused that has to do with it. All of them
	// come from the container; escape them before printing.
	Reason string `json:"reason,omitempty"`
	Line   string `json:"line,omitempty"`
	Denial string `json:"denial,omitempty"`
	// Direct tells that the denial is of the one thing that was left out.
	Direct bool `json:"direct,omitempty"`
	// Output names the file of the work folder that has all that was printed,
	// as far as that is kept.
	Output string `json:"output,omitempty"`
	// Unenforced are the parts of the manifest that the machine did not
	// enforce in a run with everything granted.
	Unenforced []string `json:"unenforced,omitempty"`
	// Milliseconds is how long it took.
	Milliseconds int64 `json:"milliseconds"`
}

// Oracle makes a trial. The error is of what keeps trials from being made at
// all. It is called from several goroutines where trials are parallel.
type Oracle func(context.Context, Trial) (Outcome, error)

// Progress says how far a search is.
type Progress struct {
	// Done are the trials made, Left an estimate of those still to come.
	Done, Left int
	// Next says in a few words what they are about.
	Next string
}

// FlakyError says that the workload passes only sometimes with everything
// granted, so that a failure without something would mean nothing.
type FlakyError struct {
	Passed, Runs int
	// Outcome is one that did not pass.
	Outcome Outcome
}

func (e *FlakyError) Error() string {
	return fmt.Sprintf("the workload is flaky: with everything granted it passed %d of %d times (%s), so nothing can be concluded from a failure", e.Passed, e.Runs, e.Outcome.why())
}

// Hint tells the way out.
func (e *FlakyError) Hint() string { return e.Outcome.where("make the workload deterministic") }

// BrokenError says that the workload does not pass under the manifest.
type BrokenError struct{ Outcome Outcome }

func (e *BrokenError) Error() string {
	return "the workload does not pass with everything granted: " + e.Outcome.why()
}

// Hint tells the way out.
func (e *BrokenError) Hint() string {
	return e.Outcome.where("grant what was refused, or mend the workload")
}

// where names the file that says more.
func (o Outcome) where(advice string) string {
	if o.Output == "" {
		return advice
	}
	return advice + "; what was printed is in " + o.Output
}

// why says in a line why a trial did not pass.
func (o Outcome) why() string {
	text := o.Reason
	if text == "" {
		text = string(o.Verdict)
	}
	if o.Denial != "" {
		text += "; refused: " + o.Denial
	}
	if o.Line != "" {
		text += "; printed: " + o.Line
	}
	return text
}

// spent is the time of an outcome.
func (o Outcome) spent() time.Duration { return time.Duration(o.Milliseconds) * time.Millisecond }
