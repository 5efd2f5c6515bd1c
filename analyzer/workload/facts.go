package workload

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/least-privilege/lpm/analyzer"
	"github.com/least-privilege/lpm/analyzer/evidence"
	"github.com/least-privilege/lpm/analyzer/static"
	"github.com/least-privilege/lpm/enforcer"
	"github.com/least-privilege/lpm/enforcer/plan"
	"github.com/least-privilege/lpm/manifest"
	"github.com/least-privilege/lpm/registry/store"
)

// outcome is what there is to say after the container's end.
func (r *run) outcome() (*Outcome, error) {
	seen, err := r.recorder.Record()
	if err != nil {
		return nil, err
	}
	if r.prepared.Plan.Network != nil {
		if err := r.reach.complete(seen); err != nil {
			return nil, err
		}
	}
	o := &Outcome{Record: seen, Failure: r.failure, Warnings: slices.Concat(r.warnings, r.health.said())}
	o.Record.Workload.Healthcheck = r.health.recorded()
	if r.result.Memory > r.own {
		o.Record.Peaks.Memory = max(o.Record.Peaks.Memory, r.result.Memory)
	}
	found, err := scan(r.tree.Path, []*evidence.Record{o.Record}, r.cache)
	if err != nil {
		return nil, err
	}
	o.Record.Libc = found.Libc
	o.Facts = facts(r.config.Volumes, found)
	return o, nil
}

// Facts returns what the files of the records' image say, as far as the image
// is in the store; [store.ErrNotFound] where it is not.
func Facts(ctx context.Context, s *store.Store, records []*evidence.Record) (analyzer.ImageFacts, error) {
	var none analyzer.ImageFacts
	if len(records) == 0 {
		return none, analyzer.ErrNoRecords
	}
	image, err := s.Resolve(records[0].Image.Digest)
	if err != nil {
		return none, err
	}
	config, err := s.Config(image)
	if err != nil {
		return none, err
	}
	tree, err := anyTree(ctx, s, image, records[0].Identity.Mode)
	if err != nil {
		return none, err
	}
	defer tree.Close()
	cache, err := s.PreparedDir(cacheKey(image))
	if err != nil {
		return none, err
	}
	found, err := scan(tree.Path, records, cache)
	if err != nil {
		return none, err
	}
	return facts(enforcer.Config(config.Config).Volumes, found), nil
}

// anyTree returns a tree of the kind that a record was made with, since that
// is likely to be unpacked, or else one of the other kind: to the image's
// code it makes no difference.
func anyTree(ctx context.Context, s *store.Store, image store.Image, mode manifest.IdentityMode) (*store.Tree, error) {
	tree, err := s.Tree(ctx, image, treeKind(mode))
	if errors.Is(err, store.ErrNoRange) || errors.Is(err, plan.ErrNoSubordinateIDs) {
		return s.Tree(ctx, image, store.Single)
	}
	return tree, err
}

// cacheKey names the folder that keeps what was found in an image's files, for
// as long as the store has the image.
func cacheKey(image store.Image) string { return image.Digest.Hex + "-static" }

// scan looks at the programs and libraries that the records name.
func scan(tree string, records []*evidence.Record, cache string) (*static.Evidence, error) {
	var paths []string
	for _, r := range records {
		for _, p := range r.Programs {
			paths = append(paths, p.Path)
			if p.Interpreter != "" {
				paths = append(paths, p.Interpreter)
			}
		}
		paths = append(paths, r.Libraries...)
	}
	slices.Sort(paths)
	found, err := static.Scan(tree, records[0].Architecture, slices.Compact(paths), cache)
	if err != nil {
		return nil, fmt.Errorf("looking for what the image's code can do: %w", err)
	}
	return found, nil
}

func facts(volumes []string, found *static.Evidence) analyzer.ImageFacts {
	f := analyzer.ImageFacts{Volumes: volumes, Reachable: found.Reachable, Asked: found.Asked, Unknown: found.Unknown}
	for _, s := range found.Sites {
		f.Sites = append(f.Sites, s.String())
	}
	return f
}
