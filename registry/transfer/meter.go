package transfer

import (
	"fmt"
	"io"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/least-privilege/lpm/registry/artifact"
)

// meter counts the bytes that are read.
type meter struct {
	tell        func(done, total int64)
	mu          sync.Mutex
	done, total int64
}

func (m *meter) expect(size int64) { m.add(0, size) }

func (m *meter) add(done, total int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.done, m.total = m.done+done, m.total+total
	if m.tell != nil {
		m.tell(m.done, m.total)
	}
}

// watch returns a layer whose content is counted, and is no longer than its
// descriptor says. One that a registry can take from another of its
// repositories stays such a one.
func (m *meter) watch(layer v1.Layer, d v1.Descriptor) v1.Layer {
	if from, ok := layer.(*remote.MountableLayer); ok {
		return &remote.MountableLayer{Layer: counted{from.Layer, m, d}, Reference: from.Reference}
	}
	return counted{layer, m, d}
}

type counted struct {
	v1.Layer
	meter *meter
	d     v1.Descriptor
}

func (c counted) Digest() (v1.Hash, error)            { return c.d.Digest, nil }
func (c counted) Size() (int64, error)                { return c.d.Size, nil }
func (c counted) MediaType() (types.MediaType, error) { return c.d.MediaType, nil }

func (c counted) Compressed() (io.ReadCloser, error) {
	r, err := c.Layer.Compressed()
	if err != nil {
		return nil, err
	}
	return &bounded{r, c.meter, c.d.Size}, nil
}

// bounded reads exactly as much as there should be.
type bounded struct {
	io.ReadCloser
	meter *meter
	left  int64
}

func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return n, fmt.Errorf("%w: it is longer than its descriptor says", artifact.ErrCorrupt)
	}
	b.meter.add(int64(n), 0)
	if err == io.EOF && b.left > 0 {
		return n, fmt.Errorf("%w: it ends %d bytes before its descriptor says", artifact.ErrCorrupt, b.left)
	}
	return n, err
}
