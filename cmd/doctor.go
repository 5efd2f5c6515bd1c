package cmd

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/least-privilege/lpm/analyzer/trace"
	"github.com/least-privilege/lpm/cmd/front"
	"github.com/least-privilege/lpm/cmd/render"
	"github.com/least-privilege/lpm/enforcer/host"
	"github.com/least-privilege/lpm/registry/xdg"
)

func newDoctor(s *session) *cobra.Command {
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Say what this machine can enforce, and how to mend it",
		Long: `Doctor tries everything that lpm needs of this machine and of your account, and
says what is missing and how it can be had. It exits with 1 if something is
missing, or could not be told, without which lpm run does not work.`,
		Args: needs(),
	}
	form := addOutput(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		data, err := xdg.Data()
		if err != nil {
			return err
		}
		findings, err := host.Inspect(c.Context(), data)
		if err != nil {
			return err
		}
		findings = append(findings, networkProgram())
		works, line := host.Summary(findings)
		findings = append(findings, kernelRecorder())
		if *form == asJSON {
			err = s.term.JSON(findings)
		} else {
			s.printFindings(findings)
			s.term.Printf("\n%s\n", render.Escape(line))
		}
		if err == nil && !works {
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
		case f.State == host.Inconclusive && f.Required:
			mark = s.term.Red("UNKNOWN")
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

// networkProgram says whether the program is installed that every private network
// is a process of.
func networkProgram() host.Finding {
	f := host.Finding{Name: "lpm-net", State: host.Present, Use: "private networks"}
	programs, err := front.FindPrograms()
	switch {
	case err != nil:
		f.State, f.Detail = host.Inconclusive, err.Error()
	case programs.Network == "":
		f.State, f.Detail = host.Missing, "it is neither beside lpm nor in libexec/lpm"
		f.Hint = "install lpm-net along with lpm, of the same version"
	default:
		f.Detail = programs.Network
	}
	return f
}

// kernelRecorder says whether lpm analyze can watch from inside the kernel.
func kernelRecorder() host.Finding {
	f := host.Finding{Name: "ebpf-recorder", State: host.Present, Use: "lpm analyze --recorder ebpf and --attach"}
	var access *trace.AccessError
	if err := trace.Check(); errors.As(err, &access) {
		f.State, f.Detail, f.Hint = host.Missing, access.Reason, access.Hint()
	} else if err != nil {
		f.State, f.Detail = host.Inconclusive, err.Error()
	}
	return f
}
