// Package coverage tells how much new each further run of an image has shown.
//
// A program does under a manifest what it was seen to do. Whether it was seen
// for long enough nobody can prove; but as long as further runs show further
// permissions, it was not. A [Curve] is of what was watched, and says nothing
// of what was not.
package coverage

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/least-privilege/lpm/analyzer"
	"github.com/least-privilege/lpm/analyzer/evidence"
	"github.com/least-privilege/lpm/manifest"
)

// Curve is how the number of permissions that were seen in use grew.
type Curve struct {
	Runs []Run `json:"runs"`
}

// Run is what one run has shown that none before it had.
type Run struct {
	// Duration is the length of the run, in milliseconds.
	Duration int64 `json:"duration"`
	// New are the permissions, in the order of their first use.
	New []Permission `json:"new"`
	// Total is how many different ones there are after the run, of this one and
	// those before. It can be smaller than before, where several have become one.
	Total int `json:"total"`
}

// Permission is one that was seen in use.
type Permission struct {
	ID string `json:"id"`
	// First is when in the run it was first used, in milliseconds.
	First int64 `json:"first"`
	// Widens says that it takes the place of one that runs before have shown.
	Widens bool `json:"widens,omitempty"`
}

// Of returns the curve over the records, in their order. Its errors are those
// of [analyzer.Propose]. A permission that a run has widened, by a further value
// of an argument or a further port, is a new one.
func Of(records []*evidence.Record, facts analyzer.ImageFacts) (*Curve, error) {
	curve := &Curve{}
	known := map[string]bool{}
	before := &manifest.Manifest{}
	for i, r := range records {
		all, err := analyzer.Propose(records[:i+1], facts)
		if err != nil {
			return nil, err
		}
		alone, err := analyzer.Propose([]*evidence.Record{r}, facts)
		if err != nil {
			return nil, err
		}
		run := Run{Duration: r.Duration}
		wider := widened(before, all.Manifest, known)
		for id, why := range all.Why {
			if why.Basis != analyzer.Observed {
				continue
			}
			run.Total++
			if known[id] {
				continue
			}
			known[id] = true
			first := why.First
			if here, ok := alone.Why[id]; ok {
				first = here.First
			}
			run.New = append(run.New, Permission{ID: id, First: first, Widens: wider[id]})
		}
		slices.SortFunc(run.New, func(a, b Permission) int {
			return cmp.Or(cmp.Compare(a.First, b.First), cmp.Compare(a.ID, b.ID))
		})
		curve.Runs = append(curve.Runs, run)
		before = all.Manifest
	}
	return curve, nil
}

// widened returns the permissions of a manifest that take the place of known ones
// of the manifest before.
func widened(before, after *manifest.Manifest, known map[string]bool) map[string]bool {
	wider := map[string]bool{}
	for _, change := range manifest.Compare(before, after).Widened {
		replaced := slices.ContainsFunc(change.Before, func(p manifest.Permission) bool { return known[p.ID] })
		for _, p := range change.After {
			wider[p.ID] = replaced
		}
	}
	return wider
}

// caveat ends every statement on coverage.
const caveat = "this is coverage of what was watched, not proof"

// Sentence says in a line how much of the watching has shown nothing new.
func (c *Curve) Sentence() string {
	n := len(c.Runs)
	quiet := 0
	for quiet < n && len(c.Runs[n-1-quiet].New) == 0 {
		quiet++
	}
	switch last := c.Runs[n-1]; {
	case n == 1:
		at := int64(0)
		for _, p := range last.New {
			at = max(at, p.First)
		}
		return fmt.Sprintf("the last of %s came after %s of a run of %s; %s",
			count(len(last.New), "permission"), seconds(at), seconds(max(at, last.Duration)), caveat)
	case quiet == 0:
		return fmt.Sprintf("the last of %d runs still showed %s, so that more are to be expected; %s",
			n, count(len(last.New), "new permission"), caveat)
	case quiet == 1:
		return fmt.Sprintf("no new permission in the last of %d runs; %s", n, caveat)
	default:
		return fmt.Sprintf("no new permission in the last %d of %d runs; %s", quiet, n, caveat)
	}
}

// most is the highest of the steps.
func most(steps []point) int {
	return slices.MaxFunc(steps, func(a, b point) int { return cmp.Compare(a.total, b.total) }).total
}

// point is the number of permissions at a time since the start of the first
// run, in milliseconds, as if the runs had followed one another.
type point struct {
	at    int64
	total int
}

// points are the steps of the curve, and where each run ends. What takes the
// place of others is no step up.
func (c *Curve) points() (steps []point, ends []int64) {
	var start int64
	total := 0
	steps = append(steps, point{})
	for _, r := range c.Runs {
		end := start + max(1, r.Duration)
		highest := max(total, r.Total)
		for _, p := range r.New {
			if !p.Widens {
				total = min(total+1, highest)
			}
			steps = append(steps, point{min(start+max(0, p.First), end), total})
		}
		if total != r.Total {
			total = r.Total
			steps = append(steps, point{end, total})
		}
		start = end
		ends = append(ends, end)
	}
	return append(steps, point{start, total}), ends
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

func seconds(ms int64) string {
	d := time.Duration(ms) * time.Millisecond
	if d < time.Minute {
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	return d.Round(time.Second).String()
}
