package cmd

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// output is the value of -o: the form in which a verb prints its result.
type output string

const (
	asText     output = "text"
	asJSON     output = "json"
	asMarkdown output = "markdown"
)

// addOutput gives a verb the flag -o, with the forms text and json, and those
// that only this verb has.
func addOutput(c *cobra.Command, more ...output) *output {
	v := outputFlag{form: asText, forms: append([]output{asText, asJSON}, more...)}
	c.Flags().VarP(&v, "output", "o", "print as `FORM`: "+v.choices())
	var names []string
	for _, form := range v.forms {
		names = append(names, string(form))
	}
	// It fails for a flag that is not there.
	_ = c.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(names, cobra.ShellCompDirectiveNoFileComp))
	return &v.form
}

// outputFlag implements pflag.Value.
type outputFlag struct {
	form  output
	forms []output
}

func (v *outputFlag) String() string { return string(v.form) }

func (*outputFlag) Type() string { return "form" }

func (v *outputFlag) Set(text string) error {
	form := output(strings.ToLower(text))
	if !slices.Contains(v.forms, form) {
		return fmt.Errorf("%q is not %s", text, v.choices())
	}
	v.form = form
	return nil
}

// choices lists the forms as a person would.
func (v *outputFlag) choices() string {
	var b strings.Builder
	for i, f := range v.forms {
		switch {
		case i > 0 && i == len(v.forms)-1:
			b.WriteString(" or ")
		case i > 0:
			b.WriteString(", ")
		}
		b.WriteString(string(f))
	}
	return b.String()
}
