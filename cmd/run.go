package cmd

import (
	"context"
	"strconv"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/least-privilege/lpm/cmd/front"
	"github.com/least-privilege/lpm/enforcer"
	"github.com/least-privilege/lpm/enforcer/container"
)

func newRun(s *session) *cobra.Command {
	var f front.Flags
	c := &cobra.Command{
		Use:   "run IMAGE [-- ARG...]",
		Short: "Start a container with the approved permissions and no others",
		Long: `Run starts the image's program with what its manifest asks for and its approval
grants, and nothing else. Without an approval in force it refuses and names the
command that would help. ARGs replace the image's own (its Cmd).

What the program was refused is reported at the end, one entry for each kind,
with the manifest's line that would grant it; -v reports it at once. The kernel
refuses files without a word, unless --trace-files looks at each use, and always
what takes a capability that the container does not have.

With --ask a person is asked before something is refused. "Once" grants it until
the container ends, "always" also writes a manifest that says it, NAME.amended.json
in the current folder, which counts when it is attached and approved. Programs,
files and networks cannot be given to a container that runs: of these only the
next one can have more.

Nothing is enforced halfway: where the host cannot hold the container to a part
of the manifest, run refuses, unless --best-effort accepts that.

Exit codes are those of container engines: 125 when lpm itself failed, 126 for a
program that cannot be executed, 127 for one that is not there, otherwise the
program's own, or 128+n when signal n ended it.`,
		Example: `  lpm run redis
  lpm run -it debian -- bash
  lpm run --dry-run redis`,
		Args:        needs("IMAGE", "[ARG...]"),
		Annotations: map[string]string{failureCode: strconv.Itoa(container.ExitFailed)},
	}
	c.Flags().SetInterspersed(false)
	for _, flag := range f.Table() {
		addFlag(c.Flags(), flag)
	}
	form := addOutput(c)
	c.Flags().Lookup("output").Usage = "with --dry-run, print as `FORM`: text or json"
	c.RunE = func(c *cobra.Command, args []string) error {
		f.Quiet = s.quiet
		if err := f.Complete(args[1:]); err != nil {
			return err
		}
		code, err := s.run(c.Context(), args[0], f, *form)
		if err != nil {
			return &exitError{code: enforcer.ExitCode(err), err: err}
		}
		if code != 0 {
			return &exitError{code: code}
		}
		return nil
	}
	return c
}

// addFlag adds a flag of the table.
func addFlag(set *pflag.FlagSet, f front.Flag) {
	short := ""
	if f.Short != 0 {
		short = string(rune(f.Short))
	}
	switch v := f.Value.(type) {
	case *bool:
		set.BoolVarP(v, f.Name, short, false, f.Usage)
	case *string:
		set.StringVarP(v, f.Name, short, "", f.Usage)
	case *[]string:
		set.StringArrayVarP(v, f.Name, short, nil, f.Usage)
	}
}

// run prepares the launch of the image under what was approved, and hands it
// to the front process. It returns the container's exit code only where that
// runs here; see [front.Run].
func (s *session) run(ctx context.Context, name string, f front.Flags, form output) (int, error) {
	programs, err := front.FindPrograms()
	if err != nil {
		return 0, err
	}
	st, err := s.store()
	if err != nil {
		return 0, err
	}
	p, err := s.keep(ctx, st, name, f, programs)
	if err != nil {
		return 0, err
	}
	if f.DryRun {
		return 0, s.printPlan(p, form)
	}
	args := f.Arguments(name)
	if programs.Front == "" {
		return front.Run(args)
	}
	return 0, programs.HandBack(append([]string{"run"}, args...))
}
