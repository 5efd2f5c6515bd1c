package prove

import (
	"context"
	"fmt"
	"slices"

	"github.com/least-privilege/lpm/analyzer"
)

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
