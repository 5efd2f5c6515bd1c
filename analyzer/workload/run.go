package workload

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"syscall"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/enforcer"
	"github.com/least-privilege/lpm/enforcer/container"
	"github.com/least-privilege/lpm/enforcer/network/link"
	"github.com/least-privilege/lpm/enforcer/plan"
	"github.com/least-privilege/lpm/enforcer/signals"
	"github.com/least-privilege/lpm/registry/store"
)

// run is one run of a job.
type run struct {
	job      Job
	image    v1.Config
	config   plan.Config
	ports    []port
	stop     syscall.Signal
	tree     *store.Tree
	prepared *enforcer.Prepared
	own      int64 // lpm's peak of memory up to the container's start
	// recorder is nil in a run under a manifest.
	recorder recorder
	// health is nil where no health check is to be run.
	health *health
	cache  string // folder of what is found in the image's files

	// signals go to the container's first process.
	signals *signals.Queue
	// ended is closed when the container has ended; result and err are
	// valid then.
	ended  chan struct{}
	result container.Result
	err    error

	failure  error
	warnings []string
	warning  sync.Mutex
	// reach is what left a private network.
	reach reach
	// heardOf counts what the container's network had to say.
	heardOf int
}

func (r *run) warn(format string, args ...any) {
	r.warning.Lock()
	defer r.warning.Unlock()
	r.warnings = append(r.warnings, fmt.Sprintf(format, args...))
}

// conduct starts the container and stays with it to its end. It leaves
// nothing running behind.
func (r *run) conduct(ctx context.Context) error {
	var err error
	if r.signals, err = signals.New(); err != nil {
		return err
	}
	defer r.signals.Close()
	r.ended = make(chan struct{})
	started := make(chan int, 1)
	observer := container.Observer{}
	if r.recorder != nil {
		where := "this machine's network"
		if r.prepared.Plan.Network != nil {
			where = "a network of its own that reaches everything"
		}
		r.job.Progress("recording, on " + where)
		observer.Policy, observer.Made, observer.Network = r.recorder, r.made, r.heard
	}
	streams, attach := r.streams()
	lower()
	defer debug.SetGCPercent(debug.SetGCPercent(rarely))
	go func() {
		defer close(r.ended)
		var attached sync.WaitGroup
		var attachErr error
		observer.Started = func(pid int) {
			r.own = highest()
			attachErr = r.health.enter(pid)
			attached.Go(func() { attachErr = errors.Join(attachErr, attach(ctx)) })
			started <- pid
		}
		r.reach.begun = time.Now()
		r.result, r.err = r.prepared.Run(ctx, streams, r.signals, observer)
		attached.Wait()
		r.err = errors.Join(r.err, attachErr)
	}()
	select {
	case <-r.ended: // it never started, or has ended already
		return errors.Join(r.err, r.health.close())
	case pid := <-started:
		sampled := r.sample(ctx, pid)
		r.health.start(ctx, r.ended)
		r.work(ctx, pid)
		<-r.ended
		return errors.Join(r.err, <-sampled, r.health.close())
	}
}

// heard takes note of what keeps a private network from doing its work, or is
// refused even while recording. It is called by one goroutine, which has ended
// when the container has.
func (r *run) heard(e link.Event) {
	r.reach.note(e, time.Now())
	if e.Kind == link.LookedUp || e.Kind == link.Flowed {
		return
	}
	if r.heardOf++; r.heardOf > maxHeard {
		return
	}
	switch {
	case e.Kind == link.Trouble:
		r.warn("the container's network: %s", e.Reason)
	case e.Kind == link.Refused && e.Flow != nil:
		r.warn("a connection to %s/%s was refused: %s", e.Flow.To, e.Flow.Protocol, e.Reason)
	case e.Kind == link.Refused:
		r.warn("the lookup of %s was refused: %s", e.Name, e.Reason)
	}
}

// maxHeard bounds how much a run says of that.
const maxHeard = 32

// streams are what the container gets, and what connects them with the
// caller's.
func (r *run) streams() (container.Streams, func(context.Context) error) {
	t := r.job.Terminal
	if t == nil {
		return r.job.Streams, func(context.Context) error { return nil }
	}
	t.Fit(r.job.Streams.In)
	return container.Streams{In: t.Slave, Out: t.Slave, Err: t.Slave, Terminal: r.job.Streams.In}, func(ctx context.Context) error {
		return t.Attach(ctx, r.job.Streams.In, r.job.Streams.Out)
	}
}

// sample keeps the peaks, where there is a recorder, until the container ends.
func (r *run) sample(ctx context.Context, pid int) <-chan error {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan error, 1)
	if r.recorder == nil {
		cancel()
		done <- nil
		return done
	}
	go func() {
		<-r.ended
		cancel()
	}()
	go func() { done <- r.recorder.Sample(ctx, pid, sampleEvery) }()
	return done
}

