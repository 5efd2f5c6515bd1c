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
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sys/unix"
)

// Archive is an OCI image layout in a new tar, as a destination.
type Archive struct {
	*Folder
	path string
	// held keeps others from taking the folder for one that was left behind.
	held *os.File
}

// NewArchive returns a layout in a tar, which must not be there. Until it is
// finished it is a hidden folder beside the tar, which Close removes. What
// processes that were killed have left of the same tar is removed now.
func NewArchive(path string, names Names) (*Archive, error) {
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return nil, errors.Join(&fs.PathError{Op: "create", Path: path, Err: fs.ErrExist}, err)
	}
	inMaking := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+newPrefix)
	removeLeft(inMaking)
	dir, err := os.MkdirTemp(filepath.Dir(path), filepath.Base(inMaking))
	if err != nil {
		return nil, err
	}
	held, err := holdFolder(dir)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	f, err := NewFolder(dir, names)
	if err != nil {
		return nil, errors.Join(err, held.Close(), os.RemoveAll(dir))
	}
	return &Archive{f, path, held}, nil
}

// young is how old a folder is at least that is taken for one left behind: who
// makes one holds it a moment later.
const young = time.Minute

// removeLeft removes folders that nobody holds any more. What cannot be removed
// is of no harm.
func removeLeft(beginning string) {
	siblings, err := os.ReadDir(filepath.Dir(beginning))
	if err != nil {
		return
	}
	for _, s := range siblings {
		info, err := s.Info()
		if err != nil || !s.IsDir() || !strings.HasPrefix(s.Name(), filepath.Base(beginning)) || time.Since(info.ModTime()) < young {
			continue
		}
		dir := filepath.Join(filepath.Dir(beginning), s.Name())
		if held, err := holdFolder(dir); err == nil {
			_ = os.RemoveAll(dir)
			_ = held.Close()
		}
	}
}

// holdFolder holds a folder for as long as this process lives, or fails where
// another holds it. The lock is on a file in it: that on the folder itself is
// for those who change its index.
func holdFolder(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, newPrefix+"held"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if err != nil && !errors.Is(err, unix.EOPNOTSUPP) {
		f.Close()
		return nil, &fs.PathError{Op: "lock", Path: dir, Err: err}
	}
	return f, nil
}

// Close removes what is left of a tar in the making.
func (a *Archive) Close() error { return errors.Join(os.RemoveAll(a.dir), a.held.Close()) }

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
