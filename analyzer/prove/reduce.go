package prove

import (
	"context"
	"slices"

	"github.com/least-privilege/lpm/analyzer"
)

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
