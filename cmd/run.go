package cmd

import (
	"context"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/least-privilege/lpm/cmd/render"
	"github.com/least-privilege/lpm/enforcer"
	"github.com/least-privilege/lpm/enforcer/container"
	"github.com/least-privilege/lpm/enforcer/plan"
)

// runFlags are the flags of lpm run.
type runFlags struct {
	plan.Options
	entrypoint  string
	interactive bool
	verbose     bool
	dryRun      bool
	ask         bool
	denials     string
}

func newRun(s *session) *cobra.Command {
	var f runFlags
	c := &cobra.Command{
		Use:   "run IMAGE [-- ARG...]",
		Short: "Start a container with the approved permissions and no others",
		Long: `Run starts the image's program with what its manifest asks for and its approval
grants, and nothing else. Without an approval in force it refuses and names the
command that would help. ARGs replace the image's own (its Cmd).

What the program was refused is reported at the end, one entry for each kind,
with the manifest's line that would grant it; -v reports it at once. Files are
refused by the kernel without a word, unless --trace-files looks at each use.

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
	flags := c.Flags()
	flags.SetInterspersed(false)
	flags.BoolVarP(&f.interactive, "interactive", "i", false, "pass standard input on (otherwise it is empty)")
	flags.BoolVarP(&f.TTY, "tty", "t", false, "give the container a terminal of its own")
	flags.StringArrayVarP(&f.Env, "env", "e", nil, "set the environment variable `NAME=VALUE`; NAME alone takes its value from here")
	flags.StringVarP(&f.WorkingDir, "workdir", "w", "", "start in `FOLDER` instead of the image's own")
	flags.StringVar(&f.entrypoint, "entrypoint", "", "start `PROGRAM` instead of the image's entry point, if the manifest grants it")
	flags.BoolVar(&f.BestEffort, "best-effort", false, "run although the host cannot enforce all of the manifest, and say what it cannot")
	flags.BoolVarP(&f.verbose, "verbose", "v", false, "report what is refused at once")
	flags.BoolVar(&f.ask, "ask", false, "ask before something is refused (on a terminal, without -t)")
	flags.BoolVar(&f.TraceFiles, "trace-files", false, "report files that are refused too, by path; it slows the opening of files down")
	flags.BoolVar(&f.dryRun, "dry-run", false, "print the plan of the launch and start nothing")
	flags.StringVar(&f.denials, "denials", "", "write what was refused to `FILE`, one JSON object a line")
	form := addOutput(c)
	flags.Lookup("output").Usage = "with --dry-run, print as `FORM`: text or json"
	c.RunE = func(c *cobra.Command, args []string) error {
		f.Args = args[1:]
		// What follows the image is the program's; only a "--" right there
		// is ours.
		if len(f.Args) > 0 && f.Args[0] == "--" {
			f.Args = f.Args[1:]
		}
		if c.Flags().Changed("entrypoint") {
			f.Entrypoint = []string{f.entrypoint}
		}
		f.Env = fromHere(f.Env)
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

// fromHere gives the variables that are named alone the value they have here,
// and leaves those out that have none, as docker does.
func fromHere(env []string) []string {
	var all []string
	for _, setting := range env {
		if strings.Contains(setting, "=") {
			all = append(all, setting)
		} else if value, ok := os.LookupEnv(setting); ok {
			all = append(all, setting+"="+value)
		}
	}
	return all
}

// run starts the image under what was approved and returns its exit code.
func (s *session) run(ctx context.Context, name string, f runFlags, form output) (int, error) {
	if err := s.mayAsk(f); err != nil {
		return 0, err
	}
	st, err := s.store()
	if err != nil {
		return 0, err
	}
	img, err := s.image(st, name)
	if err != nil {
		return 0, err
	}
	subject := subjectOf(img, name)
	asks, err := s.granted(ctx, st, subject)
	if err != nil {
		return 0, err
	}
	streams := container.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}
	if !f.interactive {
		null, err := os.Open(os.DevNull)
		if err != nil {
			return 0, err
		}
		defer null.Close()
		streams.In = null
	}
	var tty *container.Terminal
	if f.TTY {
		if tty, err = container.OpenTerminal(); err != nil {
			return 0, err
		}
		defer tty.Close()
		f.Console = tty.Path
	}
	prepared, release, err := s.prepare(ctx, st, img, subject, asks.Grant.Manifest, f.Options)
	if err != nil {
		return 0, err
	}
	defer release()
	if f.dryRun {
		return 0, s.printPlan(prepared.Plan, form)
	}
	for _, u := range prepared.Plan.Unenforced {
		s.term.Warn("not enforced on this host: %s", u)
	}
	return s.reported(ctx, name, prepared, asks, streams, tty, f)
}

// mayAsk refuses questions that nobody could see or answer.
func (s *session) mayAsk(f runFlags) error {
	const advice = "without --ask what the manifest does not grant is refused, and reported; --denials FILE keeps it"
	switch {
	case !f.ask:
		return nil
	case f.TTY:
		return usagef(advice, "--ask and --tty: the terminal would be the container's, and could not show questions")
	case !s.term.Interactive():
		return usagef(advice, "--ask: %w", render.ErrNoTerminal)
	}
	return nil
}
