package workload

import (
	"context"
	"sync"
	"time"

	"github.com/least-privilege/lpm/analyzer/evidence"
)

// quiet returns a channel that is closed once the record has had nothing new for
// the job's time; nil where there is none, or no recorder. The time counts from
// when the container has been at work: a program that is still starting, or whose
// first exercise takes long, is not one that does nothing new. The goroutine is
// the group's.
func (r *run) quiet(ctx context.Context, c *course, group *sync.WaitGroup) <-chan struct{} {
	if r.job.Quiet == 0 || r.recorder == nil {
		return nil
	}
	done := make(chan struct{})
	group.Go(func() {
		if c.atWork(ctx) == nil && r.nothingNew(ctx) {
			close(done)
		}
	})
	return done
}

// nothingNew waits until nothing new has come for the job's time. It reports
// false where ctx was done before.
func (r *run) nothingNew(ctx context.Context) bool {
	ticker := time.NewTicker(min(max(r.job.Quiet/20, 10*time.Millisecond), time.Second))
	defer ticker.Stop()
	var known seen
	since := time.Now()
	for {
		record, err := r.recorder.Record()
		if err != nil {
			return true // the run ends, and its outcome is the same error
		}
		if now := distinct(record); now != known {
			known, since = now, time.Now()
		}
		if time.Since(since) >= r.job.Quiet {
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-ticker.C:
		}
	}
}

// seen is how much of a record could make a permission, or a wider one.
type seen struct {
	facts int
	// highest are the limits that programs have asked for, added up.
	highest uint64
}

// distinct counts the facts of a record that could each make a permission. How
// often something was done again is none; names only explain, and what is read
// is granted with the image.
func distinct(r *evidence.Record) seen {
	s := seen{facts: len(r.Calls) + len(r.Programs) + len(r.Libraries) + len(r.Devices) + len(r.Connects) + len(r.Binds) +
		len(r.IDs) + len(r.Capabilities) + len(r.Signals) + len(r.Limits)}
	for _, c := range r.Calls {
		s.facts += len(c.Values)
	}
	for _, f := range r.Files {
		s.facts += 1 + len(f.Access)
	}
	for _, d := range r.Devices {
		if d.Write {
			s.facts++
		}
	}
	for _, b := range r.Binds {
		if b.Listening {
			s.facts++
		}
	}
	for _, l := range r.Limits {
		s.highest += l.Value
	}
	return s
}
