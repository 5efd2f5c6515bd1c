package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"text/tabwriter"
)

// An alternative is one of the things that a comparison sets side by side.
type alternative struct {
	name    string
	measure func(context.Context) (float64, error)
	taken   []float64
}

// takeTurns measures every alternative once a round, after one round that does
// not count.
func takeTurns(ctx context.Context, rounds int, all []*alternative) error {
	for round := range rounds + 1 {
		for _, a := range all {
			value, err := a.measure(ctx)
			if err != nil {
				return fmt.Errorf("measuring %s: %w", a.name, err)
			}
			if round > 0 {
				a.taken = append(a.taken, value)
			}
		}
	}
	return nil
}

// quantile returns the value below which the share q of what was taken lies.
func (a *alternative) quantile(q float64) float64 {
	sorted := slices.Sorted(slices.Values(a.taken))
	return sorted[int(q*float64(len(sorted)-1)+0.5)]
}

// report prints medians with their middle half, and the first alternative's
// ratio to each of the others.
func report(title, unit string, all []*alternative) error {
	fmt.Printf("\n%s\n", title)
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "\tmedian %s\tmiddle half\t%s is\t\n", unit, all[0].name)
	for _, a := range all {
		fmt.Fprintf(w, "%s\t%s\t%s to %s\t%.2f of it\t\n",
			a.name, figure(a.quantile(0.5)), figure(a.quantile(0.25)), figure(a.quantile(0.75)),
			all[0].quantile(0.5)/a.quantile(0.5))
	}
	return w.Flush()
}

// figure prints a value with the digits that mean something.
func figure(value float64) string {
	if value >= 1000 {
		return fmt.Sprintf("%.0f", value)
	}
	return fmt.Sprintf("%.2f", value)
}
