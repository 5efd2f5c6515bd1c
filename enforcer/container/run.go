package container

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/enforcer/host"
	"github.com/least-privilege/lpm/enforcer/launch"
	"github.com/least-privilege/lpm/enforcer/limit"
	"github.com/least-privilege/lpm/enforcer/network/link"
	"github.com/least-privilege/lpm/enforcer/plan"
	"github.com/least-privilege/lpm/enforcer/signals"
	"github.com/least-privilege/lpm/enforcer/supervise"
	"github.com/least-privilege/lpm/enforcer/userns"
)

// Launch is a container that is ready to start.
type Launch struct {
	// Plan is what is done. Its Ops, Init, Filters and Layer are not looked at.
	Plan *plan.Plan
	// Program is the plan's operations, compiled.
	Program *launch.Program
	// Given is the command line and the like of this very launch.
	Given launch.Given
	// Host is what the plan was made for.
	Host plan.Host
	// NetworkProgram is the path of the program lpm-net.
	NetworkProgram string
	// Ops returns the plan's operations, as [plan.Plan.Operations] does, to
	// describe one that failed.
	Ops func() ([]plan.Op, error)
	// Held, where not nil, is a child to use; see [launch.Spec]. Run takes it
	// in any case.
	Held *launch.Held
}

// Streams are a container's standard streams. They stay the caller's.
type Streams struct {
	In, Out, Err *os.File
	// Terminal, where not nil, is a terminal of the caller's that is about to
	// be in raw mode: if the caller is killed it is put back.
	Terminal *os.File
	// Gate, if not nil, is held while something is taken from In or written
	// to Out or Err, so that whoever else holds it has a terminal to himself.
	Gate sync.Locker
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
	// Made is called with the first process's id before it executes the
	// program, which it does not do if there is an error.
	Made func(pid int) error
	// Started is called with the first process's id once it may run.
	Started func(pid int)
	// Denied is told of denials, and Asker is asked before there is one: see
	// supervise.Options.
	Denied func(supervise.Denial)
	Asker  supervise.Asker
	// Network is told of what a private network refuses and, while recording,
	// sees.
	Network func(link.Event)
	// Meanwhile is called while the container is being made, and its program
	// does not run before that has returned nil. It may complete what the
	// launch's Plan says for the supervisor.
	Meanwhile func() error
	// Job is asked at SIGTSTP whether the launcher is a job of a shell. If so,
	// the program is stopped, and then Stopped is called, for the launcher to
	// stop too. Without it, it is none. Passed is called for every signal once
	// the container has it. All of them are called by one goroutine.
	Job     func() bool
	Stopped func()
	Passed  func(unix.Signal)
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

// ExitCode returns the code for an error of [Launch.Run].
func ExitCode(err error) int {
	var op *launch.OpError
	switch {
	case errors.As(err, &op) && op.Op.Call == "execveat" && errors.Is(err, unix.ENOENT):
		return ExitNotFound
	case errors.As(err, &op) && op.Op.Call == "execveat":
		return ExitNotExecutable
	}
	return ExitFailed
}

// Run starts the container and returns when it has ended. Cancelling ctx
// kills it. What is in the queue, which may be nil, is passed on to the
// container's first process.
func (l *Launch) Run(ctx context.Context, s Streams, queue *signals.Queue, o Observer) (r Result, err error) {
	group, err := limit.Open(ctx, l.Plan, l.Host)
	if err != nil {
		return r, errors.Join(err, l.LetGo())
	}
	defer func() { err = errors.Join(err, group.Close()) }()
	out, err := l.outputs(s)
	if err != nil {
		return r, errors.Join(err, l.LetGo())
	}
	defer func() { err = errors.Join(err, out.wait()) }()
	network, err := l.startNetwork(o.Asker != nil)
	if err != nil {
		return r, errors.Join(err, l.LetGo())
	}
	defer func() { err = errors.Join(err, network.close()) }()
	spec := launch.Spec{
		Program: l.Program, Given: l.Given, Stdin: out.in, Stdout: out.out, Stderr: out.err, Cgroup: group.Dir(),
		Held: l.Held, Watch: l.Plan.Watch, Terminal: s.Terminal, Meanwhile: o.Meanwhile, Op: l.op,
	}
	if l.Plan.Group.Attached() {
		spec.Attach = func(pid int) error { return group.Attach(ctx, pid) }
	}
	if l.Plan.Identity.Setgroups {
		spec.MapIDs = func(pid int) error { return userns.Map(pid, l.Plan.Identity) }
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
	if o.Made != nil {
		if err := o.Made(c.PID()); err != nil {
			return r, errors.Join(err, kill(c))
		}
	}
	if err := network.attach(c); err != nil {
		return r, errors.Join(err, kill(c))
	}
	policy, enforcer := o.Policy, (*supervise.Enforcer)(nil)
	if policy == nil {
		if l.Plan.Mode == plan.Record {
			return r, errors.Join(errors.New("recording needs a recorder"), kill(c))
		}
		enforcer = supervise.NewEnforcer(l.Plan.Supervision, l.Host.Architecture, network.options(supervise.Options{Denied: o.Denied, Asker: o.Asker}, l.Plan.Network))
		policy = enforcer
		network.inform(enforcer.Tell, o.Network)
		network.consult(enforcer)
	} else {
		network.inform(o.Network)
	}
	defer context.AfterFunc(ctx, func() { _ = c.Signal(unix.SIGKILL) })()
	f := &forwarder{container: c, queue: queue, tty: l.Plan.Process.TTY, observer: o}
	stats, status, err := serve(c, policy, func() {
		if o.Started != nil {
			o.Started(c.PID())
		}
		f.start()
	})
	f.stop()
	r.Duration = time.Since(begun)
	// The network tells at its end what it has not told yet.
	ended := network.close()
	if f.instead != 0 && status.Signal == unix.SIGKILL {
		status.Signal = f.instead
	}
	r.Calls, r.Lost = stats.Calls, stats.Lost
	if enforcer != nil {
		r.Denials, r.Others = enforcer.Denials()
	}
	r.Code, r.Memory = status.Code, status.Usage.Maxrss<<10
	if status.Signal != 0 {
		r.Code = 128 + int(status.Signal)
	}
	if err = errors.Join(err, ended); err == nil {
		err = ctx.Err()
	}
	return r, err
}

// LetGo ends the child that is held, of a launch that is not to be run.
func (l *Launch) LetGo() error {
	if l.Held == nil {
		return nil
	}
	return l.Held.End()
}

// op returns one of the plan's operations.
func (l *Launch) op(i int) (plan.Op, error) {
	ops, err := l.Ops()
	if err == nil && (i < 0 || i >= len(ops)) {
		err = fmt.Errorf("the plan has %d operations", len(ops))
	}
	if err != nil {
		return plan.Op{}, err
	}
	return ops[i], nil
}

// explain says what of this host an error of the start comes from. User
// namespaces are of no use where they could not be made, or where their first
// mount, which takes a capability in them, was refused.
func explain(err error) error {
	var namespace *launch.NamespaceError
	var access *launch.AccessError
	var op *launch.OpError
	if errors.As(err, &access) {
		return host.ExplainAccess(err)
	}
	refused := errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES)
	if errors.As(err, &namespace) || refused && errors.As(err, &op) && op.Op.Call == "mount" {
		return host.ExplainUserNamespace(err)
	}
	return err
}

// serve supervises the container until its last process has
// ended, and collects the first. begun is called when the program may run. If
// the supervisor fails the container is killed, for its calls would fail from
// then on in ways that no program expects.
func serve(c *launch.Container, policy supervise.Policy, begun func()) (supervise.Stats, launch.Status, error) {
	var status launch.Status
	var ended error
	waited := false
	wait := func() {
		status, ended = c.Wait()
		waited = true
	}
	stats, err := supervise.Serve(context.Background(), supervise.Container{
		Listener: c.Listener(), Running: c.Running, Begun: begun, Process: c.Process(), Ended: wait,
	}, policy)
	if err != nil {
		err = errors.Join(fmt.Errorf("supervising the container: %w", err), c.Signal(unix.SIGKILL))
	}
	if !waited {
		wait()
	}
	if ended != nil {
		err = ended
	}
	return stats, status, err
}

func kill(c *launch.Container) error {
	err := c.Signal(unix.SIGKILL)
	_, werr := c.Wait()
	return errors.Join(err, werr)
}
