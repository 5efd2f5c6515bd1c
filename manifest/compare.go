package manifest

import (
	"cmp"
	"slices"
)

// Diff is how a manifest differs from an earlier one, for a reviewer who
// approved the earlier.
type Diff struct {
	// Added are permissions of a kind that the old manifest had not.
	Added []Change `json:"added,omitempty"`
	// Widened permissions allow something new, or can no longer be denied.
	Widened []Change `json:"widened,omitempty"`
	// Narrowed permissions allow less and nothing new.
	Narrowed []Change `json:"narrowed,omitempty"`
	// Removed permissions are gone.
	Removed []Change `json:"removed,omitempty"`
}

// Change is what became of the permissions of one subject. The new manifest's
// are in After, the old one's in Before.
type Change struct {
	// Subject is what stayed the same, such as "syscall:socket".
	Subject string       `json:"subject"`
	Before  []Permission `json:"before,omitempty"`
	After   []Permission `json:"after,omitempty"`
}

// Level returns the highest level among the permissions after the change, or
// before it where none are left.
func (c Change) Level() Level {
	list := c.After
	if len(list) == 0 {
		list = c.Before
	}
	level := Normal
	for _, p := range list {
		level = max(level, p.Level)
	}
	return level
}

// Wider reports whether the new manifest asks for anything that the old one
// did not.
func (d Diff) Wider() bool { return len(d.Added)+len(d.Widened) > 0 }

// Compare returns how new differs from old, the worst changes first. Changes
// that alter nothing that is allowed are left out: reasons, spelling, and what
// another permission included before and includes still.
func Compare(old, new *Manifest) Diff {
	type sides struct {
		Change
		gained, lost, locked bool
	}
	var order []string
	bySubject := map[string]*sides{}
	at := func(subject string) *sides {
		s := bySubject[subject]
		if s == nil {
			s = &sides{Change: Change{Subject: subject}}
			bySubject[subject] = s
			order = append(order, subject)
		}
		return s
	}
	optional := map[string]bool{}
	for _, g := range old.grants() {
		s := at(g.subject)
		s.Before = append(s.Before, g.Permission)
		s.lost = s.lost || !g.in(new)
		optional[g.ID] = g.Optional
	}
	for _, g := range new.grants() {
		s := at(g.subject)
		s.After = append(s.After, g.Permission)
		s.gained = s.gained || !g.in(old)
		s.locked = s.locked || optional[g.ID] && !g.Optional
	}
	var d Diff
	for _, subject := range order {
		s := bySubject[subject]
		sortPermissions(s.Before)
		sortPermissions(s.After)
		switch {
		case s.gained && len(s.Before) == 0:
			d.Added = append(d.Added, s.Change)
		case s.gained || s.locked:
			d.Widened = append(d.Widened, s.Change)
		case s.lost && len(s.After) == 0:
			d.Removed = append(d.Removed, s.Change)
		case s.lost:
			d.Narrowed = append(d.Narrowed, s.Change)
		}
	}
	for _, changes := range [][]Change{d.Added, d.Widened, d.Narrowed, d.Removed} {
		slices.SortStableFunc(changes, func(a, b Change) int {
			return cmp.Or(cmp.Compare(b.Level(), a.Level()), cmp.Compare(a.Subject, b.Subject))
		})
	}
	return d
}
