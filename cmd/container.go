package cmd

import (
	"context"
	"time"

	"github.com/least-privilege/lpm/cmd/front"
	"github.com/least-privilege/lpm/enforcer"
	"github.com/least-privilege/lpm/enforcer/plan"
	"github.com/least-privilege/lpm/enforcer/prepared"
	"github.com/least-privilege/lpm/enforcer/wire"
	"github.com/least-privilege/lpm/manifest"
	"github.com/least-privilege/lpm/registry/approval"
	"github.com/least-privilege/lpm/registry/artifact"
	"github.com/least-privilege/lpm/registry/review"
	"github.com/least-privilege/lpm/registry/store"
	"github.com/least-privilege/lpm/registry/xdg"
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

// keep prepares a launch and keeps it in the store. It returns the plan as it
// was kept.
func (s *session) keep(ctx context.Context, st *store.Store, name string, f front.Flags, programs front.Programs) (*plan.Plan, error) {
	// Before anything is looked up in it.
	index, err := front.Index(st.Dir())
	if err != nil {
		return nil, err
	}
	img, err := s.image(st, name)
	if err != nil {
		return nil, err
	}
	subject := subjectOf(img, name)
	asks, err := s.granted(ctx, st, subject)
	if err != nil {
		return nil, err
	}
	granted := asks.Grant
	approved, err := s.seal(granted, subject.Repository)
	if err != nil {
		return nil, err
	}
	tree, err := s.tree(ctx, st, img, granted.Manifest)
	if err != nil {
		return nil, err
	}
	defer tree.Close()
	p, err := s.prepare(ctx, st, img, subject, tree, granted.Manifest, f.Options)
	if err != nil {
		return nil, err
	}
	l := &prepared.Launch{Program: p.Program, Start: prepared.Start{
		Build: programs.Build, Index: index,
		Tree: tree.Path, TreeLock: tree.LockFile().Name(), Layer: p.Layer, Defaults: p.Defaults,
		TTY: p.Plan.Process.TTY, Watch: p.Plan.Watch,
		Early: p.Plan.Identity.Setgroups || p.Plan.Group.Kind != plan.GroupNone || p.Plan.Network != nil,
	}}
	path, err := f.Keep(st.Dir(), name, l, prepared.Details{
		Plan: p.Plan, Host: p.Host, Approval: approved, Denied: granted.Denied,
	}, prepared.Aside{Filters: p.Filters, Asked: asks.Found.Manifest, Granted: granted.Manifest})
	if err != nil {
		return nil, err
	}
	return front.ReadPlan(path)
}

// seal returns the approval as a launch checks it again.
func (s *session) seal(granted *approval.Grant, repository string) ([]byte, error) {
	dirs, err := xdg.Trust()
	if err != nil {
		return nil, err
	}
	sealed, err := granted.Seal(repository, dirs...)
	if err != nil {
		return nil, err
	}
	var w wire.Writer
	w.Value(*sealed)
	return w.Result(), nil
}

// tree unpacks the image as the manifest's identity wants it.
func (s *session) tree(ctx context.Context, st *store.Store, img store.Image, m *manifest.Manifest) (tree *store.Tree, err error) {
	kind := store.Single
	if m.Identity.Mode == manifest.IdentityRange {
		kind = store.Range
	}
	err = s.during("unpacking "+nameOf(img), func(update func(done, total int64)) error {
		tree, err = st.TreeWith(ctx, img, kind, update)
		return err
	})
	return tree, err
}

// prepare makes the container ready.
func (s *session) prepare(ctx context.Context, st *store.Store, img store.Image, subject review.Subject, tree *store.Tree, m *manifest.Manifest, o plan.Options) (*enforcer.Prepared, error) {
	config, err := st.Config(img)
	if err != nil {
		return nil, err
	}
	repository := repositoryOf(subject)
	return enforcer.Prepare(ctx, enforcer.Job{
		Mode: plan.Enforce, Digest: img.Digest.String(), Config: enforcer.Config(config.Config),
		Tree: tree.Path, Manifest: m, Options: o,
		Folders: enforcer.Folders{
			Store: st.Dir(), Prepared: st.PreparedDir,
			Volume: func(name string) (string, error) { return st.VolumeDir(repository, name) },
		},
	})
}

// repositoryOf is what volumes belong to: they are shared by the versions of one
// thing.
func repositoryOf(s review.Subject) string {
	if s.Repository != "" {
		return s.Repository
	}
	return s.Digest.String()
}
