package workload

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/enforcer/launch"
	"github.com/least-privilege/lpm/enforcer/plan"
	"github.com/least-privilege/lpm/enforcer/rootfs"
	"github.com/least-privilege/lpm/enforcer/supervise"
	"github.com/least-privilege/lpm/manifest"
	"github.com/least-privilege/lpm/registry/store"
)

// Trial is how a job went under a manifest.
type Trial struct {
	// Failure says that the workload did not pass, as in [Outcome], or that
	// its program could not be started.
	Failure error
	// TimedOut tells that the job's Limit ended it.
	TimedOut bool
	// End says how the container ended, such as "status 0" or "SIGKILL".
	End string
	// Denials is what was refused.
	Denials []supervise.Denial
	// Unenforced are the parts of the manifest that this machine does not
	// enforce, where the job's options accept that.
	Unenforced []string
	Duration   time.Duration
}

// errLimit ends a run that takes longer than its limit.
var errLimit = errors.New("the run took longer than its limit")

// Try runs a job under a manifest, refusing what is not granted. Record mode's
// choices in the job are not used. The error is lpm's own, or ctx's.
func Try(ctx context.Context, s *store.Store, j Job, m *manifest.Manifest) (*Trial, error) {
	j = j.withDefaults()
	limited := ctx
	if j.Limit > 0 {
		var cancel context.CancelFunc
		limited, cancel = context.WithTimeoutCause(ctx, j.Limit, errLimit)
		defer cancel()
	}
	begun := time.Now()
	r, err := prepareTrial(limited, s, j, m)
	if r != nil {
		defer r.tree.Close()
	}
	if err == nil {
		err = r.conduct(limited)
	}
	t := &Trial{Duration: time.Since(begun)}
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case r == nil:
		return t.unstarted(err)
	}
	t.Unenforced, t.Denials = r.prepared.Plan.Unenforced, r.result.Denials
	switch {
	case errors.Is(context.Cause(limited), errLimit):
		t.TimedOut, t.Failure = true, fmt.Errorf("it did not end within %s", j.Limit)
		return t, nil
	case err != nil:
		return t.unstarted(err)
	}
	t.Failure, t.End = r.failure, fmt.Sprintf("status %d", r.result.Code)
	if signal := r.result.Code - 128; signal > 0 {
		t.End = signalName(unix.Signal(signal))
	}
	return t, nil
}

// unstarted judges an error of a launch: where it is about the program, or what
// surrounds it, the workload has failed. That the machine is out of something
// says nothing about either.
func (t *Trial) unstarted(err error) (*Trial, error) {
	for _, short := range []unix.Errno{unix.EAGAIN, unix.ENOMEM, unix.ENOSPC, unix.EDQUOT, unix.EMFILE, unix.ENFILE} {
		if errors.Is(err, short) {
			return nil, err
		}
	}
	var ungranted *plan.NotGrantedError
	var program *rootfs.ProgramError
	var op *launch.OpError
	if errors.As(err, &ungranted) || errors.As(err, &program) || errors.As(err, &op) {
		t.Failure = err
		return t, nil
	}
	return nil, err
}
