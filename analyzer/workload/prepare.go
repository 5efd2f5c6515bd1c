package workload

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/least-privilege/lpm/analyzer/evidence"
	"github.com/least-privilege/lpm/analyzer/record"
	"github.com/least-privilege/lpm/analyzer/trace"
	"github.com/least-privilege/lpm/enforcer"
	"github.com/least-privilege/lpm/enforcer/plan"
	"github.com/least-privilege/lpm/manifest"
	"github.com/least-privilege/lpm/registry/store"
)

// prepare makes everything ready up to the start. The run's tree is the
// caller's to close.
func prepare(ctx context.Context, s *store.Store, j Job) (*run, error) {
	r, err := newRun(ctx, s, j)
	if err != nil {
		return nil, err
	}
	if j.Recorder == EBPF {
		if err := trace.Check(); err != nil {
			return nil, err
		}
	}
	host, err := enforcer.Probe(ctx)
	if err != nil {
		return nil, err
	}
	if r.job.Identity == "" {
		r.job.Identity = r.bestIdentity(host)
	}
	r.job.Options.Identity = r.job.Identity
	r.job.Options.Baseline = r.unwatched(host.Architecture)
	if err := r.launch(ctx, s, plan.Record, nil); err != nil {
		return nil, err
	}
	if r.cache, err = s.PreparedDir(cacheKey(j.Image)); err != nil {
		return nil, errors.Join(err, r.tree.Close())
	}
	if r.recorder, err = r.newRecorder(host); err != nil {
		return nil, errors.Join(err, r.tree.Close())
	}
	if err := r.checkHealth(ctx, r.image, r.enforced(s, plan.Record, nil)); err != nil {
		r.close()
		return nil, err
	}
	return r, nil
}

// prepareTrial is prepare for a run under a manifest.
func prepareTrial(ctx context.Context, s *store.Store, j Job, m *manifest.Manifest) (*run, error) {
	r, err := newRun(ctx, s, j)
	if err != nil {
		return nil, err
	}
	r.job.Identity = m.Identity.Mode
	if err := r.launch(ctx, s, plan.Enforce, m); err != nil {
		return nil, err
	}
	return r, nil
}

// newRun looks at the image's configuration, and whether its port is free.
func newRun(ctx context.Context, s *store.Store, j Job) (*run, error) {
	image, err := s.Config(j.Image)
	if err != nil {
		return nil, err
	}
	r := &run{job: j, image: image.Config, config: enforcer.Config(image.Config)}
	if r.ports, err = exposed(r.config.Ports); err != nil {
		return nil, err
	}
	if r.stop, err = stopSignal(image.Config.StopSignal); err != nil {
		return nil, err
	}
	if j.Stop != 0 {
		r.stop = j.Stop
	}
	if ready := j.readiness(r.ports); len(j.Exercises) > 0 && ready != nil {
		if n := ready.port(); n != 0 && open(ctx, n) {
			return nil, &PortTakenError{Port: n}
		}
	}
	return r, nil
}

// launch unpacks the image and makes the container ready.
func (r *run) launch(ctx context.Context, s *store.Store, mode plan.Mode, m *manifest.Manifest) (err error) {
	r.job.Progress(fmt.Sprintf("preparing %s", name(r.job.Image)))
	if r.tree, err = s.Tree(ctx, r.job.Image, treeKind(r.job.Identity)); err != nil {
		return err
	}
	r.job.Options.Ports = r.published(m)
	if r.prepared, err = enforcer.Prepare(ctx, r.enforced(s, mode, m)); err != nil {
		return errors.Join(err, r.tree.Close())
	}
	r.prepared.NetworkProgram = r.job.NetworkProgram
	return nil
}

// published are the ports by which the exercises reach a container with a
// private network: those that the image exposes, and the manifest, if there is
// one, has published.
func (r *run) published(m *manifest.Manifest) []plan.Port {
	mode := r.job.Options.Network
	if m != nil {
		mode = m.Network.Mode
	}
	if mode != manifest.NetworkPrivate {
		return nil
	}
	var list []plan.Port
	for _, p := range r.ports {
		protocol := manifest.Protocol(p.protocol)
		granted := func(l manifest.Listen) bool { return l.Publish && int(l.Port) == p.number && l.Protocol == protocol }
		if m == nil || slices.ContainsFunc(m.Network.Listen, granted) {
			list = append(list, plan.Port{Host: uint16(p.number), Container: uint16(p.number), Protocol: protocol})
		}
	}
	return list
}

// enforced is what there is to prepare of the container.
func (r *run) enforced(s *store.Store, mode plan.Mode, m *manifest.Manifest) enforcer.Job {
	return enforcer.Job{
		Mode: mode, Digest: r.job.Image.Digest.String(), Config: r.config, Manifest: m,
		Tree: r.tree.Path, Options: r.job.Options,
		Folders: enforcer.Folders{Store: s.Dir(), Prepared: s.PreparedDir, Volume: r.job.Volume},
	}
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

func (r *run) newRecorder(h plan.Host) (recorder, error) {
	p := r.prepared.Plan
	command, err := plan.Command(r.config, r.job.Options)
	if err != nil {
		return nil, err
	}
	return newRecorder(r.job.Recorder, record.Options{
		Image:        evidence.Image{Reference: r.job.Image.Name, Digest: r.job.Image.Digest.String()},
		Architecture: h.Architecture, Kernel: h.Kernel, LPM: r.job.Version,
		Workload: evidence.Workload{Command: evidence.FitCommand(command), Exercise: evidence.Fit(r.job.Described())},
		Program:  p.Process.Entry,
		Network:  cmp.Or(r.job.Options.Network, manifest.NetworkHost),
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
