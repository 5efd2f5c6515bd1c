package store

import (
	"archive/tar"
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"

	"github.com/klauspost/compress/gzip"
)

// files is the content of a source, by clean relative path.
type files interface {
	has(name string) bool
	// open opens a regular file and tells its size in bytes.
	open(name string) (io.ReadCloser, int64, error)
	close() error
}

// openFiles opens a folder, or spools a tar into the store's tmp.
func (s *Store) openFiles(ctx context.Context, source string) (files, error) {
	info, err := os.Stat(source)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		root, err := os.OpenRoot(source)
		if err != nil {
			return nil, err
		}
		return folder{root}, nil
	}
	a, err := s.spool(ctx, source)
	if err != nil {
		return nil, formatError(source, err)
	}
	return a, nil
}

// folder is a layout's folder. Links in it lead nowhere outside.
type folder struct{ root *os.Root }

func (f folder) has(name string) bool {
	info, err := f.root.Stat(name)
	return err == nil && info.Mode().IsRegular()
}

func (f folder) open(name string) (io.ReadCloser, int64, error) {
	// A FIFO would hold up whoever opens it.
	info, err := f.root.Stat(name)
	if err != nil {
		return nil, 0, err
	}
	if !info.Mode().IsRegular() {
		return nil, 0, fmt.Errorf("%s is not a regular file", name)
	}
	file, err := f.root.Open(name)
	if err != nil {
		return nil, 0, err
	}
	return file, info.Size(), nil
}

func (f folder) close() error { return f.root.Close() }

// archive is a spooled tar. Its members lie in one folder under numbers, so
// the names in the tar never become paths.
type archive struct {
	dir     string
	members map[string]string // name to file
	links   map[string]string // name to name
}

// Bounds of an archive. An image of many layers has a few hundred members.
const (
	maxMembers     = 100_000
	maxArchiveSize = 1 << 40
)

// spool reads the tar once, since gzip cannot be read out of order.
func (s *Store) spool(ctx context.Context, source string) (_ *archive, err error) {
	f, err := os.Open(source)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	plain, err := gunzip(bufio.NewReaderSize(contextReader{ctx, f}, 1<<20))
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(s.path("tmp"), "load-")
	if err != nil {
		return nil, err
	}
	a := &archive{dir: dir, members: map[string]string{}, links: map[string]string{}}
	if err := a.read(tar.NewReader(plain)); err != nil {
		return nil, errors.Join(err, a.close())
	}
	return a, nil
}

// gunzip looks at the first bytes and undoes gzip.
func gunzip(r *bufio.Reader) (io.Reader, error) {
	head, err := r.Peek(2)
	if err != nil {
		return nil, fmt.Errorf("reading the archive: %w", noEOF(err))
	}
	if head[0] != 0x1f || head[1] != 0x8b {
		return r, nil
	}
	z, err := gzip.NewReader(r)
	if err != nil {
		return nil, fmt.Errorf("reading the archive: %w", noEOF(err))
	}
	return z, nil
}

// noEOF makes the end of a file that came too soon an error that says so.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

func (a *archive) read(r *tar.Reader) error {
	var total int64
	for n := 0; ; n++ {
		hdr, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading the archive: %w", err)
		}
		if n >= maxMembers {
			return fmt.Errorf("archive has more than %d members", maxMembers)
		}
		name := path.Clean("/" + hdr.Name)[1:]
		switch hdr.Typeflag {
		case tar.TypeReg:
			if total += hdr.Size; hdr.Size < 0 || total > maxArchiveSize {
				return fmt.Errorf("archive is larger than %d bytes", int64(maxArchiveSize))
			}
			file := fmt.Sprintf("%s/%d", a.dir, n)
			if err := writeMember(file, r); err != nil {
				return fmt.Errorf("reading %q of the archive: %w", hdr.Name, err)
			}
			a.members[name] = file
		case tar.TypeSymlink:
			// Old docker links a layer that an earlier image had.
			a.links[name] = path.Clean("/" + path.Join(path.Dir(name), hdr.Linkname))[1:]
		case tar.TypeLink:
			a.links[name] = path.Clean("/" + hdr.Linkname)[1:]
		}
	}
}

func writeMember(file string, r io.Reader) error {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if _, err := io.Copy(f, r); err != nil {
		return errors.Join(err, f.Close())
	}
	return f.Close()
}

// member follows links, of which docker never chains more than one.
func (a *archive) member(name string) (string, bool) {
	for range 8 {
		if file, ok := a.members[name]; ok {
			return file, true
		}
		target, ok := a.links[name]
		if !ok {
			return "", false
		}
		name = target
	}
	return "", false
}

func (a *archive) has(name string) bool {
	_, ok := a.member(name)
	return ok
}

func (a *archive) open(name string) (io.ReadCloser, int64, error) {
	file, ok := a.member(name)
	if !ok {
		return nil, 0, fmt.Errorf("%q: %w", name, os.ErrNotExist)
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, 0, err
	}
	return f, info.Size(), nil
}

func (a *archive) close() error { return os.RemoveAll(a.dir) }
