package cmd

import (
	"context"
	"encoding/json"
	"os"
	"os/signal"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/least-privilege/lpm/enforcer"
	"github.com/least-privilege/lpm/enforcer/container"
	"github.com/least-privilege/lpm/enforcer/plan"
	"github.com/least-privilege/lpm/enforcer/supervise"
	"github.com/least-privilege/lpm/manifest"
	"github.com/least-privilege/lpm/registry/approval"
	"github.com/least-privilege/lpm/registry/artifact"
	"github.com/least-privilege/lpm/registry/review"
	"github.com/least-privilege/lpm/registry/store"
)

// granted returns what a trusted key has approved of the image's newest
// manifest.
func (s *session) granted(ctx context.Context, st *store.Store, subject review.Subject) (*approval.Grant, error) {
	records, err := s.records(st, artifact.NewLocal(st))
	if err != nil {
		return nil, err
	}
	request, err := records.Open(ctx, subject, time.Now())
	if err != nil {
		return nil, err
	}
	if request.Grant == nil {
		return nil, request.Refusal
	}
	return request.Grant, nil
}

// prepare makes the container ready. The caller calls release when it is over.
func (s *session) prepare(ctx context.Context, st *store.Store, img store.Image, subject review.Subject, m *manifest.Manifest, o plan.Options) (_ *container.Launch, release func(), err error) {
	config, err := st.Config(img)
	if err != nil {
		return nil, nil, err
	}
	kind := store.Single
	if m.Identity.Mode == manifest.IdentityRange {
		kind = store.Range
	}
	var tree *store.Tree
	err = s.during("unpacking "+nameOf(img), func(func(int64, int64)) error {
		tree, err = st.Tree(ctx, img, kind)
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	defer func() {
		if err != nil {
			tree.Close()
		}
	}()
	repository := repositoryOf(subject)
	prepared, err := enforcer.Prepare(ctx, enforcer.Job{
		Mode: plan.Enforce, Digest: img.Digest.String(), Config: enforcer.Config(config.Config),
		Tree: tree.Path, Manifest: m, Options: o,
		Folders: enforcer.Folders{
			Store: st.Dir(), Prepared: st.PreparedDir,
			Volume: func(name string) (string, error) { return st.VolumeDir(repository, name) },
		},
	})
	return prepared, func() { tree.Close() }, err
}

// repositoryOf is what volumes belong to: they are shared by the versions of one
// thing.
func repositoryOf(s review.Subject) string {
	if s.Repository != "" {
		return s.Repository
	}
	return s.Digest.String()
}

// launch runs the container. Signals are the container's from here on: what
// it makes of them decides how lpm ends.
func (s *session) launch(ctx context.Context, p *container.Launch, streams container.Streams, tty *container.Terminal, f runFlags) (container.Result, error) {
	ctx = context.WithoutCancel(ctx)
	signals := make(chan os.Signal, 16)
	forwarded := slices.DeleteFunc(container.Signals(), func(s os.Signal) bool {
		// What lpm was started to ignore, as by nohup, stays so. The size of
		// the container's terminal changes with this one's, and its programs
		// hear of it then.
		return signal.Ignored(s) || tty != nil && s == syscall.SIGWINCH
	})
	signal.Notify(signals, forwarded...)
	defer signal.Stop(signals)
	// That nobody reads the output any more is the container's to find out;
	// what it was refused is still to be reported.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	o := container.Observer{}
	if isJob() {
		o.Stopped = func() { _ = syscall.Kill(os.Getpid(), syscall.SIGSTOP) }
	}
	if f.verbose {
		o.Denied = func(d supervise.Denial) { s.printDenial(d, tty != nil) }
	}
	if tty == nil {
		return p.Run(ctx, streams, signals, o)
	}
	var attached sync.WaitGroup
	var attachErr error
	o.Started = func(int) {
		attached.Go(func() { attachErr = tty.Attach(ctx, streams.In, streams.Out) })
	}
	// Before the program runs, which may ask for it first of all.
	tty.Fit(streams.In)
	r, err := p.Run(ctx, container.Streams{In: tty.Slave, Out: tty.Slave, Err: tty.Slave, Terminal: streams.In}, signals, o)
	attached.Wait()
	if err == nil {
		err = attachErr
	}
	return r, err
}

// writeDenials writes the denials as JSON lines.
func writeDenials(name string, list []supervise.Denial) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	encoder := json.NewEncoder(f)
	for _, d := range list {
		if err := encoder.Encode(d); err != nil {
			f.Close()
			return err
		}
	}
	return f.Close()
}
