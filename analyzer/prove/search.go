package prove

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

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

// reduce leaves out group after group.
func (s *search) reduce(ctx context.Context) error {
	for len(s.queue) > 0 && !s.over() {
		batch := s.queue[:min(s.Parallel, len(s.queue))]
		s.tell("without " + s.describe(batch[0]))
		trials := make([]Trial, len(batch))
		for i, group := range batch {
			trials[i] = Trial{join(s.out(), group), 1}
		}
		outcomes, err := s.try(ctx, trials)
		if err != nil {
			return err
		}
		var passed, next [][]int
		var suspects []suspect
		for i, group := range batch {
			switch {
			case outcomes[i].Verdict == Passed:
				passed = append(passed, group)
			case len(group) == 1:
				suspects = append(suspects, suspect{group[0], trials[i], outcomes[i]})
			default:
				next = append(next, group[:len(group)/2], group[len(group)/2:])
			}
		}
		again, err := s.accept(ctx, passed)
		if err != nil {
			return err
		}
		s.queue = slices.Concat(next, again, s.queue[len(batch):])
		if err := s.settle(ctx, suspects); err != nil {
			return err
		}
	}
	return nil
}

// accept leaves out groups that the workload passed without, each by itself. It
// returns those that have to be tried again, because not all can be left out
// together.
func (s *search) accept(ctx context.Context, passed [][]int) (again [][]int, err error) {
	if len(passed) == 0 {
		return nil, nil
	}
	if len(passed) > 1 {
		all := s.out()
		for _, group := range passed {
			all = join(all, group)
		}
		outcomes, err := s.try(ctx, []Trial{{all, 1}})
		if err != nil {
			return nil, err
		}
		if outcomes[0].Verdict == Passed {
			s.history = append(s.history, all)
			return nil, nil
		}
	}
	s.history = append(s.history, join(s.out(), passed[0]))
	return passed[1:], nil
}

// suspect is a candidate without which a trial did not pass.
type suspect struct {
	candidate int
	trial     Trial
	outcome   Outcome
}

// settle tries each suspect once more, with everything else granted: so a
// failure by chance is found, and a permission that is needed only because
// another was left out is told from one that is needed by itself.
func (s *search) settle(ctx context.Context, suspects []suspect) error {
	alone := make([]Trial, len(suspects))
	for i, u := range suspects {
		alone[i] = Trial{[]int{u.candidate}, 1}
		if len(u.trial.Without) == 1 {
			alone[i].Attempt = 2
		}
	}
	outcomes, err := s.try(ctx, alone)
	if err != nil {
		return err
	}
	for i, u := range suspects {
		together := u.outcome
		switch {
		case outcomes[i].Verdict != Passed:
			s.blame(u.candidate, "", outcomes[i], together)
			continue
		case len(u.trial.Without) > 1:
			repeated, err := s.try(ctx, []Trial{{u.trial.Without, 2}})
			if err != nil {
				return err
			}
			if repeated[0].Verdict != Passed {
				s.blame(u.candidate, "only where others, which it can replace, are left out: ", repeated[0], together)
				continue
			}
		}
		s.find(u.candidate, analyzer.Undecided, "without it the workload passed only sometimes: "+together.why(), &together)
	}
	return nil
}

// blame finds a candidate needed, or, where no trial ended and nothing says
// that it is for want of the candidate, undecided.
func (s *search) blame(candidate int, when string, outcomes ...Outcome) {
	for _, o := range outcomes {
		if o.Verdict == Failed || o.Direct {
			s.find(candidate, analyzer.Needed, when+o.why(), &o)
			return
		}
	}
	s.find(candidate, analyzer.Undecided, when+outcomes[0].why(), &outcomes[0])
}

func (s *search) find(candidate int, need analyzer.Need, reason string, o *Outcome) {
	s.findings[candidate] = Finding{analyzer.Finding{Need: need, Reason: reason}, o}
}

// reconsider tries what is needed again, now that more is left out: without the
// program that asks whose user it is, an entry script changes no owner. First
// all but system calls, for on them the others can hang, and the calls where
// something was left out by that.
func (s *search) reconsider(ctx context.Context) error {
	for {
		grown, err := s.retry(ctx, func(c Candidate) bool { return c.Kind() != "syscall" })
		if err != nil || !grown {
			return err
		}
		if _, err := s.retry(ctx, func(c Candidate) bool { return c.Kind() == "syscall" }); err != nil {
			return err
		}
	}
}

