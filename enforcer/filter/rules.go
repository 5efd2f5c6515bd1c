package filter

import (
	"fmt"
	"slices"

	"github.com/least-privilege/lpm/enforcer/filter/bpf"
	"github.com/least-privilege/lpm/enforcer/plan"
)

// RuleError tells of a rule that no filter can hold.
type RuleError struct {
	Rule    plan.Rule
	Problem string
}

// Error implements error.
func (e *RuleError) Error() string {
	return fmt.Sprintf("rule for %s (%d): %s", e.Rule.Syscall, e.Rule.Number, e.Problem)
}

// maxNumber is the first number that can be no native call: numbers from
// here on are x32's.
const maxNumber = 0x40000000

// check reports the first rule that could not be enforced as it reads. What
// would only make a rule weaker than its author meant, such as a comparison
// that always or never holds, counts as that.
func check(f plan.Filter) error {
	if !known(f.Default) {
		return fmt.Errorf("filter's default action %q is unknown", f.Default)
	}
	for i, r := range f.Rules {
		fail := func(format string, args ...any) error {
			return &RuleError{Rule: r, Problem: fmt.Sprintf(format, args...)}
		}
		switch {
		case !known(r.Action):
			return fail("unknown action %q", r.Action)
		case r.Number < 0 || r.Number >= maxNumber:
			return fail("number out of range")
		case i > 0 && r.Number < f.Rules[i-1].Number:
			return fail("rules are not sorted by number")
		}
		if problem := checkWhen(r.When); problem != "" {
			return fail("%s", problem)
		}
	}
	return checkActions(f)
}

// checkActions reports the first rule that could apply to the same call as one
// with another action. None comes before the other, not for libseccomp either.
func checkActions(f plan.Filter) error {
	for i, r := range f.Rules {
		for _, other := range slices.Backward(f.Rules[:i]) {
			if other.Number != r.Number {
				break
			}
			if other.Action != r.Action && !exclusive(other.When, r.When) {
				return &RuleError{Rule: r, Problem: fmt.Sprintf("alternatives of one call have different actions, %s and %s", other.Action, r.Action)}
			}
		}
	}
	return nil
}

// exclusive reports whether a and b never hold both.
func exclusive(a, b []plan.Compare) bool {
	return slices.ContainsFunc(a, func(c plan.Compare) bool {
		return slices.ContainsFunc(b, func(d plan.Compare) bool {
			return c.Arg == d.Arg && (c.Value^d.Value)&c.Mask&d.Mask != 0
		})
	})
}

// checkWhen returns what is wrong with the comparisons of a rule, or "".
func checkWhen(when []plan.Compare) string {
	var seen [6]bool
	for _, c := range when {
		switch {
		case c.Arg < 0 || c.Arg >= len(seen):
			return fmt.Sprintf("a call has no argument %d", c.Arg)
		case seen[c.Arg]:
			return fmt.Sprintf("two comparisons of argument %d", c.Arg)
		case c.Mask == 0:
			return fmt.Sprintf("the mask of argument %d is empty, so the comparison says nothing", c.Arg)
		case c.Value&^c.Mask != 0:
			return fmt.Sprintf("argument %d masked with %#x is never %#x", c.Arg, c.Mask, c.Value)
		}
		seen[c.Arg] = true
	}
	return ""
}

func known(a plan.Action) bool {
	switch a {
	case plan.ActionKill, plan.ActionEPERM, plan.ActionENOSYS, plan.ActionNotify, plan.ActionAllow:
		return true
	}
	return false
}

// MaxComparisons is how many comparisons the rules of a filter can have, those
// of superfluous rules not counted. libseccomp's time grows with the square of
// their number: so many take a second, and fill the kernel's bound.
const MaxComparisons = 1024

// checkSize refuses filters that would take long to compile and then, but for
// rare cases, not fit into the kernel: rules come from manifests of strangers.
func checkSize(f plan.Filter) error {
	if len(f.Rules) > bpf.MaxInstructions {
		return fmt.Errorf("%w: %d rules of at most %d", ErrTooLong, len(f.Rules), bpf.MaxInstructions)
	}
	comparisons := 0
	for _, alternatives := range groups(f) {
		for _, r := range alternatives {
			comparisons += len(r.When)
		}
	}
	if comparisons > MaxComparisons {
		return fmt.Errorf("%w: %d comparisons of at most %d", ErrTooLong, comparisons, MaxComparisons)
	}
	return nil
}

// groups returns the rules that differ from the default, those of one call
// together, free of what another of them makes superfluous.
func groups(f plan.Filter) [][]plan.Rule {
	var out [][]plan.Rule
	for rest := f.Rules; len(rest) > 0; {
		n := 1
		for n < len(rest) && rest[n].Number == rest[0].Number {
			n++
		}
		same := func(r plan.Rule) bool { return r.Action == f.Default }
		if differ := slices.DeleteFunc(slices.Clone(rest[:n]), same); len(differ) > 0 {
			out = append(out, reduce(differ))
		}
		rest = rest[n:]
	}
	return out
}

// reduce drops the alternatives that hold only where another one does too.
func reduce(alternatives []plan.Rule) []plan.Rule {
	var kept []plan.Rule
	for i, r := range alternatives {
		redundant := slices.ContainsFunc(kept, func(k plan.Rule) bool { return implies(r.When, k.When) }) ||
			slices.ContainsFunc(alternatives[i+1:], func(l plan.Rule) bool {
				return implies(r.When, l.When) && !implies(l.When, r.When)
			})
		if !redundant {
			kept = append(kept, r)
		}
	}
	return kept
}

// implies reports whether b holds wherever a does.
func implies(a, b []plan.Compare) bool {
	for _, want := range b {
		if !slices.ContainsFunc(a, func(c plan.Compare) bool {
			return c.Arg == want.Arg && c.Mask&want.Mask == want.Mask && c.Value&want.Mask == want.Value
		}) {
			return false
		}
	}
	return true
}
