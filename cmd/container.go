package cmd

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/least-privilege/lpm/cmd/report"
	"github.com/least-privilege/lpm/enforcer"
	"github.com/least-privilege/lpm/enforcer/container"
	"github.com/least-privilege/lpm/enforcer/plan"
	"github.com/least-privilege/lpm/manifest"
	"github.com/least-privilege/lpm/registry/artifact"
	"github.com/least-privilege/lpm/registry/review"
	"github.com/least-privilege/lpm/registry/store"
)

// granted returns what the image's newest manifest asks for, of which a trusted
// key has approved the Grant.
func (s *session) granted(ctx context.Context, st *store.Store, subject review.Subject) (*review.Request, error) {
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
	return request, nil
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
	// Volumes are shared by the versions of one thing.
	repository := subject.Repository
	if repository == "" {
		repository = img.Digest.String()
	}
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

// launch runs the container. Signals are the container's from here on: what
// it makes of them decides how lpm ends.
func (s *session) launch(ctx context.Context, p *container.Launch, streams container.Streams, tty *container.Terminal, o container.Observer) (container.Result, error) {
	ctx = context.WithoutCancel(ctx)
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2)
	defer signal.Stop(signals)
	if tty == nil {
		return p.Run(ctx, streams, signals, o)
	}
	var attached sync.WaitGroup
	var attachErr error
	o.Started = func(int) {
		attached.Go(func() { attachErr = tty.Attach(ctx, streams.In, streams.Out) })
	}
	r, err := p.Run(ctx, container.Streams{In: tty.Slave, Out: tty.Slave, Err: tty.Slave}, signals, o)
	attached.Wait()
	if err == nil {
		err = attachErr
	}
	return r, err
}

// reported launches the container and reports on what it is refused.
func (s *session) reported(ctx context.Context, name string, p *container.Launch, asks *review.Request, streams container.Streams, tty *container.Terminal, f runFlags) (code int, err error) {
	r, err := report.New(report.Options{Term: s.term, Live: f.verbose, Raw: tty != nil, File: f.denials})
	if err != nil {
		return 0, err
	}
	r.Enforced(report.Enforced{
		Image: p.Plan.Image, Manifest: p.Plan.Manifest, Asking: f.ask,
		Unenforced: p.Plan.Unenforced, Resources: p.Plan.Resources,
	})
	o := container.Observer{Denied: r.Denied}
	if f.ask {
		asker, err := r.NewAsker(report.AskOptions{
			Image: name, Manifest: asks.Grant.Manifest, Amended: report.AmendedName(name),
			Whole: func() (*manifest.Manifest, error) { return asks.Found.Manifest, nil },
		})
		if err != nil {
			return 0, errors.Join(err, r.Abandon())
		}
		defer func() { err = errors.Join(err, asker.Close()) }()
		o.Asker, streams.Gate = asker, r.Gate()
	}
	result, err := s.launch(ctx, p, streams, tty, o)
	code = result.Code
	if err != nil {
		code = enforcer.ExitCode(err)
	}
	// However it ended, what was refused is not lost.
	end := r.Close(report.End{
		Denials: result.Denials, Others: result.Others, Calls: result.Calls, Code: code,
		Image: name, LeftOut: asks.Grant.Approval.Denied,
	})
	return code, errors.Join(err, end)
}
