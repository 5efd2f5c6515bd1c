package prove

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"
)

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
