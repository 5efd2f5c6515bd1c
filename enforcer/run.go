package enforcer

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/enforcer/host"
	"github.com/least-privilege/lpm/enforcer/launch"
	"github.com/least-privilege/lpm/enforcer/limit"
	"github.com/least-privilege/lpm/enforcer/plan"
	"github.com/least-privilege/lpm/enforcer/rootfs"
	"github.com/least-privilege/lpm/enforcer/supervise"
	"github.com/least-privilege/lpm/enforcer/userns"
)

// Streams are a container's standard streams. They stay the caller's.
type Streams struct {
	In, Out, Err *os.File
}

// Observer is what a caller wants to know while a container runs. Every field
// may be nil.
type Observer struct {
	// Policy answers the container's calls in place of an enforcer; record
	// mode needs one.
	Policy supervise.Policy
	// Limited is called once all limits are in force, before the program
	// runs.
	Limited func(plan.Enforcement)
	// Started is called with the first process's id once it may run.
	Started func(pid int)
	// Denied is called once for each distinct denial.
	Denied func(supervise.Denial)
}

// Result is how a container ended.
type Result struct {
	// Code is the exit status as a shell would give it: the program's own,
	// or 128 and the number of the signal that ended it.
	Code int
	// Denials lists what was refused, Others counts what was refused beyond
	// the distinct denials that are kept.
	Denials []supervise.Denial
	Others  uint64
	// Calls counts the calls that the supervisor answered, Lost those whose
	// process was gone before they could be looked at.
	Calls, Lost uint64
	// Duration is from the program's start to its end.
	Duration time.Duration
	// Memory is the most that one of the processes had resident, in bytes.
	Memory int64
}

// Exit codes of container engines for what happens before the program runs.
const (
	ExitFailed        = 125 // lpm itself failed
	ExitNotExecutable = 126
	ExitNotFound      = 127
)

// ExitCode returns the code for an error of [Prepare] or [Prepared.Run].
func ExitCode(err error) int {
	var program *rootfs.ProgramError
	var op *launch.OpError
	switch {
	case errors.As(err, &program) && errors.Is(err, fs.ErrNotExist):
		return ExitNotFound
	case errors.As(err, &program):
		return ExitNotExecutable
	case errors.As(err, &op) && op.Op.Call == "execveat" && errors.Is(err, unix.ENOENT):
		return ExitNotFound
	case errors.As(err, &op) && op.Op.Call == "execveat":
		return ExitNotExecutable
	}
	return ExitFailed
}

// Run starts the container and returns when it has ended. Cancelling ctx
// kills it. signals are passed on to the container's first process.
func (p *Prepared) Run(ctx context.Context, s Streams, signals <-chan os.Signal, o Observer) (r Result, err error) {
	group, err := limit.Open(ctx, p.Plan, p.host)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, group.Close()) }()
	out, err := p.outputs(s)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, out.wait()) }()
	spec := launch.Spec{
		Plan: p.Plan, Filters: p.filters, Stdin: out.in, Stdout: out.out, Stderr: out.err,
		Cgroup: group.Dir(),
		Attach: func(pid int) error { return group.Attach(ctx, pid) },
		MapIDs: func(pid int) error { return userns.Map(pid, p.Plan.Identity) },
	}
	c, err := launch.Start(spec)
	out.started()
	if err != nil {
		return r, explain(err)
	}
	defer c.Close()
	begun := time.Now()

	if o.Limited != nil {
		o.Limited(group.Enforcement())
	}
	policy, enforcer := o.Policy, (*supervise.Enforcer)(nil)
	if policy == nil {
		if p.Plan.Mode == plan.Record {
			return r, errors.Join(errors.New("recording needs a recorder"), kill(c))
		}
		enforcer = supervise.NewEnforcer(p.Plan.Supervision, p.host.Architecture, o.Denied)
		policy = enforcer
	}
	stats, served := supervised(c, policy)
	if o.Started != nil {
		o.Started(c.PID())
	}
	forwarded := forward(ctx, c, signals)
	status, err := c.Wait()
	if instead := <-forwarded; instead != 0 && status.Signal == unix.SIGKILL {
		status.Signal = instead
	}
	r.Duration = time.Since(begun)
	// The supervisor ends with the last process that has the filter.
	if serr := <-served; err == nil && serr != nil {
		err = fmt.Errorf("supervising the container: %w", serr)
	}
	r.Calls, r.Lost = stats.Calls, stats.Lost
	if enforcer != nil {
		r.Denials, r.Others = enforcer.Denials()
	}
	r.Code, r.Memory = status.Code, status.Usage.Maxrss<<10
	if status.Signal != 0 {
		r.Code = 128 + int(status.Signal)
	}
	if err == nil {
		err = ctx.Err()
	}
	return r, err
}

// explain says why user namespaces are of no use here, where that is what an
// error of the start means: they could not be made, or their first mount, which
// takes a capability in them, was refused.
func explain(err error) error {
	var namespace *launch.NamespaceError
	var op *launch.OpError
	refused := errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES)
	if errors.As(err, &namespace) || refused && errors.As(err, &op) && op.Op.Call == "mount" {
		return host.ExplainUserNamespace(err)
	}
	return err
}

// supervised starts the supervisor. If it fails the container is killed, for
// its calls would fail from then on in ways that no program expects.
func supervised(c *launch.Container, policy supervise.Policy) (*supervise.Stats, <-chan error) {
	stats, done := new(supervise.Stats), make(chan error, 1)
	go func() {
		var err error
		*stats, err = supervise.Serve(context.Background(), c.Listener(), c.Running, policy)
		if err != nil {
			err = errors.Join(err, c.Signal(unix.SIGKILL))
		}
		done <- err
	}()
	return stats, done
}

func kill(c *launch.Container) error {
	err := c.Signal(unix.SIGKILL)
	<-c.Exited()
	return err
}
