package front

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/least-privilege/lpm/cmd/render"
	"github.com/least-privilege/lpm/cmd/report"
	"github.com/least-privilege/lpm/enforcer/container"
	"github.com/least-privilege/lpm/enforcer/host"
	"github.com/least-privilege/lpm/enforcer/launch"
	"github.com/least-privilege/lpm/enforcer/plan"
	"github.com/least-privilege/lpm/enforcer/prepared"
	"github.com/least-privilege/lpm/enforcer/wire"
	"github.com/least-privilege/lpm/registry/approval/seal"
	"github.com/least-privilege/lpm/registry/xdg"
)

// Run runs the prepared launch for a command line, which is without the verb,
// and returns the container's exit code. The error is [ErrStale] where there is
// none, or none as things are now: then nothing has happened.
func Run(args []string, programs Programs) (int, error) {
	var f Flags
	image, ok := f.parse(args)
	if !ok || f.DryRun || f.Output != "" {
		return 0, ErrStale
	}
	if err := f.mayAsk(); err != nil {
		return 0, err
	}
	store, err := xdg.Data()
	if err != nil {
		return 0, err
	}
	l, path, err := f.find(store, image)
	if err != nil {
		return 0, ErrStale
	}
	lock, err := hold(l, store, programs)
	if err != nil {
		return 0, err
	}
	defer lock.Close()
	return execute(&f, image, l, path)
}

// execute runs a launch that was found to be of this store and these programs.
func execute(f *Flags, image string, l *prepared.Launch, path string) (int, error) {
	r := &running{
		flags: f, image: image, kept: l, path: path,
		term: render.NewTerminal(os.Stdin, os.Stdout, os.Stderr),
	}
	streams := container.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}
	if !f.Interactive {
		null, err := os.Open(os.DevNull)
		if err != nil {
			return 0, err
		}
		defer null.Close()
		streams.In = null
	}
	if f.TTY {
		tty, err := container.OpenTerminal()
		if err != nil {
			return 0, err
		}
		defer tty.Close()
		r.tty, f.Console = tty, tty.Path
	}
	if err := r.fill(); err != nil {
		return 0, err
	}
	return r.reported(streams)
}

// reported runs the container and reports on what it is refused.
func (r *running) reported(streams container.Streams) (code int, err error) {
	r.report, err = report.New(report.Options{Term: r.term, Live: r.flags.Verbose, Raw: r.tty != nil, File: r.flags.Denials})
	if err != nil {
		return 0, err
	}
	var o container.Observer
	if r.flags.Verbose || r.flags.Denials != "" {
		o.Denied = r.report.Denied
	}
	if r.flags.Ask {
		asker, failed := r.asker()
		if failed != nil {
			return 0, errors.Join(failed, r.report.Abandon())
		}
		defer func() { err = errors.Join(err, asker.Close()) }()
		told, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)
		defer stop()
		defer context.AfterFunc(told, asker.End)()
		o.Asker, streams.Gate = asker, r.report.Gate()
	}
	result, err := r.start(streams, o)
	if errors.Is(err, ErrStale) {
		return 0, errors.Join(err, r.report.Abandon())
	}
	code = result.Code
	if err != nil {
		code = container.ExitCode(err)
	}
	// However it ended, what was refused is not lost.
	end := r.report.Close(report.End{
		Denials: result.Denials, Others: result.Others, Calls: result.Calls, Code: code,
		Image: r.image, LeftOut: r.denied,
	})
	return code, errors.Join(err, end)
}

// running is one run of a prepared launch.
type running struct {
	flags  *Flags
	image  string
	kept   *prepared.Launch
	path   string
	term   *render.Terminal
	tty    *container.Terminal
	report *report.Report
	launch container.Launch
	denied []string
}

// fill makes the launch from what was kept and what the person chose.
func (r *running) fill() error {
	args, err := r.kept.Defaults.Args(r.flags.Options)
	if err != nil {
		return ErrStale
	}
	r.launch = container.Launch{
		Plan:    &plan.Plan{Mode: plan.Enforce, Watch: r.kept.Watch, Process: plan.Process{TTY: r.kept.TTY}},
		Program: r.kept.Program,
		Given:   launch.Given{Args: args, Env: r.kept.Defaults.Environment(r.flags.Options), Console: r.flags.Console},
		Ops:     r.operations,
	}
	if r.kept.Early {
		return r.verify()
	}
	return nil
}

// start runs the container. Signals are the container's from here on: what it
// makes of them decides how lpm ends.
func (r *running) start(streams container.Streams, o container.Observer) (container.Result, error) {
	ctx := context.Background()
	signals := make(chan os.Signal, 16)
	// Starting to listen takes Go half a millisecond, in which the container
	// can be made. A signal that comes earlier ends lpm.
	go r.listen(signals)
	var attached sync.WaitGroup
	var attachErr error
	o.Limited = r.limited
	o.Stopped = func() { _ = syscall.Kill(os.Getpid(), syscall.SIGSTOP) }
	o.Started = func(int) {
		if r.tty != nil {
			attached.Go(func() { attachErr = r.tty.Attach(ctx, streams.In, streams.Out) })
		}
	}
	if !r.kept.Early {
		o.Meanwhile = r.verify
	}
	inside := streams
	if r.tty != nil {
		// Before the program runs, which may ask for it first of all.
		r.tty.Fit(streams.In)
		inside = container.Streams{In: r.tty.Slave, Out: r.tty.Slave, Err: r.tty.Slave, Terminal: streams.In}
	}
	result, err := r.launch.Run(ctx, inside, signals, o)
	attached.Wait()
	if err == nil {
		err = attachErr
	}
	return result, err
}

// listen has the signals sent on that are the container's.
func (r *running) listen(signals chan<- os.Signal) {
	forwarded := slices.DeleteFunc(container.Signals(), func(s os.Signal) bool {
		// What lpm was started to ignore, as by nohup, stays so. The size of
		// the container's terminal changes with this one's, and its programs
		// hear of it then.
		return signal.Ignored(s) || r.tty != nil && s == syscall.SIGWINCH
	})
	signal.Notify(signals, forwarded...)
	// That nobody reads the output any more is the container's to find out;
	// what it was refused is still to be reported.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
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
	return p.Give(r.launch.Given.Args, r.launch.Given.Env, r.launch.Given.Console).Ops, nil
}
