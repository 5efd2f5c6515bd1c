package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/least-privilege/lpm/analyzer"
	"github.com/least-privilege/lpm/analyzer/evidence"
	"github.com/least-privilege/lpm/analyzer/workload"
	"github.com/least-privilege/lpm/cmd/front"
	"github.com/least-privilege/lpm/cmd/render"
	"github.com/least-privilege/lpm/enforcer"
	"github.com/least-privilege/lpm/enforcer/container"
	"github.com/least-privilege/lpm/enforcer/plan"
	"github.com/least-privilege/lpm/manifest"
	"github.com/least-privilege/lpm/registry/store"
)

// analyzeFlags are the flags of lpm analyze.
type analyzeFlags struct {
	plan.Options
	entrypoint  string
	volumes     []string
	identity    identity
	interactive bool
	limit       time.Duration
	quiet       time.Duration
	exercises   []string
	repeat      int
	ready       ready
	signals     signals
	keepGoing   bool
	from        []string
	recorder    recorderKind
	attach      string
	output      string
	coverage    string
	evidence    string
	prove       proveFlags
}

func newAnalyze(s *session) *cobra.Command {
	var f analyzeFlags
	c := &cobra.Command{
		Use:   "analyze IMAGE [-- ARG...] | --attach TARGET IMAGE | --from RECORD...",
		Short: "Watch an image run, and propose a manifest",
		Long: `Analyze runs an image as run would, refuses it nothing, watches every process,
and proposes the least manifest under which this run could have been: a CUE
file with a reason for each entry, on standard output or in the file of -o. What
the container prints goes to standard error.

The run ends with the image's command, after --for, when nothing new was seen for
the time of --until-quiet, at Ctrl-C, or with the last command of --exercise.
These are run on the host by sh -c, in order, once the image's first TCP port
accepts connections or what --ready names answers, and find the container by
their environment:

  LPM_HOST=127.0.0.1  LPM_PORT=6379  LPM_PORTS="6379/tcp 6380/tcp"
  LPM_PORT_6379_TCP=6379  LPM_PORT_6380_TCP=6380

The container is then told to end, by the image's stop signal, and what it does
to end is watched too. A second Ctrl-C kills it. With --signal HUP it is told to
reload before that, and exercised again.

While it is watched, the container has the network of this machine. Watch what
you would run without lpm, and give it all the work that it will have to do:
what it did not do, the manifest will not have. An image that keeps data does
other things at its first start than at later ones: with --volume it finds what
an earlier run has written, and --from proposes from the records of both.

With --recorder ebpf, which takes root, the container is not stopped at its
calls but watched from inside the kernel, which shows exactly which capabilities
were needed. With --attach nothing is run: a container is
watched that runs already, under whatever engine, from now until it ends, for
--for, or up to Ctrl-C. TARGET is the number of its first process, or the folder
of its control group (version 2); IMAGE says what it was made from.

Of a run whose command or exercise fails nothing is proposed or kept, unless
--keep-going says so, and the exit code is that of what failed.

With --prove the workload is then run again and again under enforcement, each
time with something left out: a permission, one value of a call's argument, or a
group that is probably not needed. Without an --exercise or --for the command has
to end by itself, and its status is the verdict. A permission is

  needed     if the workload failed without it, twice;
  unneeded   if it passed, three times in a row, without this and all others that
             are unneeded together;
  undecided  if it was not tried, or trials do not agree.

At first all is granted: a workload that then passes only sometimes, or never, is
an error. Calls that every program needs are tried with --prove-all alone, bounds
on resources never. The proposal keeps what is unneeded, with a comment;
--drop-unneeded leaves all of it out. Another workload may need it: give the
exercise everything that the container will have to do.

FILE.prove has the record, the outcomes so far, with which the same command goes
on after Ctrl-C, what failing runs printed, and results.json. Runs on this
machine's network are made one at a time, for they want the same ports. --prove
with --manifest tries a manifest that there is, with --from one that is proposed
from records.`,
		Example: `  lpm analyze redis -o redis.cue --exercise 'redis-benchmark -p $LPM_PORT -q'
  lpm analyze nginx --for 30s --evidence nginx.json >nginx.cue
  lpm analyze debian -- sh -c 'apt-get --version'
  lpm analyze postgres --volume trial:/var/lib/postgresql/data --evidence first.json
  lpm analyze --from first.json second.json --coverage coverage.svg
  sudo lpm analyze redis --recorder ebpf -o redis.cue --for 1m
  sudo lpm analyze redis --attach $(docker inspect -f '{{.State.Pid}}' cache) --for 10m --evidence day.json
  lpm analyze redis -o redis.cue --prove --exercise 'redis-benchmark -p $LPM_PORT -q'
  lpm analyze redis --prove --manifest redis.cue --prove-dir trials --exercise ./try`,
	}
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
	flags.Var(&f.recorder, "recorder", "watch with this `KIND` of recorder: seccomp (as any user) or ebpf (as root)")
	flags.StringVar(&f.attach, "attach", "", "run nothing, and watch the running container `TARGET`: a process's number, or a control group's folder")
	flags.Var(&f.identity, "identity", "give the container a `KIND` of user ids: single or range (a range where there is one)")
	flags.BoolVarP(&f.interactive, "interactive", "i", false, "pass standard input on (otherwise it is empty)")
	flags.BoolVarP(&f.TTY, "tty", "t", false, "give the container a terminal of its own")
	flags.StringArrayVarP(&f.Env, "env", "e", nil, "set the environment variable `NAME=VALUE`; NAME alone takes its value from here")
	flags.StringVarP(&f.User, "user", "u", "", "run as `USER[:GROUP]` instead of the image's user: names of the image, or numbers")
	flags.StringVarP(&f.WorkingDir, "workdir", "w", "", "start in `FOLDER` instead of the image's own")
	flags.StringArrayVar(&f.volumes, "volume", nil, "mount `SOURCE:PATH[:ro]`, a volume or a folder, which keeps what is written there")
	flags.StringVar(&f.entrypoint, "entrypoint", "", "start `PROGRAM` instead of the image's entry point")
	f.prove.add(c)
	for _, name := range []string{"evidence", "until-quiet", "keep-going", "identity", "interactive", "tty", "entrypoint", "recorder", "attach"} {
		c.MarkFlagsMutuallyExclusive("from", name)
	}
	exclusiveToAttach(c)
	c.Args = func(c *cobra.Command, args []string) error {
		if err := f.prove.check(c, &f); err != nil {
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
	c.RunE = func(c *cobra.Command, args []string) error {
		name := ""
		if len(f.from) > 0 {
			f.from = append(f.from, args...)
		} else {
			name, f.Args = args[0], args[1:]
		}
		if len(f.from) > 0 && !f.prove.on {
			return s.proposeAgain(c.Context(), f)
		}
		if flags.Changed("entrypoint") {
			f.Entrypoint = []string{f.entrypoint}
		}
		f.Env = front.FromHere(f.Env)
		var err error
		if f.Volumes, err = front.Volumes(f.volumes); err != nil {
			return err
		}
		if f.prove.on {
			return s.prove(c.Context(), name, f)
		}
		return s.analyze(c.Context(), name, f)
	}
	return c
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

// analyze runs an image and proposes from what it did.
func (s *session) analyze(ctx context.Context, name string, f analyzeFlags) error {
	st, err := s.store()
	if err != nil {
		return err
	}
	image, err := s.image(st, name)
	if err != nil {
		return err
	}
	outcome, err := s.recorded(ctx, st, image, f)
	if err != nil {
		return err
	}
	return s.propose([]*evidence.Record{outcome.Record}, outcome.Facts, f)
}

// recorded runs an image that passes its workload, and keeps the record where
// --evidence says so.
func (s *session) recorded(ctx context.Context, st *store.Store, image store.Image, f analyzeFlags) (*workload.Outcome, error) {
	// What a run takes minutes to find must not be lost to a misspelled path.
	for _, file := range []string{f.output, f.evidence, f.coverage} {
		if _, err := os.Stat(filepath.Dir(file)); err != nil {
			return nil, err
		}
	}
	watch := s.watch
	if f.attach != "" {
		watch = s.watchRunning
	}
	outcome, err := watch(ctx, st, image, f)
	if err != nil {
		return nil, failedStart(err)
	}
	for _, w := range outcome.Warnings {
		s.term.Warn("%s", w)
	}
	if outcome.Failure != nil {
		if !f.keepGoing {
			return nil, &exitError{code: exitCodeOf(outcome.Failure), err: &noProposalError{outcome.Failure}}
		}
		s.term.Warn("%v; proposing all the same", outcome.Failure)
	}
	if f.evidence == "" {
		return outcome, nil
	}
	return outcome, keepRecord(outcome.Record, f.evidence)
}

// keepRecord writes a record to a file.
func keepRecord(r *evidence.Record, file string) error {
	encoded, err := r.Encode()
	if err == nil {
		err = os.WriteFile(file, encoded, 0o644)
	}
	if err != nil {
		return fmt.Errorf("keeping the record: %w", err)
	}
	return nil
}

// workload is what the flags say is to be run. The caller calls done when it
// has been.
func (s *session) workload(st *store.Store, image store.Image, f analyzeFlags) (j workload.Job, done func(), err error) {
	repository := repositoryOf(subjectOf(image, image.Name))
	j = workload.Job{
		Volume: func(name string) (string, error) { return st.VolumeDir(repository, name) },
		Image:  image, Options: f.Options, Identity: manifest.IdentityMode(f.identity),
		Streams: container.Streams{In: os.Stdin, Out: os.Stderr, Err: os.Stderr},
		For:     f.limit, Quiet: f.quiet, Exercises: f.exercises, Repeat: f.repeat,
		ReadyAt: f.ready.at, Ready: f.ready.within, Signals: f.signals.reload, Stop: f.signals.stop,
		Progress: s.progress, Version: front.Version,
		Recorder: workload.RecorderKind(f.recorder),
	}
	if f.interactive {
		return j, func() {}, nil
	}
	if j.Streams.In, err = os.Open(os.DevNull); err != nil {
		return j, nil, err
	}
	return j, func() { j.Streams.In.Close() }, nil
}

// watch runs an image with the flags. An interrupt ends the run and not lpm.
func (s *session) watch(ctx context.Context, st *store.Store, image store.Image, f analyzeFlags) (*workload.Outcome, error) {
	interrupts := make(chan os.Signal, 2)
	signal.Notify(interrupts, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(interrupts)
	j, done, err := s.workload(st, image, f)
	if err != nil {
		return nil, err
	}
	defer done()
	j.Interrupt = interrupts
	if f.TTY {
		terminal, err := container.OpenTerminal()
		if err != nil {
			return nil, err
		}
		defer terminal.Close()
		j.Terminal, j.Options.Console = terminal, terminal.Path
		changes := make(chan os.Signal, 2)
		signal.Notify(changes, syscall.SIGWINCH, syscall.SIGCONT)
		defer close(changes)
		defer signal.Stop(changes)
		go func() {
			for change := range changes {
				terminal.Changed(change.(syscall.Signal))
			}
		}()
	}
	return workload.Run(context.WithoutCancel(ctx), st, j)
}

// progress prints what a run does next.
func (s *session) progress(line string) {
	if !s.quiet {
		fmt.Fprintf(s.term.Err, "lpm: %s\n", render.Escape(line))
	}
}

// failedStart gives an error of a launch the code that run would end with, as
// long as it is about the program and not about lpm.
func failedStart(err error) error {
	if code := enforcer.ExitCode(err); code != container.ExitFailed {
		return &exitError{code: code, err: err}
	}
	return err
}

// noProposalError is a run that is no example of a program at work.
type noProposalError struct{ failure error }

func (e *noProposalError) Error() string {
	return fmt.Sprintf("nothing is proposed: %v", e.failure)
}

func (e *noProposalError) Unwrap() error { return e.failure }

// Hint tells what can be done about it.
func (e *noProposalError) Hint() string {
	var a adviser
	if errors.As(e.failure, &a) && a.Hint() != "" {
		return a.Hint()
	}
	return "mend what failed, or propose from what was seen nevertheless, with --keep-going"
}

// exitCodeOf is the status of what failed in a run.
func exitCodeOf(failure error) int {
	var coded interface{ ExitCode() int }
	if errors.As(failure, &coded) {
		return coded.ExitCode()
	}
	return exitFailed
}

// proposeAgain proposes from records that were kept.
func (s *session) proposeAgain(ctx context.Context, f analyzeFlags) error {
	st, err := s.store()
	if err != nil {
		return err
	}
	records, err := recordsFrom(f.from)
	if err != nil {
		return err
	}
	facts, err := workload.Facts(ctx, st, records)
	if errors.Is(err, store.ErrNotFound) {
		s.term.Warn("image %s is not in the store, so that the volumes it declares are unknown", records[0].Image.Digest)
	} else if err != nil {
		return err
	}
	return s.propose(records, facts, f)
}

func recordsFrom(files []string) ([]*evidence.Record, error) {
	var records []*evidence.Record
	for _, file := range files {
		r, err := readRecord(file)
		if err != nil {
			return nil, err
		}
		records = append(records, r)
	}
	return records, nil
}

// readRecord reads what --evidence has kept. One byte over the bound is enough
// for the decoder to refuse it.
func readRecord(file string) (*evidence.Record, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, evidence.MaxSize+1))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", file, err)
	}
	r, err := evidence.Decode(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return r, nil
}

// propose makes a proposal and prints it, or writes it to a file.
func (s *session) propose(records []*evidence.Record, facts analyzer.ImageFacts, f analyzeFlags) error {
	p, err := analyzer.Propose(records, facts)
	if err != nil {
		return err
	}
	for _, w := range p.Warnings {
		s.term.Warn("%s", w)
	}
	if err := s.cover(p, records, facts, f.coverage); err != nil {
		return err
	}
	return s.print(p, f.output)
}

// print prints a proposal, or writes it to a file.
func (s *session) print(p *analyzer.Proposal, output string) error {
	if output == "" {
		_, err := s.term.Out.Write(p.CUE())
		return err
	}
	if err := os.WriteFile(output, p.CUE(), 0o644); err != nil {
		return fmt.Errorf("writing the proposal: %w", err)
	}
	s.progress(fmt.Sprintf("%s: %s", output, counted(p.Manifest)))
	return nil
}

// counted says how many permissions a manifest asks for.
func counted(m *manifest.Manifest) string {
	all := m.Permissions()
	levels := map[manifest.Level]int{}
	for _, p := range all {
		levels[p.Level]++
	}
	return fmt.Sprintf("%d permissions, of them %d special and %d dangerous", len(all), levels[manifest.Special], levels[manifest.Dangerous])
}
