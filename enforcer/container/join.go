package container

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/enforcer/launch"
	"github.com/least-privilege/lpm/enforcer/plan"
	"github.com/least-privilege/lpm/enforcer/supervise"
)

// Joining is a further process of a container, ready to start.
type Joining struct {
	Plan    *plan.Plan
	Program *launch.Program
	Given   launch.Given
	// Ops returns the plan's operations, to describe one that failed.
	Ops func() ([]plan.Op, error)
}

// Company is the container that a process joins.
type Company struct {
	// Container is a pidfd of the container's first process.
	Container *os.File
	// Made is called with the process's id before it executes its program,
	// which it does not do if there is an error. The policy answers the calls
	// of the process and of those that it starts, beside whatever answers
	// those of others.
	Made func(pid int) (supervise.Policy, error)
}

// Run starts the process and returns when it has ended: with an exit status as
// a shell would give it. Cancelling ctx kills the process, and its group. What
// else it has started goes on; left waits for the end of it all and of its
// supervision, and is nil where there was an error before that.
func (j *Joining) Run(ctx context.Context, c Company, in, out *os.File) (code int, left func() error, err error) {
	launched, err := launch.Join(launch.JoinSpec{
		Program: j.Program, Given: j.Given, Container: c.Container, Stdin: in, Stdout: out, Stderr: out,
		Op: func(i int) (plan.Op, error) { return (&Launch{Ops: j.Ops}).op(i) },
	})
	if err != nil {
		return 0, nil, err
	}
	p := &joined{Joined: launched, ended: make(chan struct{})}
	policy, err := c.Made(p.PID())
	if err != nil {
		p.kill()
		p.wait()
		return 0, nil, errors.Join(err, p.Close())
	}
	defer context.AfterFunc(ctx, p.kill)()
	served := make(chan error, 1)
	go func() { served <- p.serve(policy) }()
	<-p.ended
	code = p.status.Code
	if p.status.Signal != 0 {
		code = 128 + int(p.status.Signal)
	}
	return code, func() error { return errors.Join(<-served, p.Close()) }, p.err
}

// joined is a process that has joined a container.
type joined struct {
	*launch.Joined
	mu     sync.Mutex
	waited bool // its number may be another's
	// ended is closed at its end; status and err are valid then.
	ended  chan struct{}
	status launch.Status
	err    error
}

// kill ends the process and its group.
func (p *joined) kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.waited {
		return
	}
	// Before it has a group of its own there is nobody in that.
	_ = unix.Kill(-p.PID(), unix.SIGKILL)
	_ = p.Kill()
}

// wait collects the process, which has ended or is about to.
func (p *joined) wait() {
	for {
		_, err := unix.Poll([]unix.PollFd{{Fd: int32(p.Process().Fd()), Events: unix.POLLIN}}, -1)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.waited {
		p.status, p.err = p.Wait()
		p.waited = true
		close(p.ended)
	}
}

// serve supervises the process and those that it starts until the last has
// ended. If the supervision fails they are killed.
func (p *joined) serve(policy supervise.Policy) error {
	_, err := supervise.Serve(context.Background(), supervise.Container{
		Listener: p.Listener(), Running: p.Running, Process: p.Process(), Ended: p.wait,
	}, policy)
	if err != nil {
		err = fmt.Errorf("supervising a further process of the container: %w", err)
		p.kill()
	}
	p.wait()
	return err
}
