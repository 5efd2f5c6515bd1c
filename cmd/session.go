package cmd

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"

	"github.com/least-privilege/lpm/cmd/render"
	"github.com/least-privilege/lpm/enforcer"
	"github.com/least-privilege/lpm/enforcer/userns"
	"github.com/least-privilege/lpm/registry/reference"
	"github.com/least-privilege/lpm/registry/store"
	"github.com/least-privilege/lpm/registry/unpack"
	"github.com/least-privilege/lpm/registry/xdg"
)

// session is what the verbs share.
type session struct {
	term  *render.Terminal
	quiet bool
}

// workUnpack is the piece of work that unpacks or removes a tree with owners.
const workUnpack = "unpack"

// Works returns the pieces of work that lpm does in user namespaces, for
// [userns.Main].
func Works() map[string]userns.Work {
	works := maps.Clone(enforcer.Works())
	works[workUnpack] = func(ctx context.Context, in json.RawMessage) (any, error) {
		var job unpack.Job
		if err := json.Unmarshal(in, &job); err != nil {
			return nil, fmt.Errorf("decoding the work: %w", err)
		}
		return nil, unpack.Run(ctx, job)
	}
	return works
}

// store opens the person's store.
func (s *session) store() (*store.Store, error) {
	dir, err := xdg.Data()
	if err != nil {
		return nil, err
	}
	return store.Open(dir, store.Options{RangeUnpack: unpackInRange})
}

func unpackInRange(ctx context.Context, job unpack.Job) error {
	h, err := enforcer.Probe(ctx)
	if err != nil {
		return err
	}
	return enforcer.InRange(ctx, h, workUnpack, job, nil)
}

// image finds an image of the store by what a person called it.
func (s *session) image(st *store.Store, text string) (store.Image, error) {
	ref, err := reference.Parse(text)
	if err != nil {
		return store.Image{}, err
	}
	if ref.Kind == reference.Layout || ref.Kind == reference.Archive {
		return store.Image{}, usagef("bring it in first, with: lpm load "+text, "%s is not in the store", text)
	}
	return st.Resolve(text)
}

// nameOf is what to call an image when speaking to a person.
func nameOf(img store.Image) string {
	if img.Name != "" {
		return img.Name
	}
	return img.Digest.String()
}

// during reports on work that may take long while work runs.
func (s *session) during(text string, work func(update func(done, total int64)) error) error {
	if s.quiet {
		return work(func(int64, int64) {})
	}
	p := s.term.Start(text)
	defer p.Stop()
	return work(p.Update)
}
