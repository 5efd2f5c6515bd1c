package cmd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/least-privilege/lpm/analyzer/evidence"
	"github.com/least-privilege/lpm/analyzer/workload"
	"github.com/least-privilege/lpm/cmd/front"
	"github.com/least-privilege/lpm/cmd/render"
	"github.com/least-privilege/lpm/enforcer"
	"github.com/least-privilege/lpm/enforcer/container"
	"github.com/least-privilege/lpm/manifest"
	"github.com/least-privilege/lpm/registry/store"
)

// recorded runs an image that passes its workload, and keeps the record where
// --evidence says so.
func (s *session) recorded(ctx context.Context, st *store.Store, image store.Image, f analyzeFlags) (*workload.Outcome, error) {
	// What a run takes minutes to find must not be lost to a misspelled path.
	if err := writableFiles(f.output, f.evidence, f.coverage); err != nil {
		return nil, err
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
		err = writeFile(file, encoded)
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
		NoHealthcheck: f.unchecked,
		Progress:      s.progress, Version: front.Version,
		Recorder: workload.RecorderKind(f.recorder),
	}
	j.Options.Network = manifest.NetworkMode(f.network)
	programs, err := front.FindPrograms()
	if err != nil {
		return j, nil, err
	}
	j.NetworkProgram = programs.Network
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
