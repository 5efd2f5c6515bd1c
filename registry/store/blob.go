package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/least-privilege/lpm/registry/unpack"
)

// maxDocument bounds manifests, indexes and configs, in bytes, as registries
// commonly do.
const maxDocument = 4 << 20

// blobPath is where the blob is or will be.
func (s *Store) blobPath(h v1.Hash) (string, error) {
	if h.Algorithm != "sha256" {
		return "", fmt.Errorf("digest %q: only sha256 is supported", h)
	}
	// A Hash made by hand could hold a path.
	if raw, err := hex.DecodeString(h.Hex); err != nil || len(raw) != sha256.Size {
		return "", fmt.Errorf("digest %q is malformed", h)
	}
	return s.path("blobs", h.Algorithm, h.Hex), nil
}

// hasBlob says whether the blob is there and whole. It reads the blob, so that
// to load or pull an image again repairs a damaged one.
func (s *Store) hasBlob(ctx context.Context, h v1.Hash, size int64) (bool, error) {
	r, err := s.Blob(h)
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer r.Close()
	n, err := io.Copy(io.Discard, contextReader{ctx, r})
	var mismatch *unpack.MismatchError
	if errors.As(err, &mismatch) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("reading blob %s: %w", h, err)
	}
	if n != size {
		return false, fmt.Errorf("blob %s: %w: %d bytes, not %d", h, errSize, n, size)
	}
	return true, nil
}

// PutBlob stores data. Until an artifact or image refers to the blob, Prune
// may remove it: [Store.AddReferrer] stores blobs and refers to them in one.
func (s *Store) PutBlob(ctx context.Context, data []byte) (v1.Hash, error) {
	collection, err := s.lock(ctx, lockCollection, shared)
	if err != nil {
		return v1.Hash{}, err
	}
	defer collection.Close()
	return s.putBlob(ctx, data)
}

// putBlob is PutBlob for who holds the collection lock.
func (s *Store) putBlob(ctx context.Context, data []byte) (v1.Hash, error) {
	sum := sha256.Sum256(data)
	h := v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(sum[:])}
	return h, s.ingest(ctx, h, int64(len(data)), bytes.NewReader(data))
}

// ingest stores what r reads, which must hash to h and be size bytes long.
func (s *Store) ingest(ctx context.Context, h v1.Hash, size int64, r io.Reader) error {
	return s.ingestWith(ctx, h, size, r, func() error { return nil })
}

// ingestWith is ingest, and asks once more before the blob gets its name.
func (s *Store) ingestWith(ctx context.Context, h v1.Hash, size int64, r io.Reader, allowed func() error) error {
	path, err := s.blobPath(h)
	if err != nil {
		return err
	}
	if ok, err := s.hasBlob(ctx, h, size); ok || err != nil {
		return err
	}
	f, err := os.CreateTemp(s.path("tmp"), "blob-")
	if err != nil {
		return fmt.Errorf("storing blob %s: %w", h, err)
	}
	sum := sha256.New()
	// One byte more than there should be tells a long blob from a right one.
	n, err := io.Copy(io.MultiWriter(f, sum), io.LimitReader(contextReader{ctx, r}, size+1))
	if err != nil {
		return discard(f, fmt.Errorf("storing blob %s: %w", h, err))
	}
	if err := checkBlob(h, size, sum, n); err != nil {
		return discard(f, err)
	}
	if err := allowed(); err != nil {
		return discard(f, err)
	}
	if err := s.settle(f, path); err != nil {
		return fmt.Errorf("storing blob %s: %w", h, err)
	}
	return nil
}

// errSize says that a blob is longer or shorter than its descriptor says.
var errSize = errors.New("blob has another size")

func checkBlob(h v1.Hash, size int64, sum hash.Hash, n int64) error {
	if n < size {
		return fmt.Errorf("blob %s: %w: it ends after %d of %d bytes", h, errSize, n, size)
	}
	if n > size {
		return fmt.Errorf("blob %s: %w: it is longer than %d bytes", h, errSize, size)
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != h.Hex {
		return &unpack.MismatchError{What: "blob", Want: h.String(), Got: "sha256:" + got}
	}
	return nil
}

// contextReader stops reading when its context is done.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}

// Blob opens a blob. Reading it to its end returns [*unpack.MismatchError] in
// place of io.EOF when its bytes are not those the digest names. The caller
// closes it. A missing blob is [ErrNotFound].
func (s *Store) Blob(h v1.Hash) (io.ReadCloser, error) {
	path, err := s.blobPath(h)
	if err != nil {
		return nil, err
	}
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, &NotFoundError{What: "blob", Ref: h.String()}
	}
	if err != nil {
		return nil, fmt.Errorf("opening blob %s: %w", h, err)
	}
	return &verifiedBlob{file: f, want: h, sum: sha256.New()}, nil
}

type verifiedBlob struct {
	file io.ReadCloser
	want v1.Hash
	sum  hash.Hash
}

func (b *verifiedBlob) Read(p []byte) (int, error) {
	n, err := b.file.Read(p)
	b.sum.Write(p[:n])
	if err == io.EOF {
		if got := hex.EncodeToString(b.sum.Sum(nil)); got != b.want.Hex {
			err = &unpack.MismatchError{What: "blob", Want: b.want.String(), Got: "sha256:" + got}
		}
	}
	return n, err
}

func (b *verifiedBlob) Close() error { return b.file.Close() }

// ReadBlob reads a blob of at most limit bytes whole, held against its digest.
func (s *Store) ReadBlob(h v1.Hash, limit int64) ([]byte, error) {
	r, err := s.Blob(h)
	if err != nil {
		return nil, err
	}
	return readWhole(r, h, limit)
}
