package artifact

import (
	"context"
	"slices"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

const (
	// parallel is how many requests are made at once.
	parallel = 8
	// maxAhead is how many manifests are read before they are asked for.
	maxAhead = 64
)

// Cached returns the target such that whatever is read is read once: it is
// meant for one command, which sees one state of a registry. The manifests of
// referrers that are listed with one of the types are read ahead, all at once,
// so that listing documents of several types takes no more round trips than
// listing those of one. ctx ends the reading ahead. It is safe for use by
// several goroutines.
func Cached(ctx context.Context, t Target, ahead ...types.MediaType) Target {
	return &cached{
		ctx: ctx, Target: t, ahead: ahead, slots: make(chan struct{}, parallel),
		manifests: map[v1.Hash]func() ([]byte, error){}, lists: map[v1.Hash]func() ([]v1.Descriptor, error){},
	}
}

type cached struct {
	Target
	ctx   context.Context //nolint:containedctx // what is read ahead is read for nobody's call
	ahead []types.MediaType
	slots chan struct{}

	mu        sync.Mutex
	manifests map[v1.Hash]func() ([]byte, error)
	lists     map[v1.Hash]func() ([]v1.Descriptor, error)
}

// Referrers implements [Target].
func (c *cached) Referrers(ctx context.Context, subject v1.Hash) ([]v1.Descriptor, error) {
	c.mu.Lock()
	list, known := c.lists[subject]
	if !known {
		list = sync.OnceValues(func() ([]v1.Descriptor, error) {
			listed, err := c.Target.Referrers(ctx, subject)
			if err == nil {
				c.readAhead(listed)
			}
			return listed, err
		})
		c.lists[subject] = list
	}
	c.mu.Unlock()
	listed, err := list()
	return slices.Clone(listed), err
}

// readAhead starts the reading of what is likely to be asked for.
func (c *cached) readAhead(listed []v1.Descriptor) {
	n := 0
	for _, d := range listed {
		if n == maxAhead {
			return
		}
		if !slices.ContainsFunc(c.ahead, func(t types.MediaType) bool { return mayHaveType(d, t) }) {
			continue
		}
		n++
		read := c.manifest(c.ctx, d.Digest)
		go func() {
			c.slots <- struct{}{}
			defer func() { <-c.slots }()
			_, _ = read() // whoever asks for it gets the error
		}()
	}
}

// Manifest implements [Target].
func (c *cached) Manifest(ctx context.Context, digest v1.Hash) ([]byte, error) {
	return c.manifest(ctx, digest)()
}

func (c *cached) manifest(ctx context.Context, digest v1.Hash) func() ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	read, known := c.manifests[digest]
	if !known {
		read = sync.OnceValues(func() ([]byte, error) { return c.Target.Manifest(ctx, digest) })
		c.manifests[digest] = read
	}
	return read
}

// Write implements [Target]. What was read of the subject is read again after
// it.
func (c *cached) Write(ctx context.Context, a Artifact) error {
	defer func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.lists, a.Subject)
		delete(c.manifests, a.Descriptor.Digest)
	}()
	return c.Target.Write(ctx, a)
}
