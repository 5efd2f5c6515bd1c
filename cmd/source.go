package cmd

import (
	"context"
	"errors"
	"fmt"
	"runtime"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/least-privilege/lpm/analyzer/evidence"
	"github.com/least-privilege/lpm/analyzer/prove"
	"github.com/least-privilege/lpm/manifest"
	"github.com/least-privilege/lpm/registry/approval"
	"github.com/least-privilege/lpm/registry/artifact"
	"github.com/least-privilege/lpm/registry/reference"
	"github.com/least-privilege/lpm/registry/review"
	"github.com/least-privilege/lpm/registry/store"
	"github.com/least-privilege/lpm/schema"
)

// place is an image and where its manifests are.
type place struct {
	review.Subject
	target artifact.Target
	// remote tells that the image is in a registry and not in the store.
	remote bool
}

// place finds an image: in the store, or, where it is not there and the
// reference names a registry, in that.
func (s *session) place(ctx context.Context, st *store.Store, text string, insecure bool) (place, error) {
	ref, err := reference.Parse(text)
	if err != nil {
		return place{}, err
	}
	img, err := s.image(st, text)
	switch {
	case err == nil:
		return place{Subject: subjectOf(img, text), target: artifact.NewLocal(st)}, nil
	case errors.Is(err, store.ErrNotFound) && ref.Kind == reference.Named && ref.Explicit:
	default:
		return place{}, err
	}
	remote, err := artifact.NewRemote(ref, artifact.RemoteOptions{Insecure: insecure})
	if err != nil {
		return place{}, err
	}
	digest, err := remote.Resolve(ctx, ref, runtime.GOARCH)
	if err != nil {
		return place{}, fmt.Errorf("looking for %s in its registry: %w", text, err)
	}
	subject := review.Subject{Digest: digest, Repository: ref.Repository(), Name: text}
	cached := artifact.Cached(ctx, remote, manifest.MediaType, approval.BundleMediaType, evidence.MediaType, prove.ResultsMediaType)
	return place{Subject: subject, target: cached, remote: true}, nil
}

// subjectOf is the subject of a review of an image that the person called
// text.
func subjectOf(img store.Image, text string) review.Subject {
	s := review.Subject{Digest: img.Digest, Name: text}
	if repository, err := reference.Repository(img.Name); err == nil {
		s.Repository = repository
	}
	return s
}

// manifestOf reads the manifest that an argument names: a file, or the newest
// one attached to an image.
func (s *session) manifestOf(ctx context.Context, arg string, insecure bool) (*manifest.Manifest, error) {
	if isFile(arg) {
		return readManifest(arg)
	}
	st, err := s.store()
	if err != nil {
		return nil, err
	}
	p, err := s.place(ctx, st, arg, insecure)
	if err != nil {
		return nil, err
	}
	valid, _, err := review.Manifests(ctx, p.target, p.Subject)
	if err != nil {
		return nil, err
	}
	return valid[len(valid)-1].Manifest, nil
}

// readManifest reads a manifest that a person wrote.
func readManifest(file string) (*manifest.Manifest, error) {
	data, err := readFile(file)
	if err != nil {
		return nil, err
	}
	return schema.Decode(file, data)
}

// readFile reads a manifest or a policy. One byte over the bound is enough for
// the schema to refuse it.
func readFile(file string) ([]byte, error) {
	return readBounded(file, manifest.MaxSize)
}

// digestOf returns the digest of the permissions of a manifest.
func digestOf(m *manifest.Manifest) (v1.Hash, error) {
	text, err := m.Digest()
	if err != nil {
		return v1.Hash{}, err
	}
	return v1.NewHash(text)
}
