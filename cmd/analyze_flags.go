package cmd

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/least-privilege/lpm/enforcer/plan"
	"github.com/least-privilege/lpm/manifest"
)

// analyzeFlags are the flags of lpm analyze.
type analyzeFlags struct {
	plan.Options
	entrypoint  string
	volumes     []string
	identity    identity
	network     network
	interactive bool
	limit       time.Duration
	quiet       time.Duration
	exercises   []string
	repeat      int
	ready       ready
	signals     signals
	keepGoing   bool
	unchecked   bool
	from        []string
	recorder    recorderKind
	attach      string
	output      string
	coverage    string
	evidence    string
	prove       proveFlags
}

// add gives the command the flags.
func (f *analyzeFlags) add(c *cobra.Command) {
	flags := c.Flags()
	flags.StringVarP(&f.output, "output", "o", "", "write the proposal to `FILE`")
	flags.StringVar(&f.coverage, "coverage", "", "draw how much new each run has shown into `FILE`: an SVG where its name ends in .svg, or text")
	flags.StringVar(&f.evidence, "evidence", "", "keep the record of the run in `FILE`")
	flags.StringArrayVar(&f.from, "from", nil, "run nothing, and propose from this and further `RECORD`s, as --evidence keeps them")
	flags.DurationVar(&f.limit, "for", 0, "end the run after this `TIME`, such as 30s")
	flags.DurationVar(&f.quiet, "until-quiet", 0, "end the run once nothing new was seen for this `TIME`, such as 60s")
	flags.StringArrayVar(&f.exercises, "exercise", nil, "exercise the container with this `COMMAND`, one after the other, and end the run with the last")
	flags.IntVar(&f.repeat, "repeat", 1, "run the exercises `N` times")
	flags.Var(&f.signals, "signal", "after the exercises send each `SIGNAL` (HUP,TERM) and exercise again; TERM, INT or QUIT at the end ends the run")
	flags.Var(&f.ready, "ready", "exercise the container once `PLACE` answers: tcp://:PORT, unix:///PATH, http://:PORT/PATH (the image's first TCP port)")
	flags.DurationVar(&f.ready.within, "ready-timeout", time.Minute, "how much `TIME` the container has until it can be exercised")
	flags.BoolVar(&f.keepGoing, "keep-going", false, "propose although the command or the exercise failed")
	flags.BoolVar(&f.unchecked, "no-healthcheck", false, "do not run the image's health check in the container")
	flags.Var(&f.recorder, "recorder", "watch with this `KIND` of recorder: seccomp (as any user) or ebpf (as root)")
	flags.StringVar(&f.attach, "attach", "", "run nothing, and watch the running container `TARGET`: a process's number, or a control group's folder")
	flags.Var(&f.identity, "identity", "give the container a `KIND` of user ids: single or range (a range where there is one)")
	flags.Var(&f.network, "network", "watch on a `KIND` of network: host, or private, which tells names from addresses (host)")
	flags.BoolVarP(&f.interactive, "interactive", "i", false, "pass standard input on (otherwise it is empty)")
	flags.BoolVarP(&f.TTY, "tty", "t", false, "give the container a terminal of its own")
	flags.StringArrayVarP(&f.Env, "env", "e", nil, "set the environment variable `NAME=VALUE`; NAME alone takes its value from here")
	flags.StringVarP(&f.User, "user", "u", "", "run as `USER[:GROUP]` instead of the image's user: names of the image, or numbers")
	flags.StringVarP(&f.WorkingDir, "workdir", "w", "", "start in `FOLDER` instead of the image's own")
	flags.StringArrayVar(&f.volumes, "volume", nil, "mount `SOURCE:PATH[:ro]`, a volume or a folder, which keeps what is written there")
	flags.StringVar(&f.entrypoint, "entrypoint", "", "start `PROGRAM` instead of the image's entry point")
	f.prove.add(c)
	for _, name := range []string{"evidence", "until-quiet", "keep-going", "no-healthcheck", "identity", "network", "interactive", "tty", "entrypoint", "recorder", "attach"} {
		c.MarkFlagsMutuallyExclusive("from", name)
	}
	exclusiveToAttach(c)
}

// check refuses flags and arguments that do not go together.
func (f *analyzeFlags) check(c *cobra.Command, args []string) error {
	if err := f.prove.check(c, f); err != nil {
		return err
	}
	for _, name := range []string{"for", "exercise", "repeat", "signal", "ready", "ready-timeout", "env", "user", "workdir", "volume"} {
		if len(f.from) > 0 && !f.prove.on && c.Flags().Changed(name) {
			return fmt.Errorf("--from runs nothing without --prove, so --%s is not for it", name)
		}
	}
	if err := f.checkExercises(); err != nil {
		return err
	}
	switch dash := c.ArgsLenAtDash(); {
	case len(f.from) > 0 && dash < 0:
		return nil
	case len(f.from) > 0:
		return errors.New("--from runs nothing, so there is no command to give")
	case len(args) == 0 || dash == 0:
		return errors.New("missing argument: IMAGE")
	case dash < 0 && len(args) > 1:
		return fmt.Errorf("unexpected argument: %s (the container's command comes after --)", args[1])
	case dash > 1:
		return fmt.Errorf("unexpected argument: %s", args[1])
	}
	return f.checkAttach(len(args) - 1)
}

// network is the value of --network.
type network manifest.NetworkMode

// String implements pflag.Value.
func (n *network) String() string { return string(*n) }

// Type implements pflag.Value.
func (n *network) Type() string { return "kind" }

// Set implements pflag.Value.
func (n *network) Set(text string) error {
	switch m := manifest.NetworkMode(text); m {
	case manifest.NetworkHost, manifest.NetworkPrivate:
		*n = network(m)
		return nil
	}
	return fmt.Errorf("%q is neither host nor private", text)
}

// identity is the value of --identity.
type identity manifest.IdentityMode

// String implements pflag.Value.
func (i *identity) String() string { return string(*i) }

// Type implements pflag.Value.
func (i *identity) Type() string { return "kind" }

// Set implements pflag.Value.
func (i *identity) Set(text string) error {
	switch m := manifest.IdentityMode(text); m {
	case manifest.IdentitySingle, manifest.IdentityRange:
		*i = identity(m)
		return nil
	}
	return fmt.Errorf("%q is neither single nor range", text)
}
