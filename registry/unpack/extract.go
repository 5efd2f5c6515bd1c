package unpack

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	securejoin "github.com/cyphar/filepath-securejoin"
	ocilayer "github.com/opencontainers/umoci/oci/layer"
)

// extraction is the work on one image: the tree and what it has used up.
type extraction struct {
	root    string
	kind    Kind
	limits  Limits
	bytes   int64
	entries int64
	opaques int64
}

// layer lays one layer over the tree.
func (x *extraction) layer(ctx context.Context, l layer) (err error) {
	s, err := openLayer(ctx, l, x.limits.Ratio)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()

	// One extractor a layer: it remembers what the layer itself made, which
	// the layer's own whiteouts must spare.
	te := ocilayer.NewTarExtractor(&ocilayer.UnpackOptions{
		OnDiskFormat: ocilayer.DirRootfs{MapOptions: ocilayer.MapOptions{Rootless: x.kind == Single}},
	})
	tr := tar.NewReader(s)
	for {
		hdr, err := tr.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return fmt.Errorf("reading the layer: %w", err)
		}
		if err := x.entry(te, hdr, tr); err != nil {
			return err
		}
	}
	return s.finish()
}

// entry checks one entry, makes it harmless and extracts it.
func (x *extraction) entry(te *ocilayer.TarExtractor, hdr *tar.Header, r io.Reader) error {
	if hdr.Typeflag == tar.TypeXGlobalHeader {
		return nil // Comments for the whole archive, as git writes them.
	}
	if err := x.charge(hdr); err != nil {
		return err
	}
	if err := checkNames(hdr, x.limits); err != nil {
		return err
	}
	clean, err := x.sanitise(hdr)
	if err != nil {
		return err
	}
	if err := x.makeParents(clean); err != nil {
		return fmt.Errorf("making the folders of %s: %w", quote(hdr.Name), err)
	}
	if err := te.UnpackEntry(x.root, clean, r); err != nil {
		return fmt.Errorf("extracting %s: %w", quote(hdr.Name), err)
	}
	return nil
}

// maxOpaques bounds opaque whiteouts: each walks the whole folder, so a layer
// of nothing else would keep a processor busy for hours.
const maxOpaques = 10_000

// charge takes the entry from the limits. A sparse file counts with the size
// that it says it has, since that much would be written.
func (x *extraction) charge(hdr *tar.Header) error {
	if err := x.count(hdr.Name); err != nil {
		return err
	}
	if filepath.Base(hdr.Name) == whiteoutOpaque {
		if x.opaques++; x.opaques > maxOpaques {
			return &LimitError{Limit: "opaque whiteouts", Max: maxOpaques, Entry: hdr.Name}
		}
	}
	if hdr.Size < 0 || hdr.Size > x.limits.Bytes-x.bytes {
		return &LimitError{Limit: LimitBytes, Max: x.limits.Bytes, Entry: hdr.Name}
	}
	x.bytes += hdr.Size
	return nil
}

// count takes one inode from the limits.
func (x *extraction) count(name string) error {
	if x.entries++; x.entries > x.limits.Entries {
		return &LimitError{Limit: "entries", Max: x.limits.Entries, Entry: name}
	}
	return nil
}

// makeParents makes the folders that the entry's name implies and no entry
// made. The extractor would make them too, but through the caller's umask,
// and uncounted.
func (x *extraction) makeParents(hdr *tar.Header) error {
	parent := filepath.Dir(filepath.Join("/", hdr.Name))
	if isWhiteout(hdr.Name) {
		return nil // What a whiteout needs is there, or there is nothing to hide.
	}
	dir, err := securejoin.SecureJoin(x.root, parent)
	if err != nil {
		return err
	}
	return x.makeFolder(dir)
}

// makeFolder makes dir, a path inside the root with no link in it. A file in
// the place of a folder gives way: the extractor would replace it too, but
// then put the file's mode on the folder.
func (x *extraction) makeFolder(dir string) error {
	info, err := os.Lstat(dir)
	switch {
	case dir == x.root:
		return err
	case err == nil && info.IsDir():
		return nil
	case err == nil:
		if err := os.Remove(dir); err != nil {
			return err
		}
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		if err := x.makeFolder(filepath.Dir(dir)); err != nil {
			return err
		}
	default:
		return err
	}
	if err := x.count(dir); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	return os.Chmod(dir, 0o755)
}
