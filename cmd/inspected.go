package cmd

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sync/errgroup"

	"github.com/least-privilege/lpm/cmd/render"
	"github.com/least-privilege/lpm/manifest"
	"github.com/least-privilege/lpm/registry/artifact"
	"github.com/least-privilege/lpm/registry/review"
)

// inspected is all that inspect has found of an image that has a manifest. It
// is what the screen, the page and the JSON are made of.
type inspected struct {
	request *review.Request
	state   approvalState
	counts  counts
	// granted are the counts without what the approval denied; nil where it
	// denied nothing.
	granted *counts
	size    int64
	// why has the records of runs, and the permissions with what these show.
	why *explanation
}

// inspected looks at what is attached to an image. Without a valid manifest the
// error is a [*review.NoManifestError].
func (s *session) inspected(ctx context.Context, p place, records review.Records, now time.Time) (*inspected, error) {
	// Over a slow line, what is independent of each other is read at once.
	var size int64
	g, reading := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		size, err = sizeOf(reading, p.target, p.Digest)
		return err
	})
	q, err := records.Open(ctx, p.Subject, now)
	if unread := g.Wait(); err == nil {
		err = unread
	}
	if err != nil {
		return nil, err
	}
	m := q.Found.Manifest
	i := &inspected{request: q, state: stateOf(q), counts: countsOf(m), size: size}
	if q.Grant != nil && len(q.Grant.Denied) > 0 {
		left := countsOf(q.Grant.Manifest)
		i.granted = &left
	}
	attached, err := s.attachedRecords(ctx, p.target, p.Digest, m.Syscalls.Architecture)
	if err != nil {
		return nil, err
	}
	x := &explanation{Name: p.Name, Image: p.Digest}
	trials, err := s.attachedTrials(ctx, p.target, p.Digest)
	if err != nil {
		return nil, err
	}
	if i.why, err = s.explainedBy(ctx, x, m, s.agreeing(attached, nil)); err != nil {
		return nil, err
	}
	i.why.try(trials)
	return i, nil
}

// sizeOf returns the sum of an image's layers as they are stored, in bytes, by
// its own account.
func sizeOf(ctx context.Context, t artifact.Source, image v1.Hash) (int64, error) {
	raw, err := t.Manifest(ctx, image)
	if err != nil {
		return 0, fmt.Errorf("reading the image's manifest: %w", err)
	}
	m, err := v1.ParseManifest(bytes.NewReader(raw))
	if err != nil {
		return 0, fmt.Errorf("reading the image's manifest: %w", err)
	}
	var size int64
	for _, l := range m.Layers {
		if l.Size < 0 || l.Size > math.MaxInt64-size {
			return 0, fmt.Errorf("the image's manifest gives a layer the size %d", l.Size)
		}
		size += l.Size
	}
	return size, nil
}

// split returns the permissions of a level that are to be read and those that
// are folded: the normal ones, unless they are to be decided on or may not be
// what they look like.
func (i *inspected) split(level manifest.Level) (shown, folded []explainedPermission) {
	for _, p := range i.why.permissions {
		switch {
		case p.Level != level:
		case level == manifest.Normal && !p.Optional && render.Lookalike(p.ID) == "":
			folded = append(folded, p)
		default:
			shown = append(shown, p)
		}
	}
	return shown, folded
}