// retry leaves out those needed candidates of a kind that the workload passes
// without by now, and reports whether there are any.
func (s *search) retry(ctx context.Context, of func(Candidate) bool) (grown bool, err error) {
	for i, c := range s.Candidates {
		if s.findings[i].Need != analyzer.Needed || !of(c) || s.over() {
			continue
		}
		s.tell("without " + c.ID + ", again")
		without := join(s.out(), []int{i})
		outcomes, err := s.try(ctx, []Trial{{without, 1}})
		if err != nil {
			return grown, err
		}
		if outcomes[0].Verdict == Passed {
			grown = true
			s.history = append(s.history, without)
			s.before[i], s.findings[i] = s.findings[i], Finding{}
		}
	}
	return grown, nil
}

// confirm makes sure that the workload passes, each time, without all that is
// left out. If it does not, what was left out last is put back, down to where
// it does: halfway at first, then halfway between.
func (s *search) confirm(ctx context.Context) error {
	s.queue = slices.DeleteFunc(s.queue, func(group []int) bool {
		for _, i := range group {
			s.find(i, analyzer.Undecided, "not tried: the time was used up", nil)
		}
		return true
	})
	s.tell("without all that is unneeded")
	good, bad := 0, len(s.history)
	for next := bad - 1; good < bad-1; next = (good + bad) / 2 {
		outcomes, err := s.repeat(ctx, s.history[next])
		if err != nil {
			return err
		}
		failed := slices.IndexFunc(outcomes, func(o Outcome) bool { return o.Verdict != Passed })
		if failed < 0 {
			good = next
			continue
		}
		bad = next
		for _, i := range s.history[next] {
			if needed, was := s.before[i]; was {
				s.findings[i] = needed
			} else if !slices.Contains(s.history[good], i) {
				s.find(i, analyzer.Undecided, "without it and others the workload passed only sometimes: "+outcomes[failed].why(), &outcomes[failed])
			}
		}
	}
	s.history = s.history[:good+1]
	return nil
}

// conclude says of what is left out that it is unneeded.
func (s *search) conclude() {
	for _, i := range s.out() {
		reason := fmt.Sprintf("passed %d times without it and all others that are unneeded", s.Repeat)
		if needed, was := s.before[i]; was {
			reason += "; needed where they are granted: " + needed.Reason
		}
		s.find(i, analyzer.Unneeded, reason, nil)
	}
}

// join returns the union of a sorted set and a group.
func join(set, group []int) []int {
	all := slices.Concat(set, group)
	slices.Sort(all)
	return slices.Compact(all)
}

// repeat makes the same trial several times.
func (s *search) repeat(ctx context.Context, without []int) ([]Outcome, error) {
	var trials []Trial
	for i := range s.Repeat {
		trials = append(trials, Trial{without, i + 1})
	}
	return s.try(ctx, trials)
}

// try makes those trials that were not made yet.
func (s *search) try(ctx context.Context, trials []Trial) ([]Outcome, error) {
	outcomes := make([]Outcome, len(trials))
	var g errgroup.Group
	g.SetLimit(s.Parallel)
	for i, t := range trials {
		g.Go(func() (err error) {
			outcomes[i], err = s.once(ctx, t)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	for i, o := range outcomes {
		if o.Verdict == Passed && s.end != "" && o.End != s.end {
			outcomes[i].Verdict = Failed
			outcomes[i].Reason = fmt.Sprintf("the container ended with %s, and with %s where everything is granted", o.End, s.end)
		}
	}
	return outcomes, nil
}

// once makes a trial unless it was made.
func (s *search) once(ctx context.Context, t Trial) (Outcome, error) {
	s.mu.Lock()
	o, done := s.known[t.key()]
	s.mu.Unlock()
	if done {
		return o, nil
	}
	if err := ctx.Err(); err != nil {
		return o, err
	}
	o, err := s.Oracle(ctx, t)
	if err != nil {
		return o, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.known[t.key()] = o
	s.spent += o.spent()
	return o, nil
}

func (s *search) over() bool { return s.Limit > 0 && s.spent >= s.Limit }

// describe names a group of candidates.
func (s *search) describe(group []int) string {
	text := s.Candidates[group[0]].ID
	if len(group) > 1 {
		text += fmt.Sprintf(" and %d others", len(group)-1)
	}
	return text
}

// tell reports how far the search is.
func (s *search) tell(next string) {
	// The last trials, of which one is made already.
	left := float64(s.Repeat - 1)
	if len(s.known) == 0 {
		left += float64(s.Repeat)
	}
	for _, group := range s.queue {
		whole := 1.0
		for _, i := range group {
			p := s.Candidates[i].Prior
			whole *= p
			left += 1 - p
		}
		// The group, and, where it is split, about two for each member.
		left += 1 + (1-whole)*2*float64(len(group)-1)
	}
	s.Progress(Progress{Done: len(s.known), Left: int(left + 0.5), Next: next})
}
