package cmd

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// output is the value of -o: the form in which a verb prints its result.
type output string

const (
	asText output = "text"
	asJSON output = "json"
)

// addOutput gives a verb the flag -o.
func addOutput(c *cobra.Command) *output {
	o := asText
	c.Flags().VarP(&o, "output", "o", "print as `FORM`: text or json")
	return &o
}

// String implements pflag.Value.
func (o *output) String() string { return string(*o) }

// Type implements pflag.Value.
func (o *output) Type() string { return "form" }

// Set implements pflag.Value.
func (o *output) Set(text string) error {
	switch output(strings.ToLower(text)) {
	case asText:
		*o = asText
	case asJSON:
		*o = asJSON
	default:
		return fmt.Errorf("%q is neither text nor json", text)
	}
	return nil
}
