// Package rootfs makes an image's unpacked tree ready to be a root.
//
// [Look] finds what a plan needs to know of the tree, [Prepare] makes the
// overlay layer that a plan describes. The tree belongs to lpm and does not
// change, but its content is hostile: every path is resolved inside it, and
// only regular files are read, up to a bound.
package rootfs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"unicode/utf8"

	securejoin "github.com/cyphar/filepath-securejoin"
	"golang.org/x/sys/unix"
)

// tree is the root folder of an unpacked image.
type tree string

// real follows the symbolic links of a path inside the tree. A path that does
// not exist comes back as where it would be made.
func (t tree) real(p string) (string, error) {
	joined, err := securejoin.SecureJoin(string(t), p)
	if err != nil {
		return "", fmt.Errorf("resolving %q in the image: %w", p, err)
	}
	rel, err := filepath.Rel(string(t), joined)
	if err != nil || rel == ".." || strings.HasPrefix(rel, "../") {
		return "", fmt.Errorf("resolving %q in the image: it leads outside", p)
	}
	// It passes from process to process as JSON, which would change it.
	if !utf8.ValidString(rel) {
		return "", fmt.Errorf("resolving %q in the image: it leads to %q, a name that is not UTF-8", p, rel)
	}
	return path.Join("/", rel), nil
}

// host returns where a real path of the tree is on the host.
func (t tree) host(real string) string { return filepath.Join(string(t), real) }

// openRegular opens a regular file for reading. A fifo or device in its place
// is an error and is not waited for.
func (t tree) openRegular(p string) (*os.File, error) {
	root, err := unix.Open(string(t), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: p, Err: err}
	}
	defer unix.Close(root)
	fd, err := unix.Openat2(root, p, &unix.OpenHow{
		Flags:   unix.O_RDONLY | unix.O_NONBLOCK | unix.O_NOCTTY | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS,
	})
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: p, Err: err}
	}
	f := os.NewFile(uintptr(fd), p)
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = &fs.PathError{Op: "open", Path: p, Err: errors.New("not a regular file")}
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// read returns at most limit bytes of a regular file, and nothing where there
// is none.
func (t tree) read(p string, limit int64) ([]byte, error) {
	f, err := t.openRegular(p)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, limit))
}
