package prove

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/least-privilege/lpm/analyzer"
)

// program is a synthetic workload: each of its demands is met by any one of
// some candidates, and without one of them it fails.
type program struct {
	demands [][]int
	// special, where not nil, may decide first; an empty verdict leaves it.
	special func(Trial) Outcome

	mu    sync.Mutex
	made  []Trial
	known map[string]Outcome
	// stopAfter ends the context after so many trials, where it is not nil.
	stopAfter *int
	stop      func()
}

func (p *program) passes(without []int) bool {
	return !slices.ContainsFunc(p.demands, func(demand []int) bool {
		return !slices.ContainsFunc(demand, func(i int) bool { return !slices.Contains(without, i) })
	})
}

// oracle remembers, as a journal does.
func (p *program) oracle(ctx context.Context, t Trial) (Outcome, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if o, ok := p.known[t.key()]; ok {
		return o, nil
	}
	if p.stopAfter != nil {
		if *p.stopAfter--; *p.stopAfter < 0 {
			p.stop()
			return Outcome{}, ctx.Err()
		}
	}
	p.made = append(p.made, t)
	o := Outcome{Verdict: Passed, End: "status 0", Milliseconds: 10}
	if !p.passes(t.Without) {
		o = Outcome{Verdict: Failed, Reason: "status 1"}
	}
	if p.special != nil {
		if special := p.special(t); special.Verdict != "" {
			o = special
		}
	}
	if p.known == nil {
		p.known = map[string]Outcome{}
	}
	p.known[t.key()] = o
	return o, nil
}

func candidates(priors ...float64) []Candidate {
	var all []Candidate
	for i, p := range priors {
		id := fmt.Sprintf("syscall:c%d", i)
		all = append(all, Candidate{ID: id, Permission: id, Path: entry("syscalls.allow", i), Prior: p})
	}
	return all
}

func (p *program) search(t *testing.T, priors []float64, change func(*Problem)) *Result {
	t.Helper()
	problem := Problem{Candidates: candidates(priors...), Oracle: p.oracle}
	if change != nil {
		change(&problem)
	}
	r, err := Search(t.Context(), problem)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// needs writes findings as a letter each.
func needs(r *Result) string {
	letters := map[analyzer.Need]string{analyzer.Needed: "N", analyzer.Unneeded: "u", analyzer.Undecided: "?", "": "!"}
	text := ""
	for _, f := range r.Findings {
		text += letters[f.Need]
	}
	return text
}

func half(n int) []float64 { return slices.Repeat([]float64{0.5}, n) }

func TestSearch(t *testing.T) {
	tests := []struct {
		name    string
		demands [][]int
		special func(Trial) Outcome
		change  func(*Problem)
		want    string
		reason  string // of the first finding that has one with it
	}{
		{name: "nothing is needed", want: "uuuu", reason: "passed 3 times"},
		{name: "all is needed", demands: [][]int{{0}, {1}, {2}, {3}}, want: "NNNN", reason: "status 1"},
		{name: "one of four", demands: [][]int{{2}}, want: "uuNu"},
		// The first goes, and then the second is needed, which is said.
		{name: "either of two", demands: [][]int{{0, 3}}, want: "uuuN", reason: "only where others"},
		{
			name: "another end than with everything is a failure",
			special: func(t Trial) Outcome {
				if slices.Contains(t.Without, 1) {
					return Outcome{Verdict: Passed, End: "SIGTERM"}
				}
				return Outcome{}
			},
			want: "uNuu", reason: "ended with SIGTERM, and with status 0",
		},
		{
			name: "an end that varies with everything is not judged",
			special: func(t Trial) Outcome {
				return Outcome{Verdict: Passed, End: fmt.Sprint("status ", t.Attempt)}
			},
			want: "uuuu",
		},
		{
			name: "a failure that does not come again",
			special: func(t Trial) Outcome {
				if slices.Contains(t.Without, 1) && len(t.Without) == 2 && t.Attempt == 1 {
					return Outcome{Verdict: Failed, Reason: "by chance"}
				}
				return Outcome{}
			},
			want: "u?uu", reason: "only sometimes: by chance",
		},
		{
			name: "a first failure that does not come again",
			special: func(t Trial) Outcome {
				if slices.Equal(t.Without, []int{0}) && t.Attempt == 1 {
					return Outcome{Verdict: Failed, Reason: "by chance"}
				}
				return Outcome{}
			},
			want: "?uuu", reason: "only sometimes",
		},
		{
			name: "a run that does not end says nothing",
			special: func(t Trial) Outcome {
				if slices.Contains(t.Without, 2) {
					return Outcome{Verdict: TimedOut, Reason: "too long"}
				}
				return Outcome{}
			},
			want: "uu?u", reason: "too long",
		},
		{
			name: "unless what was left out was refused in it",
			special: func(t Trial) Outcome {
				if slices.Contains(t.Without, 2) {
					return Outcome{Verdict: TimedOut, Reason: "too long", Denial: "accept4", Direct: len(t.Without) == 1}
				}
				return Outcome{}
			},
			want: "uuNu", reason: "too long; refused: accept4",
		},
		{
			// All goes once, and the last trials find that it does not always.
			name: "what passes only sometimes is put back",
			special: func(t Trial) Outcome {
				if slices.Contains(t.Without, 2) && t.Attempt > 1 {
					return Outcome{Verdict: Failed, Reason: "by chance"}
				}
				return Outcome{}
			},
			want: "uu??", reason: "only sometimes: by chance",
		},
		{
			name:   "no time",
			change: func(p *Problem) { p.Limit = 35 * time.Millisecond },
			want:   "u???", reason: "not tried",
		},
		{
			// Each of the first three can go, but of the first two one has to stay.
			name: "trials at a time that do not go together", demands: [][]int{{0, 1}},
			change: func(p *Problem) { p.Parallel = 3 },
			want:   "uNuu",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := &program{demands: tt.demands, special: tt.special}
			r := p.search(t, half(4), tt.change)
			if got := needs(r); got != tt.want {
				t.Errorf("found %s, want %s; findings %+v", got, tt.want, r.Findings)
			}
			if !slices.ContainsFunc(r.Findings, func(f Finding) bool { return strings.Contains(f.Reason, tt.reason) }) {
				t.Errorf("no reason has %q: %+v", tt.reason, r.Findings)
			}
			if r.Trials != len(p.made) {
				t.Errorf("%d trials counted, %d made", r.Trials, len(p.made))
			}
		})
	}
}

