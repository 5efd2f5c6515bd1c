package workload

import (
	"context"
	"time"

	"github.com/least-privilege/lpm/analyzer/evidence"
)

// quiet returns a channel that is closed once the record has had nothing new for
// the job's time; nil where there is none, or no recorder.
func (r *run) quiet(ctx context.Context) <-chan struct{} {
	if r.job.Quiet == 0 || r.recorder == nil {
		return nil
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		every := min(max(r.job.Quiet/20, 10*time.Millisecond), time.Second)
		ticker := time.NewTicker(every)
		defer ticker.Stop()
		known, since := -1, time.Now()
		for {
			seen, err := r.recorder.Record()
			if err != nil {
				return // the run ends, and its outcome is the same error
			}
			if n := distinct(seen); n != known {
				known, since = n, time.Now()
			}
			if time.Since(since) >= r.job.Quiet {
				return
			}
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
		}
	}()
	return done
}

// distinct counts the facts of a record that could each make a permission. How
// often something was done again is none.
func distinct(r *evidence.Record) int {
	n := len(r.Calls) + len(r.Programs) + len(r.Libraries) + len(r.Devices) + len(r.Connects) + len(r.Binds) + len(r.IDs) + len(r.Capabilities) + len(r.Signals)
	for _, c := range r.Calls {
		n += len(c.Values)
	}
	for _, f := range r.Files {
		n += 1 + len(f.Access)
	}
	for _, b := range r.Binds {
		if b.Listening {
			n++
		}
	}
	return n
}
