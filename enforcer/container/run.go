package container

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/enforcer/cgroup"
	"github.com/least-privilege/lpm/enforcer/host"
	"github.com/least-privilege/lpm/enforcer/launch"
	"github.com/least-privilege/lpm/enforcer/plan"
	"github.com/least-privilege/lpm/enforcer/supervise"
	"github.com/least-privilege/lpm/enforcer/userns"
)

// Launch is a container that is ready to start.
type Launch struct {
	Plan *plan.Plan
	// Filters are the plan's filters, compiled, in the plan's order.
	Filters [][]byte
	// Host is what the plan was made for.
	Host plan.Host
}

// Streams are a container's standard streams. They stay the caller's.
type Streams struct {
	In, Out, Err *os.File
	// Terminal, where not nil, is a terminal of the caller's that is about to
	// be in raw mode: if the caller is killed it is put back.
	Terminal *os.File
}

// Observer is what a caller wants to know while a container runs. Every field
// may be nil.
type Observer struct {
	// Policy answers the container's calls in place of an enforcer; record
	// mode needs one.
	Policy supervise.Policy
	// Started is called with the first process's id once it may run.
	Started func(pid int)
	// Denied is called once for each distinct denial.
	Denied func(supervise.Denial)
	// Stopped, where not nil, says that the launcher is a job of a shell: at
	// SIGTSTP the program is stopped, and then this is called, for the
	// launcher to stop too.
	Stopped func()
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
// kills it. signals are passed on to the container's first process.
func (l *Launch) Run(ctx context.Context, s Streams, signals <-chan os.Signal, o Observer) (r Result, err error) {
	group, err := l.group()
	if err != nil {
		return r, err
	}
	if group != nil {
		defer func() { err = errors.Join(err, group.Close()) }()
	}
	out, err := l.outputs(s)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, out.wait()) }()
	spec := launch.Spec{
		Plan: l.Plan, Filters: l.Filters, Stdin: out.in, Stdout: out.out, Stderr: out.err,
		Terminal: s.Terminal,
		MapIDs:   func(pid int) error { return userns.Map(pid, l.Plan.Identity) },
	}
	if group != nil {
		spec.Cgroup = group.Dir()
	}
	c, err := launch.Start(spec)
	out.started()
	if err != nil {
		return r, explain(err)
	}
	defer c.Close()
	begun := time.Now()

	policy, enforcer := o.Policy, (*supervise.Enforcer)(nil)
	if policy == nil {
		if l.Plan.Mode == plan.Record {
			return r, errors.Join(errors.New("recording needs a recorder"), kill(c))
		}
		enforcer = supervise.NewEnforcer(l.Plan.Supervision, l.Host.Architecture, o.Denied)
		policy = enforcer
	}
	stats, served := supervised(c, policy)
	if o.Started != nil {
		o.Started(c.PID())
	}
	forwarded := forward(ctx, c, signals, o.Stopped)
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

// group makes the container's cgroup, where one can be made.
func (l *Launch) group() (*cgroup.Group, error) {
	r := l.Plan.Resources
	if l.Host.Cgroup == "" || r.Memory == 0 && r.PIDs == 0 && r.MilliCPU == 0 {
		return nil, nil
	}
	// What the plan could not enforce has been accepted or refused already.
	for _, c := range []struct {
		name  string
		limit *int64
	}{{"memory", &r.Memory}, {"pids", &r.PIDs}, {"cpu", &r.MilliCPU}} {
		if !l.delegated(c.name) {
			*c.limit = 0
		}
	}
	if r.Memory == 0 && r.PIDs == 0 && r.MilliCPU == 0 {
		return nil, nil
	}
	name := "lpm-" + strconv.Itoa(os.Getpid()) + "-" + strconv.FormatInt(time.Now().UnixNano(), 36)
	return cgroup.New(l.Host.Cgroup, name, r)
}

func (l *Launch) delegated(controller string) bool {
	for _, c := range l.Host.Controllers {
		if c == controller {
			return true
		}
	}
	return false
}
