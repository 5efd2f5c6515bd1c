package workload

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/analyzer/evidence"
	"github.com/least-privilege/lpm/enforcer"
	"github.com/least-privilege/lpm/enforcer/container"
	"github.com/least-privilege/lpm/enforcer/launch"
	"github.com/least-privilege/lpm/enforcer/rootfs"
	"github.com/least-privilege/lpm/enforcer/supervise"
)

// health is the image's health check, as the run has it: HEALTHCHECK in the
// image specification of Moby (image/spec in github.com/moby/docker-image-spec).
//
// The container's engine runs one inside the container at an interval, which a
// recording would seldom live to see. Until a check has passed there is one each
// second, whatever the start period and its interval; after that at the image's
// own interval; and one at the end of the run if none has passed so far.
type health struct {
	command           []string
	interval, timeout time.Duration
	joining           *enforcer.Joining
	recorder          recorder
	progress          func(string)
	grace             time.Duration

	// container is a pidfd of the first process.
	container *os.File
	// passed is closed when a check has passed for the first time.
	passed chan struct{}
	// finishing is closed when the run is about to end, done when there will
	// be no further check; cancel ends one that runs.
	finishing, done chan struct{}
	cancel          context.CancelFunc
	// supervised waits for what checks have left behind.
	supervised sync.WaitGroup

	// What follows is valid once done is closed.
	runs, failed uint64
	last         string // how the last one failed
	err          error  // lpm's own
	left         []error
	mu           sync.Mutex // of left
}

// What an image leaves open, and how often there is a check at the most.
const (
	defaultInterval = 30 * time.Second
	defaultTimeout  = 30 * time.Second
	starting        = time.Second
	// maxOutput is how much of a check's output is kept, in bytes.
	maxOutput = 4096
)

// healthOf reads an image's health check, and returns nil where it has none. The
// error says that what it has is none.
func healthOf(c v1.Config) (*health, error) {
	if c.Healthcheck == nil || len(c.Healthcheck.Test) == 0 || c.Healthcheck.Test[0] == "NONE" {
		return nil, nil
	}
	h := &health{interval: c.Healthcheck.Interval, timeout: c.Healthcheck.Timeout}
	switch kind, rest := c.Healthcheck.Test[0], c.Healthcheck.Test[1:]; {
	case kind == "CMD" && len(rest) > 0 && rest[0] != "":
		h.command = slices.Clone(rest)
	case kind == "CMD-SHELL" && len(rest) == 1:
		shell := c.Shell
		if len(shell) == 0 {
			shell = []string{"/bin/sh", "-c"}
		}
		h.command = append(slices.Clone(shell), rest...)
	default:
		return nil, fmt.Errorf("the image's health check %.200q is neither CMD nor CMD-SHELL with a command, and was not run", c.Healthcheck.Test)
	}
	if h.interval <= 0 {
		h.interval = defaultInterval
	}
	if h.timeout <= 0 {
		h.timeout = defaultTimeout
	}
	h.interval = max(h.interval, starting)
	return h, nil
}

// checkHealth makes the image's health check ready, as far as it has one that
// is to be run.
func (r *run) checkHealth(ctx context.Context, c v1.Config, j enforcer.Job) error {
	if r.job.NoHealthcheck {
		return nil
	}
	h, err := healthOf(c)
	if err != nil {
		r.warn("%v", err)
	}
	if h == nil {
		return nil
	}
	j.Options.Entrypoint, j.Options.Args = h.command, nil
	h.joining, err = enforcer.PrepareJoin(ctx, j)
	var program *rootfs.ProgramError
	if errors.As(err, &program) {
		r.warn("the image's health check cannot be started, and was not run: %v", err)
		return nil
	}
	if err != nil {
		return fmt.Errorf("preparing the image's health check: %w", err)
	}
	h.recorder, h.progress, h.grace = r.recorder, r.job.Progress, r.job.Grace
	h.passed, h.finishing, h.done = make(chan struct{}), make(chan struct{}), make(chan struct{})
	r.health = h
	return nil
}

// enter takes hold of the container, while its first process is certain to be
// there.
func (h *health) enter(pid int) error {
	if h == nil {
		return nil
	}
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return fmt.Errorf("opening the container for its health check: %w", err)
	}
	h.container = os.NewFile(uintptr(fd), "container's pidfd")
	return nil
}