// TestReconsidered is of a script that starts a program only if another, which
// it can do without, tells it to; what the program does hangs on it too.
func TestReconsidered(t *testing.T) {
	all := candidates(0.1, 0.1, 0.1)
	all[1].Permission, all[2].Permission = "execute:/bin/chown", "execute:/bin/id"
	p := &program{special: func(t Trial) Outcome {
		if !slices.Contains(t.Without, 2) && len(t.Without) > 0 {
			return Outcome{Verdict: Failed, Reason: "status 1"}
		}
		return Outcome{}
	}}
	r, err := Search(t.Context(), Problem{Candidates: all, Oracle: p.oracle})
	if err != nil {
		t.Fatal(err)
	}
	if got := needs(r); got != "uuu" {
		t.Errorf("found %s: %+v", got, r.Findings)
	}
	for i, want := range []bool{true, true, false} {
		if got := strings.Contains(r.Findings[i].Reason, "needed where they are granted: status 1"); got != want {
			t.Errorf("%s: %s", all[i].Permission, r.Findings[i].Reason)
		}
	}
}

// TestNothingIsGuessed is of workloads that do not pass with everything.
func TestNothingIsGuessed(t *testing.T) {
	outcome := func(fails func(attempt int) bool) func(Trial) Outcome {
		return func(t Trial) Outcome {
			if fails(t.Attempt) {
				return Outcome{Verdict: Failed, Reason: "status 1", Denial: "ptrace", Line: "no", Output: "output/1.txt"}
			}
			return Outcome{}
		}
	}
	flaky := &program{special: outcome(func(attempt int) bool { return attempt == 2 })}
	_, err := Search(t.Context(), Problem{Candidates: candidates(half(2)...), Oracle: flaky.oracle})
	var f *FlakyError
	if !errors.As(err, &f) || f.Passed != 2 || f.Runs != 3 || len(flaky.made) != 3 || !strings.Contains(f.Hint(), "output/1.txt") {
		t.Errorf("flaky: %v after %d trials", err, len(flaky.made))
	}
	broken := &program{special: outcome(func(int) bool { return true })}
	_, err = Search(t.Context(), Problem{Candidates: candidates(half(2)...), Oracle: broken.oracle})
	var b *BrokenError
	if !errors.As(err, &b) || !strings.Contains(err.Error(), "ptrace") || len(broken.made) != 3 {
		t.Errorf("broken: %v after %d trials", err, len(broken.made))
	}
	fault := errors.New("no disk")
	_, err = Search(t.Context(), Problem{Oracle: func(context.Context, Trial) (Outcome, error) { return Outcome{}, fault }})
	if !errors.Is(err, fault) {
		t.Errorf("a fault of the oracle: %v", err)
	}
}

// random returns a program of n candidates, and what is believed of them.
func random(r *rand.Rand) (*program, []float64) {
	n := 1 + r.IntN(24)
	var p program
	var priors []float64
	for i := range n {
		priors = append(priors, []float64{0.97, 0.5, 0.35, 0.1}[r.IntN(4)])
		if r.IntN(3) == 0 {
			demand := []int{i}
			for range r.IntN(3) {
				demand = append(demand, r.IntN(n))
			}
			p.demands = append(p.demands, demand)
		}
	}
	return &p, priors
}

