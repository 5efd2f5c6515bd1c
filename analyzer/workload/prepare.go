package workload

import (
	"context"
	"fmt"

	"github.com/least-privilege/lpm/analyzer"
	"github.com/least-privilege/lpm/analyzer/evidence"
	"github.com/least-privilege/lpm/analyzer/record"
	"github.com/least-privilege/lpm/enforcer"
	"github.com/least-privilege/lpm/enforcer/plan"
	"github.com/least-privilege/lpm/manifest"
	"github.com/least-privilege/lpm/registry/store"
)

// prepare makes everything ready up to the start. The run's tree is the
// caller's to close.
func prepare(ctx context.Context, s *store.Store, j Job) (*run, error) {
	image, err := s.Config(j.Image)
	if err != nil {
		return nil, err
	}
	config := enforcer.Config(image.Config)
	r := &run{job: j, config: config}
	if r.ports, err = exposed(config.Ports); err != nil {
		return nil, err
	}
	if r.stop, err = stopSignal(image.Config.StopSignal); err != nil {
		return nil, err
	}
	if first := firstTCP(r.ports); j.Exercise != "" && first != 0 && open(ctx, first) {
		return nil, &PortTakenError{Port: first}
	}
	host, err := enforcer.Probe(ctx)
	if err != nil {
		return nil, err
	}
	if r.job.Identity == "" {
		r.job.Identity = r.bestIdentity(host)
	}
	j.Progress(fmt.Sprintf("preparing %s", name(j.Image)))
	if r.tree, err = s.Tree(ctx, j.Image, treeKind(r.job.Identity)); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			r.tree.Close()
		}
	}()
	r.job.Options.Identity = r.job.Identity
	r.job.Options.Baseline = analyzer.Unwatched(host.Architecture)
	r.prepared, err = enforcer.Prepare(ctx, enforcer.Job{
		Mode: plan.Record, Digest: j.Image.Digest.String(), Config: config,
		Tree: r.tree.Path, Options: r.job.Options,
		Folders: enforcer.Folders{Store: s.Dir(), Prepared: s.PreparedDir, Volume: j.Volume},
	})
	if err != nil {
		return nil, err
	}
	if r.recorder, err = r.newRecorder(host); err != nil {
		return nil, err
	}
	return r, nil
}

// bestIdentity is a range where the account has one, for then nothing that a
// program does with ids goes unseen.
func (r *run) bestIdentity(h plan.Host) manifest.IdentityMode {
	_, uids := plan.RangeMap(h.UID, h.SubUIDs)
	_, gids := plan.RangeMap(h.GID, h.SubGIDs)
	if uids == nil && gids == nil {
		return manifest.IdentityRange
	}
	r.warn("this account has no range of subordinate ids, so the run had a single id: a change of user, or of a file's owner, failed")
	return manifest.IdentitySingle
}

func treeKind(m manifest.IdentityMode) store.TreeKind {
	if m == manifest.IdentityRange {
		return store.Range
	}
	return store.Single
}

func (r *run) newRecorder(h plan.Host) (*record.Recorder, error) {
	p := r.prepared.Plan
	command, err := plan.Command(r.config, r.job.Options)
	if err != nil {
		return nil, err
	}
	return record.New(record.Options{
		Image:        evidence.Image{Reference: r.job.Image.Name, Digest: r.job.Image.Digest.String()},
		Architecture: h.Architecture, Kernel: h.Kernel, LPM: r.job.Version,
		Workload: evidence.Workload{Command: command, Exercise: r.job.Exercise},
		Program:  p.Process.Entry,
		Network:  manifest.NetworkHost,
		Mode:     r.job.Identity, Identity: p.Identity,
	})
}

// name is what a person knows an image by.
func name(i store.Image) string {
	if i.Name != "" {
		return i.Name
	}
	return i.Digest.String()
}
