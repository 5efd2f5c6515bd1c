package cmd

import (
	"github.com/spf13/cobra"

	"github.com/least-privilege/lpm/cmd/render"
	"github.com/least-privilege/lpm/enforcer/host"
)

func newDoctor(s *session) *cobra.Command {
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Say what this machine can enforce, and how to mend it",
		Long: `Doctor tries everything that lpm needs of this machine and of your account, and
says what is missing and how it can be had. It exits with 1 if something is
missing, or could not be told, without which nothing runs.`,
		Args: needs(),
	}
	form := addOutput(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		findings, err := host.Inspect(c.Context())
		if err != nil {
			return err
		}
		sound := true
		for _, f := range findings {
			if f.Required && f.State != host.Present {
				sound = false
			}
		}
		if *form == asJSON {
			err = s.term.JSON(findings)
		} else {
			s.printFindings(findings)
		}
		if err == nil && !sound {
			return &exitError{code: exitFailed}
		}
		return err
	}
	return c
}

func (s *session) printFindings(findings []host.Finding) {
	for _, f := range findings {
		mark := s.term.Green("ok")
		switch {
		case f.State == host.Inconclusive:
			mark = "unknown"
		case f.State == host.Missing && f.Required:
			mark = s.term.Red("MISSING")
		case f.State == host.Missing:
			mark = "missing"
		}
		s.term.Printf("%s: %s (%s)\n", s.term.Bold(f.Name), mark, render.Escape(f.Use))
		if f.Detail != "" {
			s.term.Printf("    %s\n", render.Escape(f.Detail))
		}
		if f.Hint != "" {
			s.term.Printf("    hint: %s\n", render.Escape(f.Hint))
		}
	}
}