// TestRandom holds what a search finds to what it claims.
func TestRandom(t *testing.T) {
	for seed := range uint64(2000) {
		r := rand.New(rand.NewPCG(seed, 1))
		p, priors := random(r)
		parallel := 1 + r.IntN(4)
		found := p.search(t, priors, func(problem *Problem) { problem.Parallel = parallel })
		unneeded := where(found, analyzer.Unneeded)
		if !p.passes(unneeded) {
			t.Fatalf("seed %d: it does not pass without %v; demands %v", seed, unneeded, p.demands)
		}
		for _, i := range where(found, analyzer.Needed) {
			if p.passes(join(unneeded, []int{i})) {
				t.Fatalf("seed %d: it passes without the needed %d, and %v; demands %v", seed, i, unneeded, p.demands)
			}
		}
		if n := len(where(found, analyzer.Undecided)) + len(where(found, "")); n > 0 {
			t.Fatalf("seed %d: %d are undecided", seed, n)
		}
		if most := 5*len(priors) + 6; found.Trials > most {
			t.Errorf("seed %d: %d trials for %d candidates", seed, found.Trials, len(priors))
		}
	}
}

func where(r *Result, need analyzer.Need) []int {
	var all []int
	for i, f := range r.Findings {
		if f.Need == need {
			all = append(all, i)
		}
	}
	return all
}

// TestRareNeedsAreCheap: where most can be left out, most trials are of groups.
func TestRareNeedsAreCheap(t *testing.T) {
	p := &program{demands: [][]int{{17}}}
	r := p.search(t, slices.Repeat([]float64{0.99}, 60), nil)
	if got := needs(r); strings.Count(got, "N") != 1 || got[17] != 'N' || r.Trials > 20 {
		t.Errorf("%s by %d trials", got, r.Trials)
	}
}

// TestResumed interrupts searches after every number of trials. Going on, they
// make no trial twice, and find what an undisturbed search finds.
func TestResumed(t *testing.T) {
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 2))
		p, priors := random(r)
		parallel := 1 + r.IntN(3)
		change := func(problem *Problem) { problem.Parallel = parallel }
		want := p.search(t, priors, change)
		for after := range want.Trials {
			again := &program{demands: p.demands, stopAfter: &after}
			ctx, cancel := context.WithCancel(t.Context())
			again.stop = cancel
			problem := Problem{Candidates: candidates(priors...), Oracle: again.oracle}
			change(&problem)
			if _, err := Search(ctx, problem); !errors.Is(err, context.Canceled) {
				t.Fatalf("seed %d: interrupted after %d trials: %v", seed, after, err)
			}
			again.stopAfter = nil
			got, err := Search(t.Context(), problem)
			if err != nil || !reflect.DeepEqual(got, want) {
				t.Fatalf("seed %d: resumed after %d trials: %v\n%+v\nwant %+v", seed, after, err, got, want)
			}
			if len(again.made) != want.Trials {
				t.Fatalf("seed %d: interrupted after %d, %d trials were made in place of %d", seed, after, len(again.made), want.Trials)
			}
		}
	}
}

// TestSameTrials: the same outcomes lead to the same trials in the same order.
func TestSameTrials(t *testing.T) {
	for seed := range uint64(50) {
		p, priors := random(rand.New(rand.NewPCG(seed, 3)))
		p.search(t, priors, nil)
		q := &program{demands: p.demands}
		q.search(t, priors, nil)
		// Trials with everything granted begin in any order.
		if !slices.EqualFunc(p.made[3:], q.made[3:], func(a, b Trial) bool { return a.key() == b.key() }) {
			t.Fatalf("seed %d: %v, then %v", seed, p.made, q.made)
		}
	}
}

func TestProgress(t *testing.T) {
	p := &program{demands: [][]int{{3}}}
	var told []Progress
	r := p.search(t, half(6), func(problem *Problem) { problem.Progress = func(p Progress) { told = append(told, p) } })
	last := told[len(told)-1]
	if told[0].Done != 0 || told[0].Left < 6 || last.Done >= r.Trials || last.Done+last.Left < r.Trials || last.Next == "" {
		t.Errorf("told %+v of %d trials", told, r.Trials)
	}
}

func TestGroups(t *testing.T) {
	got := groups(candidates(0.97, 0.97, 0.97, 0.5, 0.35, 0.1))
	want := [][]int{{0, 1, 2}, {3}, {4}, {5}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if all := slices.Concat(groups(candidates(slices.Repeat([]float64{0.97}, 100)...))...); len(slices.Compact(all)) != 100 {
		t.Errorf("%d of 100 are in a group", len(all))
	}
}
