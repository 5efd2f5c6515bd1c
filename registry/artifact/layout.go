package artifact

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/least-privilege/lpm/registry/store"
	"github.com/least-privilege/lpm/registry/unpack"
)

// Layout is an OCI image layout as a [Source].
type Layout struct{ *store.Layout }

// Referrers implements [Source].
func (l Layout) Referrers(_ context.Context, subject v1.Hash) ([]v1.Descriptor, error) {
	return l.Layout.Referrers(subject)
}

// Manifest implements [Source].
func (l Layout) Manifest(_ context.Context, digest v1.Hash) ([]byte, error) {
	content, err := l.ReadBlob(digest, MaxManifest)
	return content, translated(err)
}

// Blob implements [Source].
func (l Layout) Blob(_ context.Context, d v1.Descriptor) ([]byte, error) {
	if d.Size < 0 || d.Size > MaxDocument {
		return nil, fmt.Errorf("blob %s of %d bytes: %w", d.Digest, d.Size, ErrTooLarge)
	}
	content, err := l.ReadBlob(d.Digest, d.Size+1) // a longer one is told by its length
	if err != nil {
		return nil, translated(err)
	}
	return content, checkBlob(content, d)
}

// Open opens a blob of any size. Reading it to its end fails where it is not
// what its digest names.
func (l Layout) Open(h v1.Hash) (io.ReadCloser, error) {
	r, _, err := l.Layout.Blob(h)
	return translating(r, err)
}

// Open is that of [Layout].
func (l Local) Open(h v1.Hash) (io.ReadCloser, error) { return translating(l.store.Blob(h)) }

func translating(r io.ReadCloser, err error) (io.ReadCloser, error) {
	if err != nil {
		return nil, translated(err)
	}
	return translator{r}, nil
}

type translator struct{ io.ReadCloser }

func (t translator) Read(p []byte) (int, error) {
	n, err := t.ReadCloser.Read(p)
	return n, translated(err)
}

// translated gives what the store's reading returns the errors of sources.
func translated(err error) error {
	var mismatch *unpack.MismatchError
	switch {
	case errors.Is(err, store.ErrNotFound), errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("%w: %w", ErrNotFound, err)
	case errors.As(err, &mismatch):
		return fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return err
}