// start has the checks made until the run ends.
func (h *health) start(ctx context.Context, ended <-chan struct{}) {
	if h == nil || h.container == nil {
		return
	}
	ctx, h.cancel = context.WithCancel(ctx)
	go func() {
		defer close(h.done)
		for wait := starting; ; {
			last := false
			select {
			case <-ctx.Done():
				return
			case <-ended:
				return
			case <-h.finishing:
				if h.failed < h.runs {
					return
				}
				last = true
			case <-time.After(wait):
			}
			if !h.check(ctx, ended) || last {
				return
			}
			if wait = starting; h.failed < h.runs {
				wait = h.interval
			}
		}
	}()
}

// first is closed when a check has passed; it is nil where there is none.
func (h *health) first() <-chan struct{} {
	if h == nil {
		return nil
	}
	return h.passed
}

// finish lets a check come to its end, and if none has passed so far makes one
// more. It takes no longer than a container may take to end.
func (h *health) finish(interrupt <-chan os.Signal) {
	if h == nil || h.cancel == nil {
		return
	}
	close(h.finishing)
	timer := time.NewTimer(h.grace)
	defer timer.Stop()
	select {
	case <-h.done:
		return
	case <-timer.C:
	case <-interrupt:
	}
	h.cancel()
	<-h.done
}

// close waits for all that checks have started. The container has ended.
func (h *health) close() error {
	if h == nil || h.container == nil {
		return nil
	}
	if h.cancel != nil {
		h.cancel()
		<-h.done
	}
	h.supervised.Wait()
	return errors.Join(append(h.left, h.err, h.container.Close())...)
}

// check makes one check, and reports whether there can be another.
func (h *health) check(ctx context.Context, ended <-chan struct{}) bool {
	limited, cancel := context.WithTimeout(ctx, h.timeout)
	defer cancel()
	code, output, err := h.try(limited)
	select {
	case <-ended: // and the check with it
		return false
	default:
	}
	var op *launch.OpError
	switch {
	case ctx.Err() != nil:
		return false
	case gone(h.container):
		return false
	case errors.As(err, &op): // the container has removed its program, or has too many processes
		h.fail(fmt.Sprintf("could not be started: %v", err))
	case limited.Err() != nil:
		h.fail(fmt.Sprintf("did not end within %s and was killed", h.timeout))
	case err != nil:
		h.err = fmt.Errorf("running the image's health check: %w", err)
		return false
	case code != 0:
		text := fmt.Sprintf("ended with status %d", code)
		if output != "" {
			text += fmt.Sprintf(" and printed %q", output)
		}
		h.fail(text)
	default:
		if h.failed == h.runs {
			h.progress("the image's health check has passed")
			close(h.passed)
		}
		h.runs++
	}
	return true
}

func (h *health) fail(how string) {
	if h.failed == 0 {
		h.progress("the image's health check " + how)
	}
	h.runs, h.failed, h.last = h.runs+1, h.failed+1, how
}

// gone reports whether a process has ended.
func gone(pidfd *os.File) bool {
	p := []unix.PollFd{{Fd: int32(pidfd.Fd()), Events: unix.POLLIN}}
	n, err := unix.Poll(p, 0)
	return err == nil && n > 0
}

// try runs the check's command in the container, without input, and returns how
// it ended and what it printed first.
func (h *health) try(ctx context.Context) (code int, output string, err error) {
	streams, err := newCapture()
	if err != nil {
		return 0, "", err
	}
	j := h.joining
	ended := func() {}
	company := container.Company{Container: h.container, Made: func(pid int) (policy supervise.Policy, err error) {
		policy, ended, err = h.recorder.check(pid, evidence.Program{Path: j.Program, As: j.As, Interpreter: j.Interpreter})
		return policy, err
	}}
	code, left, err := j.Run(ctx, company, streams.in, streams.out)
	ended()
	if left != nil {
		h.supervised.Go(func() {
			if err := left(); err != nil {
				h.mu.Lock()
				defer h.mu.Unlock()
				h.left = append(h.left, err)
			}
		})
	}
	return code, strings.TrimSpace(streams.close()), err
}

// said is what a person should know of the checks.
func (h *health) said() []string {
	switch {
	case h == nil || h.container == nil || h.failed == 0:
		return nil
	case h.failed == h.runs:
		return []string{fmt.Sprintf("the image's health check never passed, in %d runs: the last %s; what it does to pass is not in the record", h.runs, h.last)}
	}
	return []string{fmt.Sprintf("the image's health check failed %d of %d times: the last of these %s", h.failed, h.runs, h.last)}
}

// recorded is what the record says of the checks.
func (h *health) recorded() *evidence.Healthcheck {
	if h == nil {
		return nil
	}
	return &evidence.Healthcheck{Test: h.command, Runs: h.runs, Failed: h.failed}
}
