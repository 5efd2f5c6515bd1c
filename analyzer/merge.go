package analyzer

import (
	"cmp"
	"iter"
	"maps"
	"math"
	"path"
	"slices"
	"strings"
	"unicode"

	"github.com/least-privilege/lpm/analyzer/evidence"
)

// merged is one fact over all runs.
type merged[T any] struct {
	fact T
	seen Explanation
}

// gather merges the facts of all records that have the same key, sorted by it.
// join, where not nil, adds to the first of them what another one has more.
func gather[T any, K cmp.Ordered](records []*evidence.Record, facts func(*evidence.Record) []T,
	key func(T) K, seen func(T) evidence.Seen, join func(into *T, other T)) []merged[T] {
	byKey := map[K]*merged[T]{}
	for run, r := range records {
		for _, f := range facts(r) {
			k := key(f)
			m, known := byKey[k]
			if !known {
				m = &merged[T]{fact: f, seen: Explanation{Basis: Observed, First: seen(f).First}}
				byKey[k] = m
			} else if join != nil {
				join(&m.fact, f)
			}
			m.seen = both(m.seen, observed(run, seen(f)))
		}
	}
	var all []merged[T]
	for _, k := range slices.Sorted(maps.Keys(byKey)) {
		all = append(all, *byKey[k])
	}
	return all
}

// observed explains by one run.
func observed(run int, s evidence.Seen) Explanation {
	return Explanation{Basis: Observed, Runs: []int{run}, Count: s.Count, Checks: s.Check, First: s.First, Programs: s.Programs}
}

// both joins two explanations of the same thing; of the first it keeps the
// basis and the text.
func both(a, b Explanation) Explanation {
	switch {
	case len(b.Runs) == 0:
	case len(a.Runs) == 0:
		a.First = b.First
	default:
		a.First = min(a.First, b.First)
	}
	// A record is a file from anywhere, and may count up to the last number.
	if a.Count += b.Count; a.Count < b.Count {
		a.Count = math.MaxUint64
	}
	if a.Checks += b.Checks; a.Checks < b.Checks {
		a.Checks = math.MaxUint64
	}
	a.Runs = union(a.Runs, b.Runs)
	a.Programs = union(a.Programs, b.Programs)
	return a
}

func union[T cmp.Ordered](a, b []T) []T {
	all := slices.Concat(a, b)
	slices.Sort(all)
	return slices.Compact(all)
}

func keys[K comparable, V any](m map[K]V) iter.Seq[K]   { return maps.Keys(m) }
func values[K comparable, V any](m map[K]V) iter.Seq[V] { return maps.Values(m) }

// names returns what each program was asked for as, where it was by a symbolic
// link alone: "redis-server" says more than the file that it leads to.
func names(records []*evidence.Record) map[string]string {
	asked := map[string]string{}
	for _, r := range records {
		for _, g := range r.Programs {
			if before, seen := asked[g.Path]; seen && before != g.As {
				asked[g.Path] = ""
				continue
			}
			asked[g.Path] = g.As
		}
	}
	return asked
}

// by is the function of that name, with programs called what they were asked
// for as.
func (p *proposer) by(programs []string) string {
	called := slices.Clone(programs)
	for i, program := range called {
		called[i] = cmp.Or(p.names[program], program)
	}
	return by(called)
}

// by names the programs of an explanation in a few words: " by nginx and
// dash", or nothing.
func by(programs []string) string {
	names := make([]string, 0, len(programs))
	for _, p := range programs {
		if name := path.Base(p); name != "?" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return ""
	}
	return " by " + few(names)
}

// line makes a text from a record fit for a reason: one line of characters
// that show, and not too long. Records hold names that a container chose.
func line(s string) string {
	const most = 400
	s = strings.Map(func(r rune) rune {
		if r == unicode.ReplacementChar || unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Co, unicode.Cs) {
			return '?'
		}
		return r
	}, s)
	if len(s) <= most {
		return s
	}
	cut := most
	for cut > 0 && s[cut]&0xc0 == 0x80 {
		cut--
	}
	return s[:cut] + "…"
}

// shows reports whether a path has nothing that [line] would replace.
func shows(p string) bool { return len(p) < 400 && line(p) == p }
