package store

import (
	"context"
	"fmt"
	"io"
	"slices"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sync/errgroup"

	"github.com/least-privilege/lpm/registry/client"
)

// copy brings one blob into the store unless it is there.
func (a *adder) copy(ctx context.Context, d v1.Descriptor) error {
	if ok, err := a.store.hasBlob(ctx, d.Digest, d.Size); ok || err != nil {
		return err
	}
	if _, err := a.store.room(d.Size); err != nil {
		return err
	}
	return client.Whole(ctx, func() error { return a.fetch(ctx, d) })
}

// fetch brings one blob into the store.
func (a *adder) fetch(ctx context.Context, d v1.Descriptor) error {
	r, err := a.source.open(d)
	if err != nil {
		return err
	}
	defer r.Close()
	return a.store.ingestWith(ctx, d.Digest, d.Size, r, func() error {
		// Others bring images in meanwhile; what they and this one have
		// written is counted by now.
		_, err := a.store.room(0)
		return err
	})
}

// addLayers copies an image's layers, several at a time.
func (a *adder) addLayers(ctx context.Context, layers []v1.Descriptor) error {
	for _, d := range layers {
		if !d.MediaType.IsLayer() {
			return fmt.Errorf("layer %s is a %q, which is no layer", d.Digest, d.MediaType)
		}
	}
	count := a.newCounter(layers)
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(max(1, a.parallel))
	for i, d := range layers {
		// The same layer twice is common: an empty one, say.
		if slices.ContainsFunc(layers[:i], func(e v1.Descriptor) bool { return e.Digest == d.Digest }) {
			continue
		}
		group.Go(func() error {
			counted := *a
			counted.source = countedSource{source: a.source, count: count}
			if err := counted.copy(ctx, d); err != nil {
				return fmt.Errorf("copying layer %s: %w", d.Digest, err)
			}
			count.finish(d)
			return nil
		})
	}
	return group.Wait()
}

// counter tells the caller's progress. A layer counts as done to its full
// size at its end, however much of it the store had.
type counter struct {
	mu       sync.Mutex
	progress func(done, total int64)
	done     map[v1.Hash]int64
	total    int64
}

func (a *adder) newCounter(layers []v1.Descriptor) *counter {
	c := &counter{progress: a.progress, done: map[v1.Hash]int64{}}
	for i, d := range layers {
		if !slices.ContainsFunc(layers[:i], func(e v1.Descriptor) bool { return e.Digest == d.Digest }) {
			c.total += d.Size
		}
	}
	return c
}

func (c *counter) add(h v1.Hash, n int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.done[h] += n
	c.tell()
}

func (c *counter) finish(d v1.Descriptor) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.done[d.Digest] = d.Size
	c.tell()
}

func (c *counter) tell() {
	if c.progress == nil {
		return
	}
	var sum int64
	for _, n := range c.done {
		sum += n
	}
	c.progress(sum, c.total)
}

// countedSource counts what is read of its source's blobs.
type countedSource struct {
	source
	count *counter
}

func (s countedSource) open(d v1.Descriptor) (io.ReadCloser, error) {
	r, err := s.source.open(d)
	if err != nil {
		return nil, err
	}
	return &countedReader{ReadCloser: r, digest: d.Digest, count: s.count}, nil
}

type countedReader struct {
	io.ReadCloser
	digest v1.Hash
	count  *counter
}

func (r *countedReader) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	r.count.add(r.digest, int64(n))
	return n, err
}
