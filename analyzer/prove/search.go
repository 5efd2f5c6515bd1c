package prove

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/least-privilege/lpm/analyzer"
)

// Problem is a search to make.
type Problem struct {
	Candidates []Candidate
	Oracle     Oracle
	// Repeat is how often the workload has to pass in a row with everything,
	// and at the end without all that is unneeded; at least 1, 0 is 3.
	Repeat int
	// Parallel is how many trials are made at a time; 0 is 1.
	Parallel int
	// Limit ends the search once its trials have taken that long together;
	// 0 is no limit. The last trials, which confirm the result, are made all
	// the same.
	Limit time.Duration
	// Progress, where not nil, is told before trials are made.
	Progress func(Progress)
}

// Result is what a search has found.
type Result struct {
	// Findings are of the candidates, by their index.
	Findings []Finding
	// Trials is how many were made, Spent how long they took together.
	Trials int
	Spent  time.Duration
	Repeat int
}

// Finding is what was found of a candidate.
type Finding struct {
	analyzer.Finding
	// Outcome is of the trial that says so, where one failed.
	Outcome *Outcome
}

const defaultRepeat = 3

// Search finds which of the candidates the workload needs. It returns a
// [*FlakyError] or a [*BrokenError] where trials show nothing, and otherwise
// the oracle's errors. It makes the same trials in the same order whenever the
// outcomes are the same.
func Search(ctx context.Context, p Problem) (*Result, error) {
	if p.Repeat == 0 {
		p.Repeat = defaultRepeat
	}
	p.Parallel = max(1, p.Parallel)
	if p.Progress == nil {
		p.Progress = func(Progress) {}
	}
	s := &search{
		Problem: p, known: map[string]Outcome{},
		findings: make([]Finding, len(p.Candidates)), queue: groups(p.Candidates),
		history: [][]int{nil}, before: map[int]Finding{},
	}
	for _, step := range []func(context.Context) error{s.full, s.reduce, s.reconsider, s.confirm} {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	s.conclude()
	return &Result{Findings: s.findings, Trials: len(s.known), Spent: s.spent, Repeat: p.Repeat}, nil
}

// search is the state of one search.
type search struct {
	Problem
	mu    sync.Mutex
	known map[string]Outcome
	spent time.Duration

	// end is how all runs with everything granted ended; empty where they did
	// not agree.
	end string
	// history are the sets that the workload has passed without, each with
	// more in it than the one before. The last is what is left out by now.
	history  [][]int
	queue    [][]int
	findings []Finding
	// before is what was found of candidates that were needed, and are not any
	// more since others were left out.
	before map[int]Finding
}

// out is what is left out by now.
func (s *search) out() []int { return s.history[len(s.history)-1] }

// groups puts the candidates, in their order, into groups of which each is
// likely to be unneeded as a whole, or has one member.
func groups(candidates []Candidate) [][]int {
	var all [][]int
	likely := 0.0
	for i, c := range candidates {
		if likely *= c.Prior; likely >= 0.5 {
			last := &all[len(all)-1]
			*last = append(*last, i)
			continue
		}
		all = append(all, []int{i})
		likely = c.Prior
	}
	return all
}

// full makes sure that the workload passes, each time, with everything.
func (s *search) full(ctx context.Context) error {
	s.tell("with everything granted")
	outcomes, err := s.repeat(ctx, nil)
	if err != nil {
		return err
	}
	passed := 0
	var failed Outcome
	for _, o := range outcomes {
		if o.Verdict == Passed {
			passed++
		} else {
			failed = o
		}
	}
	switch {
	case passed == 0:
		return &BrokenError{failed}
	case passed < len(outcomes):
		return &FlakyError{Passed: passed, Runs: len(outcomes), Outcome: failed}
	}
	s.end = outcomes[0].End
	if slices.ContainsFunc(outcomes, func(o Outcome) bool { return o.End != s.end }) {
		s.end = ""
	}
	return nil
}

func (s *search) over() bool { return s.Limit > 0 && s.spent >= s.Limit }

// join returns the union of a sorted set and a group.
func join(set, group []int) []int {
	all := slices.Concat(set, group)
	slices.Sort(all)
	return slices.Compact(all)
}
