package unpack

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"os"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// maxWindow bounds the memory that a zstd layer makes its reader take, in
// bytes. It is what zstd's own command line allows without being asked.
const maxWindow = 128 << 20

// stream reads a layer's tar stream out of its blob, hashing both. Close it
// after use; the digests count only after finish.
type stream struct {
	io.Reader
	ctx      context.Context
	file     *os.File
	raw      io.Reader // the blob, hashed
	closers  []func()
	blobHash hash.Hash
	diffHash hash.Hash
	size     int64 // bytes of tar stream so far
	max      int64 // bytes of tar stream allowed
	ratio    int64
	layer    layer
}

// openLayer opens l for reading. The size is bounded by its blob's.
func openLayer(ctx context.Context, l layer, ratio int64) (*stream, error) {
	f, err := os.Open(l.path)
	if err != nil {
		return nil, fmt.Errorf("opening the blob: %w", err)
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("opening the blob: %w", err)
	}
	s := &stream{ctx: ctx, file: f, layer: l, blobHash: sha256.New(), diffHash: sha256.New(), ratio: ratio}
	s.max = max(ratioFree, info.Size()*ratio)
	s.raw = io.TeeReader(bufio.NewReaderSize(counted{f, l.read}, 1<<20), s.blobHash)
	plain, err := s.decompress(l.desc.MediaType)
	if err != nil {
		s.Close()
		return nil, err
	}
	s.Reader = &bounded{s: s, r: io.TeeReader(plain, s.diffHash)}
	return s, nil
}

// counted tells how many bytes were read.
type counted struct {
	io.Reader
	read func(n int)
}

func (c counted) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	if c.read != nil {
		c.read(n)
	}
	return n, err
}

// decompress picks the decompression by media type. The types are those of
// the OCI image specification 1.1 and of Docker's schema 2.
func (s *stream) decompress(t types.MediaType) (io.Reader, error) {
	switch t {
	case types.OCIUncompressedLayer, types.DockerUncompressedLayer, types.OCIUncompressedRestrictedLayer:
		return s.raw, nil
	case types.OCILayer, types.DockerLayer, types.OCIRestrictedLayer, types.DockerForeignLayer:
		z, err := gzip.NewReader(s.raw)
		if err != nil {
			return nil, fmt.Errorf("reading gzip: %w", err)
		}
		return z, nil
	case types.OCILayerZStd:
		z, err := zstd.NewReader(s.raw, zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderConcurrency(1))
		if err != nil {
			return nil, fmt.Errorf("reading zstd: %w", err)
		}
		s.closers = append(s.closers, z.Close)
		return z, nil
	default:
		return nil, fmt.Errorf("layer has the unknown media type %q", t)
	}
}

// bounded counts the tar stream, and ends it when it has grown too far or the
// context is done.
type bounded struct {
	s *stream
	r io.Reader
}

func (b *bounded) Read(p []byte) (int, error) {
	if err := b.s.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := b.r.Read(p)
	b.s.size += int64(n)
	if b.s.size > b.s.max {
		return 0, &LimitError{Limit: "times its compressed size", Max: b.s.ratio}
	}
	return n, err
}

// finish reads what the tar reader left (padding, trailing blocks) and holds
// the layer against its digest and its diff_id.
func (s *stream) finish() error {
	if _, err := io.Copy(io.Discard, s.Reader); err != nil {
		return fmt.Errorf("reading the layer to its end: %w", err)
	}
	if _, err := io.Copy(io.Discard, s.raw); err != nil {
		return fmt.Errorf("reading the blob to its end: %w", err)
	}
	if err := match("blob", s.layer.desc.Digest, s.blobHash); err != nil {
		return err
	}
	return match("diff_id", s.layer.diffID, s.diffHash)
}

func match(what string, want v1.Hash, h hash.Hash) error {
	got := v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(h.Sum(nil))}
	if got != want {
		return &MismatchError{What: what, Want: want.String(), Got: got.String()}
	}
	return nil
}

// Close releases the blob and the decompressor.
func (s *stream) Close() error {
	for _, c := range s.closers {
		c()
	}
	return s.file.Close()
}