// work waits for whatever ends the run first, and sees to it that the
// container ends.
func (r *run) work(ctx context.Context, pid int) {
	var watching sync.WaitGroup
	defer watching.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	c := &course{job: r.job, ports: r.ports, ended: r.ended, pid: pid, send: r.send, healthy: r.health.first(), through: make(chan struct{})}
	exercised, quiet := r.exercise(ctx, c), r.quiet(ctx, c, &watching)
	// Nobody is left to read it when the run ends another way.
	wait := func() {
		cancel()
		if exercised != nil {
			<-exercised //nolint:errcheck // it says that it was ended
		}
	}
	var limit <-chan time.Time
	if r.job.For > 0 {
		timer := time.NewTimer(r.job.For)
		defer timer.Stop()
		limit = timer.C
	}
	select {
	case <-r.ended:
		r.endedByItself(exercised, cancel)
	case err := <-exercised:
		r.failure = err
		r.end()
	case <-limit:
		r.job.Progress(fmt.Sprintf("%s are over", r.job.For))
		r.early(exercised != nil)
		wait()
		r.end()
	case <-quiet:
		r.job.Progress(fmt.Sprintf("nothing new for %s", r.job.Quiet))
		r.early(exercised != nil)
		wait()
		r.end()
	case <-r.job.Interrupt:
		r.job.Progress("interrupted; ending the container")
		r.early(exercised != nil)
		wait()
		r.end()
	case <-ctx.Done(): // the container is killed by it too
		wait()
	}
}

// exercise starts what the container is exercised by, if there is something,
// and returns where the result will be.
func (r *run) exercise(ctx context.Context, c *course) <-chan error {
	if len(r.job.Exercises) == 0 {
		return nil
	}
	done := make(chan error, 1)
	go func() { done <- c.run(ctx) }()
	return done
}

// early warns of an exercise that did not come to its end.
func (r *run) early(exercised bool) {
	if exercised {
		r.warn("the exercise was ended before it was through")
	}
}

// endedByItself judges a container that was not told to end. An exercise may
// have ended it, and is then about to end too.
func (r *run) endedByItself(exercised <-chan error, cancel func()) {
	if r.result.Code != 0 {
		r.failure = &CommandError{Code: r.result.Code}
	}
	if exercised == nil {
		return
	}
	var err error
	select {
	case err = <-exercised:
	case <-time.After(r.job.Grace):
		cancel()
		err = <-exercised
	}
	var ready *NotReadyError
	switch {
	case errors.As(err, &ready):
		r.failure = &NotReadyError{At: ready.At, Ended: true, Code: r.result.Code}
	case errors.Is(err, context.Canceled):
		err = &ExerciseError{Command: r.job.Described(), Code: 1, Err: errEndedEarly}
	}
	if r.failure == nil {
		r.failure = err
	}
}

// end tells the container to end and, after the grace time or at another
// interrupt, kills it. What it does meanwhile is recorded.
func (r *run) end() {
	r.health.finish(r.job.Interrupt)
	if !r.send(r.stop) {
		return
	}
	told, grace := time.Now(), time.NewTimer(r.job.Grace)
	defer grace.Stop()
	for alive := true; alive; {
		select {
		case <-r.ended:
			r.judgeEnd()
			return
		case <-grace.C:
			r.warn("the container did not end within %s of %s and was killed; what it does at an orderly end is not in the record", r.job.Grace, signalName(r.stop))
			alive = false
		case <-r.job.Interrupt:
			if time.Since(told) >= oneInterrupt {
				r.warn("the container was killed; what it does at an orderly end is not in the record")
				alive = false
			}
		}
	}
	r.send(unix.SIGKILL)
}

// oneInterrupt is how soon after an interrupt another one is the same: what
// signals a process and then its group, as timeout(1) does, interrupts twice.
const oneInterrupt = 200 * time.Millisecond

// send reports whether the container was there to take the signal.
func (r *run) send(s syscall.Signal) bool {
	select {
	case <-r.ended:
		return false
	default:
		return r.signals.Send(s) == nil
	}
}

// judgeEnd warns of an end that a signal brought and not the one that was
// sent. A status of its own is a program's way to say that it was told to end.
func (r *run) judgeEnd() {
	switch s := syscall.Signal(r.result.Code - 128); s {
	// The first process of a pid namespace that has no handler for a signal
	// is killed in its place.
	case r.stop, unix.SIGKILL:
	default:
		if s > 0 {
			r.warn("the container crashed (%s) when it was told to end", signalName(s))
		}
	}
}
