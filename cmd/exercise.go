package cmd

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/analyzer/workload"
)

// ready is the value of --ready: where a container is ready, or, as in earlier
// versions, how long that may take.
type ready struct {
	text   string
	at     *workload.Readiness
	within time.Duration
}

// String implements pflag.Value.
func (r *ready) String() string { return r.text }

// Type implements pflag.Value.
func (r *ready) Type() string { return "place" }

// Set implements pflag.Value.
func (r *ready) Set(text string) error {
	if within, err := time.ParseDuration(text); err == nil {
		r.text, r.within = text, within
		return nil
	}
	at, err := workload.ParseReady(text)
	if err != nil {
		return err
	}
	r.text, r.at = text, &at
	return nil
}

// signals is the value of --signal: those to send between exercises, and the
// one to end by, 0 for the image's own.
type signals struct {
	text   string
	reload []syscall.Signal
	stop   syscall.Signal
}

// maxSignals bounds the list.
const maxSignals = 16

// String implements pflag.Value.
func (s *signals) String() string { return s.text }

// Type implements pflag.Value.
func (s *signals) Type() string { return "signals" }

// Set implements pflag.Value. The last signal of the list is the one to end by,
// if it is one that programs are ended by.
func (s *signals) Set(text string) error {
	var all []syscall.Signal
	for name := range strings.SplitSeq(text, ",") {
		number, err := workload.ParseSignal(strings.TrimSpace(name))
		if err != nil {
			return err
		}
		if number == unix.SIGKILL || number == unix.SIGSTOP {
			return fmt.Errorf("%s is not for the program to take", name)
		}
		all = append(all, number)
	}
	if len(all) > maxSignals {
		return fmt.Errorf("more than %d signals", maxSignals)
	}
	*s = signals{text: text}
	if last := all[len(all)-1]; slices.Contains([]syscall.Signal{unix.SIGTERM, unix.SIGINT, unix.SIGQUIT}, last) {
		s.stop, all = last, all[:len(all)-1]
	}
	s.reload = all
	return nil
}

// maxRepeat bounds how often exercises are repeated.
const maxRepeat = 1 << 20

// checkExercises refuses what says how to exercise where nothing is exercised.
func (f *analyzeFlags) checkExercises() error {
	switch {
	case f.repeat < 1 || f.repeat > maxRepeat:
		return fmt.Errorf("--repeat is from 1 to %d, not %d", maxRepeat, f.repeat)
	case f.quiet < 0 || f.ready.within <= 0:
		return errors.New("--until-quiet and --ready-timeout are times")
	case len(f.exercises) > 0:
	case f.repeat > 1 || f.ready.at != nil:
		return errors.New("--repeat and --ready are about exercises: give one with --exercise")
	case len(f.signals.reload) > 0:
		return errors.New("--signal has the container exercised again after each signal: give an --exercise")
	}
	return nil
}
