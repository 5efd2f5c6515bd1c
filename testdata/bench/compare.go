package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
)

// A comparison sets alternatives side by side.
type comparison struct {
	title string
	// quantities are what a turn measures, in the order of its values.
	quantities []quantity
	rounds     int
	all        []*alternative
	// parts has the table say what part or multiple of the first each
	// alternative is, instead of the first of each.
	parts bool
}

// A quantity is one of the things that are measured in a turn.
type quantity struct {
	unit string
	// tail has the table tell of the slow end too.
	tail bool
}

// An alternative is one of the things that a comparison sets side by side.
type alternative struct {
	name    string
	measure func(context.Context) ([]float64, error)
	taken   [][]float64 // by turn
}

// takeTurns measures every alternative once a round, after one round that does
// not count. Each round has another order, for a launch leaves work to the
// kernel that the next one meets: the namespaces to be taken down.
func takeTurns(ctx context.Context, rounds int, all []*alternative) error {
	order := rand.New(rand.NewPCG(0, 0))
	for round := range rounds + 1 {
		for _, i := range order.Perm(len(all)) {
			a := all[i]
			values, err := a.measure(ctx)
			if err == nil {
				err = ctx.Err()
			}
			if err != nil {
				return fmt.Errorf("measuring %s: %w", a.name, err)
			}
			if round > 0 {
				a.taken = append(a.taken, values)
			}
		}
	}
	return nil
}

// quantile returns the value of a quantity below which the share q of what was
// taken lies.
func (a *alternative) quantile(quantity int, q float64) float64 {
	sorted := make([]float64, len(a.taken))
	for i, values := range a.taken {
		sorted[i] = values[quantity]
	}
	slices.Sort(sorted)
	return sorted[int(q*float64(len(sorted)-1)+0.5)]
}

func (a *alternative) median(quantity int) float64 { return a.quantile(quantity, 0.5) }

// run measures and prints a table: for each quantity the ratio of the medians,
// then the medians with their middle half.
func (c *comparison) run(ctx context.Context) error {
	if err := takeTurns(ctx, c.rounds, c.all); err != nil {
		return err
	}
	return c.print()
}

// print prints what was taken.
func (c *comparison) print() error {
	t := table{title: fmt.Sprintf("%s, %d times each", c.title, c.rounds)}
	t.row(c.head()...)
	for _, a := range c.all {
		t.row(c.cells(a)...)
	}
	return t.print()
}

func (c *comparison) head() []string {
	first, cells := c.all[0].name, []string{""}
	for _, q := range c.quantities {
		ratio := first + " is"
		if c.parts {
			ratio = "is"
		}
		cells = append(cells, ratio, "median "+q.unit, "middle half")
		if q.tail {
			cells = append(cells, "p99", "p99/median")
		}
	}
	return cells
}

func (c *comparison) cells(a *alternative) []string {
	first, cells := c.all[0], []string{a.name}
	for i, q := range c.quantities {
		median := a.median(i)
		ratio := fmt.Sprintf("%.2f of it", first.median(i)/median)
		if c.parts {
			ratio = fmt.Sprintf("%.2f of %s", median/first.median(i), first.name)
		}
		cells = append(cells, ratio, figure(median), figure(a.quantile(i, 0.25))+" to "+figure(a.quantile(i, 0.75)))
		if q.tail {
			slow := a.quantile(i, 0.99)
			cells = append(cells, figure(slow), fmt.Sprintf("%.2f", slow/median))
		}
	}
	return cells
}

// only is the same comparison of some of its quantities, n from the first one.
func (c *comparison) only(title string, first, n int) *comparison {
	part := *c
	part.title, part.quantities, part.all = title, c.quantities[first:first+n], nil
	for _, a := range c.all {
		b := &alternative{name: a.name}
		for _, values := range a.taken {
			b.taken = append(b.taken, values[first:first+n])
		}
		part.all = append(part.all, b)
	}
	return &part
}

// A table is printed when it is complete, under its title.
type table struct {
	title string
	rows  [][]string
}

func (t *table) row(cells ...string) { t.rows = append(t.rows, cells) }

func (t *table) print() error {
	fmt.Printf("\n%s\n", t.title)
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, cells := range t.rows {
		fmt.Fprintln(w, strings.Join(cells, "\t")+"\t")
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
