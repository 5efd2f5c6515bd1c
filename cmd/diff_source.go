package cmd

import (
	"context"
	"errors"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/least-privilege/lpm/manifest"
	"github.com/least-privilege/lpm/registry/artifact"
	"github.com/least-privilege/lpm/registry/reference"
)

// comparedManifest is manifestOf, where a digest can also be that of a manifest:
// an image has several, when its author mended one.
func (s *session) comparedManifest(ctx context.Context, arg string, insecure bool) (*manifest.Manifest, error) {
	if !isFile(arg) {
		m, err := s.attachedManifest(ctx, arg, insecure)
		if m != nil || err != nil {
			return m, err
		}
	}
	return s.manifestOf(ctx, arg, insecure)
}

// attachedManifest returns the manifest that has the digest of a reference, in
// the store or the registry that it names; nil where it has none, or is that of
// something else.
func (s *session) attachedManifest(ctx context.Context, arg string, insecure bool) (*manifest.Manifest, error) {
	ref, err := reference.Parse(arg)
	if err != nil || ref.Digest == "" || ref.Kind != reference.Named && ref.Kind != reference.Digest {
		return nil, err
	}
	digest, err := v1.NewHash(ref.Digest)
	if err != nil {
		return nil, err
	}
	st, err := s.store()
	if err != nil {
		return nil, err
	}
	sources := []artifact.Source{artifact.NewLocal(st)}
	if ref.Kind == reference.Named && ref.Explicit {
		if _, err := s.image(st, arg); err == nil {
			return nil, nil
		}
		remote, err := artifact.NewRemote(ref, artifact.RemoteOptions{Insecure: insecure})
		if err != nil {
			return nil, err
		}
		sources = append(sources, remote)
	}
	for _, from := range sources {
		m, err := artifact.ByDigest(ctx, from, digest)
		if !errors.Is(err, artifact.ErrNotFound) {
			return m, err
		}
	}
	return nil, nil
}
