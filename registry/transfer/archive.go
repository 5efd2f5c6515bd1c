package transfer

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sys/unix"
)

// Archive is an OCI image layout in a new tar, as a destination.
type Archive struct {
	*Folder
	path string
}

// NewArchive returns a layout in a tar, which must not be there. Until it is
// finished it is a hidden folder beside the tar, which Close removes.
func NewArchive(path string, names Names) (*Archive, error) {
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return nil, errors.Join(&fs.PathError{Op: "create", Path: path, Err: fs.ErrExist}, err)
	}
	dir, err := os.MkdirTemp(filepath.Dir(path), "."+filepath.Base(path)+newPrefix)
	if err != nil {
		return nil, err
	}
	f, err := NewFolder(dir, names)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return &Archive{f, path}, nil
}

// Close removes what is left of a tar in the making.
func (a *Archive) Close() error { return os.RemoveAll(a.dir) }

// Finish implements [Destination]. The same image makes the same tar.
func (a *Archive) Finish(ctx context.Context, root v1.Descriptor, raw []byte) error {
	if err := a.Folder.Finish(ctx, root, raw); err != nil {
		return err
	}
	temp, err := os.CreateTemp(a.dir, ".tar-")
	if err != nil {
		return fmt.Errorf("writing the archive: %w", err)
	}
	err = a.pack(ctx, temp)
	if err != nil {
		return errors.Join(fmt.Errorf("writing the archive: %w", err), temp.Close())
	}
	if err := errors.Join(temp.Chmod(0o644), temp.Sync(), temp.Close()); err != nil {
		return fmt.Errorf("writing the archive: %w", err)
	}
	// Unlike a renaming this replaces nothing that has come meanwhile.
	err = unix.Renameat2(unix.AT_FDCWD, temp.Name(), unix.AT_FDCWD, a.path, unix.RENAME_NOREPLACE)
	if errors.Is(err, unix.EINVAL) { // the filesystem cannot do that
		err = os.Link(temp.Name(), a.path)
	}
	if err != nil {
		return &fs.PathError{Op: "create", Path: a.path, Err: err}
	}
	return nil
}

// pack writes the layout's files in the order of their names, of which none
// tells a time or an owner.
func (a *Archive) pack(ctx context.Context, w io.Writer) error {
	out := tar.NewWriter(w)
	blobs, err := filepath.Glob(filepath.Join(a.dir, blobsFolder, "sha256", "[0-9a-f]*"))
	if err != nil {
		return err
	}
	files := append([]string{filepath.Join(a.dir, layoutFile), filepath.Join(a.dir, indexFile)}, blobs...)
	for _, name := range files {
		if err := a.add(ctx, out, name); err != nil {
			return err
		}
	}
	return out.Close()
}

func (a *Archive) add(ctx context.Context, out *tar.Writer, name string) error {
	file, err := os.Open(name)
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	inside, err := filepath.Rel(a.dir, name)
	if err != nil {
		return err
	}
	if err := out.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: inside, Size: info.Size(), Mode: 0o644, Format: tar.FormatPAX}); err != nil {
		return err
	}
	_, err = io.Copy(out, ended{ctx, file})
	return err
}
