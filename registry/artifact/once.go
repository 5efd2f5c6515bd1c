package artifact

import (
	"context"
	"errors"
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// AttachOnce is [AttachBlob] for a document that means the same however often
// it is attached: where a valid one of the same type and content refers to the
// subject already, it returns that one's digest and changes nothing.
func AttachOnce(ctx context.Context, t Target, subject v1.Hash, doc Document) (v1.Hash, error) {
	items, err := List(ctx, t, subject, doc.MediaType, int64(len(doc.Content)))
	if err != nil {
		return v1.Hash{}, err
	}
	for _, item := range items {
		if item.Err == nil && string(item.Content) == string(doc.Content) {
			return item.Digest, nil
		}
	}
	return AttachBlob(ctx, t, subject, doc)
}

// Within returns the source with a bound on the bytes of all blobs that are
// read from it together. Past the bound, a blob is refused with [ErrTooLarge],
// which [List] holds for a fault of the artifact and not of the source. What is
// written goes through where the source is a target. It is for one goroutine.
func Within(s Source, total int64) Target { return &within{Source: s, left: total} }

type within struct {
	Source
	left int64
}

func (w *within) Blob(ctx context.Context, d v1.Descriptor) ([]byte, error) {
	if err := w.spend(d.Size); err != nil {
		return nil, err
	}
	return w.Source.Blob(ctx, d)
}

func (w *within) spend(size int64) error {
	if size < 0 || size > w.left {
		return fmt.Errorf("blob of %d bytes, where %d are left for all: %w", size, w.left, ErrTooLarge)
	}
	w.left -= size
	return nil
}

func (w *within) Write(ctx context.Context, a Artifact) error {
	t, ok := w.Source.(Target)
	if !ok {
		return fmt.Errorf("writing to what can only be read: %w", errors.ErrUnsupported)
	}
	return t.Write(ctx, a)
}
