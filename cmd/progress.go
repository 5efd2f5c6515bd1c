package cmd

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/least-privilege/lpm/cmd/render"
)

// progressFlag is the value of --progress; it implements pflag.Value. "none" is
// what -q says too.
type progressFlag struct{ s *session }

func addProgress(root *cobra.Command, s *session) {
	f := root.PersistentFlags()
	f.BoolVarP(&s.quiet, "quiet", "q", false, "report no progress")
	f.Var(progressFlag{s}, "progress", "report progress as `FORM`: auto, json (an object a line on standard error) or none")
	_ = root.RegisterFlagCompletionFunc("progress", cobra.FixedCompletions(
		[]string{string(render.ReportAuto), string(render.ReportJSON), string(render.ReportNone)}, cobra.ShellCompDirectiveNoFileComp))
}

func (p progressFlag) String() string {
	switch {
	case p.s == nil || p.s.term.Reporting == "" && !p.s.quiet:
		return string(render.ReportAuto)
	case p.s.quiet:
		return string(render.ReportNone)
	}
	return string(p.s.term.Reporting)
}

func (progressFlag) Type() string { return "form" }

func (p progressFlag) Set(text string) error {
	switch r := render.Reporting(strings.ToLower(text)); r {
	case render.ReportAuto, render.ReportJSON:
		p.s.term.Reporting = r
	case render.ReportNone:
		p.s.quiet = true
	default:
		return fmt.Errorf("%q is not auto, json or none", text)
	}
	return nil
}
