package cmd

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/least-privilege/lpm/cmd/render"
	"github.com/least-privilege/lpm/manifest"
	"github.com/least-privilege/lpm/schema"
)

// The verdicts of check, beside exitUsage.
const (
	exitRejected   = 1
	exitNotChecked = 3
)

func newCheck(s *session) *cobra.Command {
	c := &cobra.Command{
		Use:   "check IMAGE|FILE --policy POLICY",
		Short: "Hold a manifest against an organisation's policy",
		Long: `Check holds the newest manifest of an image, or the manifest in a file (.cue,
.yaml, .yml or .json), against a policy in such a file. See docs/policy.md.

With --reachable it also rejects system calls that are granted and of no use: no
record of a run shows them, and no code of the image can make them. The records
are those attached to IMAGE and those of --evidence; they say which programs and
libraries to look at. Where the code has calls that cannot be told, there is no
verdict.

Exit codes: 0 it keeps to the policy, 1 it does not, 2 the command line is
wrong, 3 it could not be checked. The form of the output changes none of them.`,
		Args:        needs("IMAGE|FILE"),
		Annotations: map[string]string{failureCode: strconv.Itoa(exitNotChecked), usageCode: strconv.Itoa(exitUsage)},
	}
	form := addOutput(c)
	policy := c.Flags().String("policy", "", "the `FILE` of the policy")
	var reach reachFlags
	c.Flags().BoolVar(&reach.on, "reachable", false, "reject system calls that the image's code cannot make")
	c.Flags().StringArrayVar(&reach.evidence, "evidence", nil, "with --reachable, take this `RECORD` of a run into account")
	insecure := c.Flags().Bool("insecure", false, "allow plain HTTP and certificates that nobody vouches for")
	c.RunE = func(c *cobra.Command, args []string) error {
		if *policy == "" {
			return usagef("name the policy with --policy FILE", "no policy is named")
		}
		if len(reach.evidence) > 0 && !reach.on {
			return usagef("add --reachable", "--evidence is about what is reachable")
		}
		rules, err := readFile(*policy)
		if err != nil {
			return err
		}
		m, err := s.manifestOf(c.Context(), args[0], *insecure)
		if err != nil {
			return err
		}
		violations, err := schema.Check(rules, *policy, m)
		if err != nil {
			return err
		}
		if reach.on {
			spare, err := s.spare(c.Context(), args[0], m, reach, *insecure)
			if err != nil {
				return err
			}
			violations = append(violations, spare...)
		}
		v := verdict{Subject: args[0], Policy: *policy, Pass: len(violations) == 0, Violations: violations}
		if err := s.printVerdict(v, *form); err != nil {
			return err
		}
		if !v.Pass {
			return &exitError{code: exitRejected}
		}
		return nil
	}
	return c
}

// reachFlags are the flags about what code can make.
type reachFlags struct {
	on       bool
	evidence []string
}

// ruleReachable is the rule that is broken by a grant of no use; the others
// are a policy's.
const ruleReachable = "reachable"

// spare finds what a manifest grants and no code of the image can make.
func (s *session) spare(ctx context.Context, name string, m *manifest.Manifest, o reachFlags, insecure bool) ([]schema.Violation, error) {
	x, err := s.explained(ctx, name, explainFlags{evidence: o.evidence, insecure: insecure})
	if err != nil {
		return nil, err
	}
	switch {
	case len(x.Runs) == 0:
		return nil, &untoldError{"no record of a run says which programs to look at"}
	case x.Untold != "":
		return nil, &untoldError{x.Untold}
	}
	var found []schema.Violation
	for _, p := range m.Permissions() {
		if slices.Contains(x.Spare, p.ID) {
			found = append(found, schema.Violation{
				Rule: ruleReachable, Permission: p.ID, Path: p.Path, Level: p.Level,
				Message: "granted, not reachable: no record shows it, and no code of the image can make it",
			})
		}
	}
	return found, nil
}

// untoldError is that it cannot be told what is reachable.
type untoldError struct{ why string }

func (e *untoldError) Error() string { return "what the image's code can make is unknown: " + e.why }

// Hint tells how it could be.
func (e *untoldError) Hint() string {
	return "lpm analyze makes a record, lpm attach --evidence keeps it beside the image; without --reachable the policy alone is checked"
}

// verdict is the result of check.
type verdict struct {
	Subject    string             `json:"subject"`
	Policy     string             `json:"policy"`
	Pass       bool               `json:"pass"`
	Violations []schema.Violation `json:"violations"`
}

func (s *session) printVerdict(v verdict, form output) error {
	if form == asJSON {
		v.Violations = append([]schema.Violation{}, v.Violations...)
		return s.term.JSON(v)
	}
	subject, policy := render.Escape(v.Subject), render.Escape(v.Policy)
	if v.Pass {
		s.term.Printf("%s: %s keeps to %s\n", s.term.Green("passed"), subject, policy)
		return nil
	}
	s.term.Printf("%s: %s breaks %s in %s\n", s.term.Red("rejected"), subject, policy, count(len(v.Violations), "place"))
	for _, each := range v.Violations {
		s.term.Printf("  %s: %s\n", s.term.Level(each.Level), render.Escape(each.Message))
		where := each.Permission
		if where == "" {
			where = each.Path
		}
		if where != "" {
			s.term.Printf("      %s\n", render.Escape(where))
		}
	}
	return nil
}

// count returns a number with its noun.
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
