package cmd

import (
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/least-privilege/lpm/cmd/render"
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

Exit codes: 0 it keeps to the policy, 1 it does not, 2 the command line is
wrong, 3 it could not be checked. The form of the output changes none of them.`,
		Args:        needs("IMAGE|FILE"),
		Annotations: map[string]string{failureCode: strconv.Itoa(exitNotChecked), usageCode: strconv.Itoa(exitUsage)},
	}
	form := addOutput(c)
	policy := c.Flags().String("policy", "", "the `FILE` of the policy")
	insecure := c.Flags().Bool("insecure", false, "allow plain HTTP and certificates that nobody vouches for")
	c.RunE = func(c *cobra.Command, args []string) error {
		if *policy == "" {
			return usagef("name the policy with --policy FILE", "no policy is named")
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
