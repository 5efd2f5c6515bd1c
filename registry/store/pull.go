package store

import (
	"context"
	"fmt"
	"io"
	"runtime"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/least-privilege/lpm/registry/client"
)

// PullOptions say how to pull.
type PullOptions struct {
	// Insecure allows plain HTTP and certificates that nobody vouches for.
	// Loopback addresses may always be spoken to in plain HTTP.
	Insecure bool
	// Architecture is the one that the image must be for, and the one to take
	// from an index. Empty means this machine's in an index, and any otherwise.
	Architecture string
	// Progress, when set, is told the bytes of layers that are done and
	// those there are. It is called from one goroutine at a time.
	Progress func(done, total int64)
}

// Pull brings an image from a registry into the store, under the name ref.
// Credentials come from the docker config. Layers that the store has are not
// fetched again, so a pull that was cut short goes on where it was.
//
// Errors: [*PlatformError]; [*client.PlaintextError] where a registry would have been
// spoken to in plain HTTP unasked; go-containerregistry's transport.Error for
// a registry's refusal.
func (s *Store) Pull(ctx context.Context, ref string, o PullOptions) (Image, error) {
	img, err := s.pull(ctx, ref, o)
	if err != nil {
		return Image{}, fmt.Errorf("pulling %s: %w", ref, err)
	}
	return img, nil
}

func (s *Store) pull(ctx context.Context, ref string, o PullOptions) (Image, error) {
	local, err := localName(ref)
	if err != nil {
		return Image{}, err
	}
	var parse []name.Option
	if o.Insecure {
		parse = append(parse, name.Insecure)
	}
	parsed, err := name.ParseReference(ref, parse...)
	if err != nil {
		return Image{}, err
	}
	collection, err := s.lock(ctx, lockCollection, shared)
	if err != nil {
		return Image{}, err
	}
	defer collection.Close()

	transport := client.New(o.Insecure)
	defer transport.CloseIdleConnections()
	puller, err := remote.NewPuller(
		remote.WithTransport(transport),
		// The transport tries again itself.
		remote.WithRetryBackoff(remote.Backoff{Steps: 1}), remote.WithRetryStatusCodes(),
		remote.WithAuthFromKeychain(authn.DefaultKeychain),
		remote.WithUserAgent("lpm"),
	)
	if err != nil {
		return Image{}, err
	}
	var top *remote.Descriptor
	err = client.Whole(ctx, func() error {
		top, err = puller.Get(ctx, parsed)
		return err
	})
	if err != nil {
		return Image{}, err
	}
	r := &registrySource{ctx: ctx, puller: puller, repository: parsed.Context()}
	a := adder{store: s, source: r, architecture: o.Architecture, chosen: o.Architecture != "", parallel: 3, progress: o.Progress}
	if a.architecture == "" {
		a.architecture = runtime.GOARCH
	}
	entry, err := a.add(ctx, local, top.Descriptor)
	if err != nil {
		return Image{}, err
	}
	images, err := s.enter(ctx, entry)
	if err != nil {
		return Image{}, err
	}
	return images[0], nil
}

// registrySource reads blobs from a repository.
type registrySource struct {
	ctx        context.Context
	puller     *remote.Puller
	repository name.Repository
}

// document fetches a manifest or index.
func (r *registrySource) document(d v1.Descriptor) ([]byte, error) {
	var got []byte
	err := client.Whole(r.ctx, func() error {
		found, err := r.puller.Get(r.ctx, r.repository.Digest(d.Digest.String()))
		if err == nil {
			got = found.Manifest
		}
		return err
	})
	return got, err
}

// open fetches a blob; who reads it checks it.
func (r *registrySource) open(d v1.Descriptor) (io.ReadCloser, error) {
	l, err := r.puller.Layer(r.ctx, r.repository.Digest(d.Digest.String()))
	if err != nil {
		return nil, err
	}
	return l.Compressed()
}
