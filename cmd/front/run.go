package front

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/cmd/render"
	"github.com/least-privilege/lpm/cmd/report"
	"github.com/least-privilege/lpm/enforcer/container"
	"github.com/least-privilege/lpm/enforcer/host"
	"github.com/least-privilege/lpm/enforcer/launch"
	"github.com/least-privilege/lpm/enforcer/network/link"
	"github.com/least-privilege/lpm/enforcer/plan"
	"github.com/least-privilege/lpm/enforcer/prepared"
	"github.com/least-privilege/lpm/enforcer/signals"
	"github.com/least-privilege/lpm/enforcer/wire"
	"github.com/least-privilege/lpm/registry/approval/seal"
	"github.com/least-privilege/lpm/registry/xdg"
)

// Run runs the prepared launch for a command line, which is without the verb,
// and returns the container's exit code. The error is [ErrStale] where there is
// none, or none as things are now: then nothing has happened.
func Run(args []string) (int, error) {
	r := &running{}
	// While the kernel makes the namespaces, what is to be run in them is looked
	// up. Nearly all containers have some of every kind; a first process that
	// stays is begun in another way.
	if !slices.Contains(args, "--init") {
		var err error
		if r.launch.Held, err = launch.Hold(launch.AllNamespaces); err != nil {
			return 0, err
		}
	}
	err := r.prepare(args)
	if err == nil {
		err = r.run()
	} else {
		err = errors.Join(err, r.launch.LetGo())
	}
	return r.result.Code, errors.Join(err, r.close())
}

// running is one run of a prepared launch.
type running struct {
	flags Flags
	image string
	kept  *prepared.Launch
	path  string
	// open is what is to be closed in the end, the lock of the image's tree
	// among it.
	open    []io.Closer
	term    *render.Terminal
	streams container.Streams
	tty     *container.Terminal
	queue   *signals.Queue
	launch  container.Launch
	result  container.Result
	denied  []string
	report  *report.Report
	// asker is nil where nobody is asked.
	asker *report.Asker
}

func (r *running) close() error {
	var errs []error
	for _, c := range r.open {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}

// prepare finds the launch, and makes ready for it.
func (r *running) prepare(args []string) error {
	if err := r.find(args); err != nil {
		return err
	}
	stderr, err := surviving(os.Stderr)
	if err != nil {
		return err
	}
	r.term = render.NewTerminal(os.Stdin, os.Stdout, stderr)
	r.streams = container.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}
	if !r.flags.Interactive {
		if r.streams.In, err = os.Open(os.DevNull); err != nil {
			return err
		}
		r.open = append(r.open, r.streams.In)
	}
	if r.flags.TTY {
		if r.tty, err = container.OpenTerminal(); err != nil {
			return err
		}
		r.open = append(r.open, r.tty)
		r.flags.Console = r.tty.Path
		if r.streams.Out, err = surviving(os.Stdout); err != nil {
			return err
		}
	}
	if r.queue, err = signals.New(); err != nil {
		return err
	}
	if err := r.fill(); err != nil {
		return err
	}
	return r.reporting()
}

// reporting opens the report on what is refused, and readies questions.
func (r *running) reporting() (err error) {
	r.report, err = report.New(report.Options{Term: r.term, Live: r.flags.Verbose, Raw: r.tty != nil, File: r.flags.Denials})
	if err != nil || !r.flags.Ask {
		return err
	}
	if r.asker, err = r.newAsker(); err != nil {
		return errors.Join(err, r.report.Abandon())
	}
	r.open = append(r.open, r.asker)
	r.streams.Gate = r.report.Gate()
	return nil
}

// find looks for the launch, and proves that it is of this store and of these
// programs.
func (r *running) find(args []string) error {
	var ok bool
	if r.image, ok = r.flags.parse(args); !ok || r.flags.DryRun || r.flags.Output != "" {
		return ErrStale
	}
	if err := r.flags.mayAsk(); err != nil {
		return err
	}
	store, err := xdg.Data()
	if err != nil {
		return err
	}
	if r.kept, r.path, err = r.flags.find(store, r.image); err != nil {
		return ErrStale
	}
	programs, err := FindPrograms()
	if err != nil {
		return err
	}
	lock, err := hold(r.kept, store, programs)
	if err != nil {
		return err
	}
	r.open = append(r.open, lock)
	r.launch.NetworkProgram = programs.Network
	return nil
}

// surviving returns a second descriptor of a standard stream. Through the first
// Go ends a process when nobody reads its output any more (package os/signal);
// that is the container's to find out, and what it was refused is still to be
// written down.
func surviving(f *os.File) (*os.File, error) {
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.Name(), err)
	}
	return os.NewFile(uintptr(fd), f.Name()), nil
}

