package workload

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/least-privilege/lpm/analyzer/evidence"
	"github.com/least-privilege/lpm/analyzer/record"
	"github.com/least-privilege/lpm/analyzer/trace"
	"github.com/least-privilege/lpm/enforcer"
	"github.com/least-privilege/lpm/registry/store"
)

// Attachment is a container that runs already, under whatever engine, and how
// long to watch it.
type Attachment struct {
	// Target is the number of the container's first process, or the folder of
	// its control group.
	Target string
	// Image is what it was made from, as the caller says.
	Image store.Image
	// For, Interrupt, Progress and Version are as in Job. The container is
	// left alone at the end.
	For       time.Duration
	Interrupt <-chan os.Signal
	Progress  func(line string)
	Version   string
}

// Attach watches a container that runs already until it ends, or time or the
// caller ends the watching. Its errors are those of package trace, the store's
// and ctx's.
func Attach(ctx context.Context, s *store.Store, a Attachment) (*Outcome, error) {
	if a.Progress == nil {
		a.Progress = func(string) {}
	}
	if err := trace.Check(); err != nil {
		return nil, err
	}
	image, err := s.Config(a.Image)
	if err != nil {
		return nil, err
	}
	host, err := enforcer.Probe(ctx)
	if err != nil {
		return nil, err
	}
	target, err := trace.Find(a.Target)
	if err != nil {
		return nil, err
	}
	defer target.Close()
	tree, err := anyTree(ctx, s, a.Image, target.Mode)
	if err != nil {
		return nil, err
	}
	defer tree.Close()
	o := &Outcome{Warnings: []string{attachedLate}}
	if !holds(tree.Path, target.Program) {
		o.Warnings = append(o.Warnings, fmt.Sprintf("%s has no %s, which process %d runs: is the container of this image?", name(a.Image), target.Program, target.PID))
	}
	r, err := trace.New(record.Options{
		Image:        evidence.Image{Reference: a.Image.Name, Digest: a.Image.Digest.String()},
		Architecture: host.Architecture, Kernel: host.Kernel, LPM: a.Version,
		Workload: evidence.Workload{Command: target.Command},
		Program:  target.Program, Network: target.Network, Mode: target.Mode, Identity: target.Identity,
	})
	if err != nil {
		return nil, err
	}
	defer r.Close()
	if err := r.Attach(target); err != nil {
		return nil, err
	}
	a.Progress(fmt.Sprintf("watching process %d (%s)", target.PID, target.Program))
	if err := watch(ctx, r, target, a); err != nil {
		return nil, err
	}
	if o.Record, err = r.Record(); err != nil {
		return nil, err
	}
	o.Warnings = append(o.Warnings, pastRecorder(o.Record)...)
	// What its file systems hold is not what it has written.
	o.Record.Peaks.Written, o.Record.Peaks.Shared = 0, 0
	cache, err := s.PreparedDir(cacheKey(a.Image))
	if err != nil {
		return nil, err
	}
	found, err := scan(tree.Path, []*evidence.Record{o.Record}, cache)
	if err != nil {
		return nil, err
	}
	o.Record.Libc = found.Libc
	o.Facts = facts(enforcer.Config(image.Config).Volumes, found)
	return o, nil
}

// attachedLate is what is missing in each record of an attachment.
const attachedLate = "the container ran before it was watched: what it did until then, to start above all, is not in the record; propose from a record of its start too (--from)"

// pastRecorder warns of what a container can do that is not refused when it is
// only attached to, and that no recorder sees.
func pastRecorder(r *evidence.Record) []string {
	for _, c := range r.Calls {
		if c.Name == "io_uring_enter" || c.Name == "io_uring_setup" {
			return []string{"the container uses io_uring: files and addresses that it names in that way are not in the record"}
		}
	}
	return nil
}

// watch returns when the watching is to end.
func watch(parent context.Context, r *trace.Recorder, t *trace.Target, a Attachment) error {
	ctx, cancel := context.WithCancel(parent)
	defer cancel()
	if a.For > 0 {
		ctx, cancel = context.WithTimeout(ctx, a.For)
		defer cancel()
	}
	interrupted := make(chan struct{})
	go func() {
		defer close(interrupted)
		select {
		case <-a.Interrupt:
			cancel()
		case <-ctx.Done():
		}
	}()
	sampled := make(chan error, 1)
	go func() { sampled <- r.Sample(ctx, t.PID, sampleEvery) }()
	err := t.Wait(ctx)
	if ctx.Err() != nil {
		err = parent.Err() // time or an interrupt has ended it
	}
	cancel()
	<-interrupted
	return errors.Join(err, <-sampled)
}

// holds reports whether an image's tree has a file.
func holds(tree, name string) bool {
	root, err := os.OpenRoot(tree)
	if err != nil {
		return false
	}
	defer root.Close()
	_, err = root.Lstat("." + name)
	return err == nil
}
