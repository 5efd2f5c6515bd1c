package workload

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// course is what is done to a container from outside, from its start until it
// is told to end.
type course struct {
	job   Job
	ports []port
	ended <-chan struct{}
	// pid is that of the container's first process; send sends it a signal, and
	// reports whether it was there to take it.
	pid  int
	send func(syscall.Signal) bool
	// healthy is closed when the image's health check has passed; nil where
	// there is none.
	healthy <-chan struct{}
	// through is closed once each exercise has been run.
	through chan struct{}
	once    sync.Once
}

// atWork waits until the container has been exercised once, or, where nothing
// does, until it is ready or should be.
func (c *course) atWork(ctx context.Context) error {
	if len(c.job.Exercises) == 0 {
		if ready := c.readiness(); ready != nil {
			// One that is not ready in time has had its time.
			_ = c.await(ctx, *ready)
		}
		return ctx.Err()
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-c.through:
		return nil
	}
}

// Described says in a line what a container is exercised by; empty for nothing.
func (j Job) Described() string {
	text := strings.Join(j.Exercises, " && ")
	if j.Repeat > 1 && text != "" {
		text += fmt.Sprintf(" (%d times)", j.Repeat)
	}
	for _, s := range j.Signals {
		text += "; again after " + signalName(s)
	}
	return text
}

// run waits until the container is ready, and exercises it; after each signal
// again. When ctx is done it ends the command with all it has started.
func (c *course) run(ctx context.Context) error {
	if err := c.round(ctx); err != nil {
		return err
	}
	for _, s := range c.job.Signals {
		c.job.Progress("sending " + signalName(s))
		if !c.send(s) {
			return &ExerciseError{Command: c.job.Described(), Code: 1, Err: errEndedEarly}
		}
		// A program that goes on listening while it reloads is ready at once.
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-c.ended:
			return &ExerciseError{Command: c.job.Described(), Code: 1, Err: fmt.Errorf("the container ended at %s", signalName(s))}
		case <-time.After(reloading):
		}
		if err := c.round(ctx); err != nil {
			return err
		}
	}
	return nil
}

// reloading is how long a program has to take up what a signal asks for.
const reloading = time.Second

// round waits until the container is ready, and runs the exercises.
func (c *course) round(ctx context.Context) error {
	ready := c.readiness()
	if ready == nil {
		c.job.Progress("the image exposes no TCP port to wait for; exercising it at once")
	} else {
		c.job.Progress("waiting for " + ready.waitingFor())
		if err := c.await(ctx, *ready); err != nil {
			return err
		}
	}
	for range max(1, c.job.Repeat) {
		for _, command := range c.job.Exercises {
			c.job.Progress("exercising: " + command)
			if err := c.exercise(ctx, command); err != nil {
				return err
			}
		}
		c.once.Do(func() { close(c.through) })
	}
	return nil
}

// await waits until the container is ready.
func (c *course) await(ctx context.Context, ready Readiness) error {
	within := c.job.Ready
	ctx, cancel := context.WithTimeoutCause(ctx, within, &NotReadyError{At: ready, After: within})
	defer cancel()
	for ready.Network == healthy || !ready.reached(ctx, c.pid) {
		select {
		case <-c.passed(ready):
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-c.ended:
			return &NotReadyError{At: ready, Ended: true}
		case <-time.After(20 * time.Millisecond):
		}
	}
	return nil
}

// readiness is the job's or, where that has none, that the health check passes.
func (c *course) readiness() *Readiness {
	ready := c.job.readiness(c.ports)
	if ready == nil && c.healthy != nil {
		ready = &Readiness{Network: healthy}
	}
	return ready
}

// passed is closed once the health check has passed that is waited for.
func (c *course) passed(ready Readiness) <-chan struct{} {
	if ready.Network != healthy {
		return nil
	}
	return c.healthy
}

// exercise runs one command.
func (c *course) exercise(ctx context.Context, command string) error {
	cmd := exec.CommandContext(ctx, "sh", "-c", command)
	cmd.Env = append(os.Environ(), environment(c.ports)...)
	cmd.Stdout, cmd.Stderr = c.job.Streams.Err, c.job.Streams.Err
	// A group of its own, so that all of a pipeline can be ended.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = time.Second
	err := cmd.Run()
	if ctx.Err() != nil {
		if cmd.Process != nil {
			// Whoever did not heed the first signal; mostly nobody is left.
			_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		}
		return ctx.Err()
	}
	if err == nil {
		return nil
	}
	return &ExerciseError{Command: command, Code: exitCode(err), Err: err}
}
