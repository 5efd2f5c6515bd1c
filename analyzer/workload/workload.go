// Package workload runs an image while it is watched.
//
// [Run] starts a container in record mode, lets it work until its command, an
// exercise from the host's side, a time or the caller ends it, and returns the
// record. What the image's own files say beside it comes from [Facts]. Neither
// proposes anything; package analyzer does.
//
// A watched container has the host's network, so that the ports of the image are
// those of the host, or a private one that reaches everything, whose ports are
// published under the same numbers.
package workload

import (
	"context"
	"os"
	"syscall"
	"time"

	"github.com/least-privilege/lpm/analyzer"
	"github.com/least-privilege/lpm/analyzer/evidence"
	"github.com/least-privilege/lpm/enforcer/container"
	"github.com/least-privilege/lpm/enforcer/plan"
	"github.com/least-privilege/lpm/manifest"
	"github.com/least-privilege/lpm/registry/store"
)

// Job is an image to run and what to do with it.
type Job struct {
	Image store.Image
	// Options are the caller's choices for the launch. Identity and Baseline
	// in them are set by [Run].
	Options plan.Options
	// Identity is whether the container has one id or a range. Empty takes a
	// range where the account has subordinate ids, else one.
	Identity manifest.IdentityMode
	// NetworkProgram is the path of the program lpm-net, which a private
	// network takes; see plan.Options.Network. The ports that the image exposes
	// are published on the host's loopback then, each under its own number.
	NetworkProgram string
	// Recorder is what watches. Empty is [Seccomp].
	Recorder RecorderKind
	// Volume makes and returns the folder of a named volume; it may be nil
	// where Options.Volumes names none.
	Volume func(name string) (string, error)
	// Streams are the container's; the exercise writes to Err. They stay the
	// caller's.
	Streams container.Streams
	// Terminal, where not nil, is what the container has in place of the
	// streams, with which it is connected while the container runs. It stays
	// the caller's.
	Terminal *container.Terminal

	// For ends the run after that time; 0 is no limit.
	For time.Duration
	// Quiet ends the run once nothing new was seen for that time, which counts
	// from when each exercise has been run, or, where there is none, from when the
	// image's first TCP port accepts connections; 0 is never.
	Quiet time.Duration
	// Exercises are commands for sh that are run in order on the host's side
	// once the container is ready, Repeat times; 0 is once. Their end ends the
	// run.
	Exercises []string
	Repeat    int
	// Signals are sent once the exercises are through, such as SIGHUP to
	// reload; after each, they are run again.
	Signals []syscall.Signal
	// Stop is the signal to end by; 0 is the image's own.
	Stop syscall.Signal
	// ReadyAt says when the container can be exercised; nil is when the
	// image's first TCP port accepts connections or, where it has none, when
	// its health check has passed. Ready is how long that may
	// take; 0 is a minute.
	ReadyAt *Readiness
	Ready   time.Duration
	// NoHealthcheck leaves the image's health check out, which is otherwise run
	// in the container meanwhile.
	NoHealthcheck bool
	// Grace is how long the container may take to end once it was told to,
	// before it is killed; 0 is ten seconds.
	Grace time.Duration

	// Interrupt ends the run early: the first value as For does, the second
	// kills the container. Before the container runs, the first cancels.
	Interrupt <-chan os.Signal
	// Limit kills the container of a [Trial] after that time; 0 is no limit.
	Limit time.Duration
	// Progress, where not nil, is told in a line what happens next.
	Progress func(line string)
	// Version is lpm's own, for the record.
	Version string
}

// Outcome is what a run led to.
type Outcome struct {
	// Record is what was seen.
	Record *evidence.Record
	// Facts is what the image's files say.
	Facts analyzer.ImageFacts
	// Failure says that the run is no example of the program at work: an
	// [*ExerciseError], a [*CommandError] or a [*NotReadyError]. It is nil
	// where the workload passed, or was ended early by time or interrupt.
	Failure error
	// Warnings say, a line each, what a person should know of this run
	// before relying on what is proposed from it.
	Warnings []string
}

const (
	defaultReady = time.Minute
	defaultGrace = 10 * time.Second
	// sampleEvery is how often the use of memory and processor is read. One
	// reading takes the kernel about a millisecond for a program of 50 MiB.
	sampleEvery = 100 * time.Millisecond
)

// Run runs a job with the images and folders of a store. The error is lpm's
// own, or ctx's; whether the workload passed is in the outcome.
func Run(ctx context.Context, s *store.Store, j Job) (*Outcome, error) {
	j = j.withDefaults()
	var r *run
	err := interruptible(ctx, j.Interrupt, func(ctx context.Context) (err error) {
		r, err = prepare(ctx, s, j)
		return err
	})
	if r != nil {
		defer r.close()
	}
	if err != nil {
		return nil, err
	}
	if err := r.conduct(ctx); err != nil {
		return nil, err
	}
	return r.outcome()
}

// withDefaults returns the job with what its zero values stand for.
func (j Job) withDefaults() Job {
	if j.Ready == 0 {
		j.Ready = defaultReady
	}
	if j.Grace == 0 {
		j.Grace = defaultGrace
	}
	if j.Progress == nil {
		j.Progress = func(string) {}
	}
	return j
}

// interruptible cancels the work at the first interrupt.
func interruptible(ctx context.Context, interrupt <-chan os.Signal, work func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		select {
		case <-interrupt:
			cancel()
		case <-ctx.Done():
		}
	}()
	err := work(ctx)
	if err == nil {
		// An interrupt may have come too late for the work to notice.
		err = ctx.Err()
	}
	cancel()
	<-done
	return err
}