// fill makes the launch from what was kept and what the person chose.
func (r *running) fill() error {
	args, err := r.kept.Defaults.Args(r.flags.Options)
	if err != nil {
		return ErrStale
	}
	l := &r.launch
	l.Plan = &plan.Plan{Mode: plan.Enforce, Watch: r.kept.Watch, Process: plan.Process{TTY: r.kept.TTY}}
	l.Program = r.kept.Program
	l.Given = launch.Given{Args: args, Env: r.kept.Defaults.Environment(r.flags.Options), Console: r.flags.Console}
	l.Ops = r.operations
	if r.kept.Early {
		return r.verify()
	}
	return nil
}

// run runs the container and reports how it went.
func (r *running) run() error {
	err := r.start()
	if errors.Is(err, ErrStale) {
		return errors.Join(err, r.report.Abandon())
	}
	code := r.result.Code
	if err != nil {
		code = container.ExitCode(err)
	}
	// However it ended, what was refused is not lost.
	return errors.Join(err, r.report.Close(report.End{
		Denials: r.result.Denials, Others: r.result.Others, Calls: r.result.Calls, Code: code,
		Image: r.image, LeftOut: r.denied,
	}))
}

// start starts the container and stays with it. Signals are the container's
// from here on: what it makes of them decides how lpm ends.
func (r *running) start() error {
	ctx := context.Background()
	if err := r.queue.Catch(container.Signals()); err != nil {
		return errors.Join(err, r.launch.LetGo())
	}
	var attached sync.WaitGroup
	var attachErr error
	o := container.Observer{Limited: r.limited, Job: isJob, Stopped: stop, Passed: r.passed, Started: func(int) {
		if r.tty != nil {
			attached.Go(func() { attachErr = r.tty.Attach(ctx, r.streams.In, r.streams.Out) })
		}
	}}
	if !r.kept.Early {
		o.Meanwhile = r.verify
	}
	if r.flags.Verbose || r.flags.Denials != "" {
		o.Denied = r.report.Denied
	}
	if r.asker != nil {
		o.Asker = r.asker
	}
	if r.launch.Plan.Network != nil && !r.flags.Quiet {
		o.Network = r.heard
	}
	inside := r.streams
	if r.tty != nil {
		// Before the program runs, which may ask for it first of all.
		r.tty.Fit(r.streams.In)
		inside = container.Streams{In: r.tty.Slave, Out: r.tty.Slave, Err: r.tty.Slave, Terminal: r.streams.In}
	}
	var err error
	r.result, err = r.launch.Run(ctx, inside, r.queue, o)
	attached.Wait()
	if err == nil {
		err = attachErr
	}
	return err
}

// heard tells the person of what keeps the network from doing its work.
func (r *running) heard(e link.Event) {
	if e.Kind == link.Trouble {
		r.term.Warn("the container's network: %s", e.Reason)
	}
}

// stop stops lpm, as a job of a shell.
func stop() { _ = unix.Kill(os.Getpid(), unix.SIGSTOP) }

// passed has the container's terminal follow the caller's.
func (r *running) passed(s unix.Signal) {
	if r.tty != nil {
		r.tty.Changed(s)
	}
	if r.asker != nil && slices.Contains([]unix.Signal{unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGQUIT}, s) {
		r.asker.End()
	}
}

// limited takes note of what holds the container to its bounds. It is said
// where not everything does.
func (r *running) limited(e plan.Enforcement) {
	r.report.Enforced(report.Enforced{
		Image: r.launch.Plan.Image, Manifest: r.launch.Plan.Manifest, Asking: r.flags.Ask,
		Limits: e.Enforced, Unenforced: e.Unenforced,
	})
	if r.flags.Verbose || len(e.Unenforced) > 0 && !r.flags.Quiet {
		report.Limits(r.term, e)
	}
}

// verify proves that the launch may be run now, on this machine, and completes
// what the supervisor decides by.
func (r *running) verify() error {
	d, err := r.kept.Details()
	if err != nil {
		return errors.Join(ErrStale, err)
	}
	if err := inForce(d); err != nil {
		return err
	}
	*r.launch.Plan = *d.Plan
	r.launch.Host, r.denied = d.Host, d.Denied
	for _, u := range d.Plan.Unenforced {
		r.term.Warn("not enforced on this host: %s", u)
	}
	return nil
}

// inForce proves that the machine is as it was, and the approval in force.
func inForce(d prepared.Details) error {
	same, err := host.Unchanged(context.Background(), d.Host, d.Plan)
	if err != nil {
		return err
	}
	if !same {
		return ErrStale
	}
	var s seal.Seal
	sealed := wire.NewReader(d.Approval)
	sealed.Value(&s)
	if err := sealed.End(); err != nil {
		return errors.Join(ErrStale, err)
	}
	if err := s.Check(time.Now()); err != nil {
		return errors.Join(ErrStale, err)
	}
	return nil
}

// operations reads the plan as it was kept beside the launch.
func (r *running) operations() ([]plan.Op, error) {
	content, err := os.ReadFile(r.path + planSuffix)
	if err != nil {
		return nil, fmt.Errorf("reading the plan: %w", err)
	}
	p, err := r.kept.Plan(content)
	if err != nil {
		return nil, err
	}
	return p.Give(r.launch.Given.Args, r.launch.Given.Env, r.launch.Given.Console).Operations(), nil
}
