package rootfs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/enforcer/plan"
)

// Layer is an overlay layer to make.
type Layer struct {
	// Tree is the image's unpacked tree, Dir where the layer is to be. The
	// folder above Dir must exist.
	Tree string     `json:"tree"`
	Dir  string     `json:"dir"`
	Spec plan.Layer `json:"spec"`
}

// Prepare makes the layer, whole or not at all; one that is there already is
// left as it is. Like [Look] it must run in the namespace that maps the
// tree's owners.
func Prepare(ctx context.Context, l Layer) error {
	if _, err := os.Lstat(l.Dir); err == nil {
		return nil
	}
	lock, err := alone(filepath.Dir(l.Dir))
	if err != nil {
		return fmt.Errorf("preparing the root: %w", err)
	}
	defer lock.Close()
	// Another process may have been faster.
	if _, err := os.Lstat(l.Dir); err == nil {
		return nil
	}
	temp, err := os.MkdirTemp(filepath.Dir(l.Dir), tempPrefix+"*")
	if err != nil {
		return fmt.Errorf("preparing the root: %w", err)
	}
	defer os.RemoveAll(temp)
	m := maker{tree: tree(l.Tree), dir: temp}
	if err := m.attributes("/"); err != nil {
		return fmt.Errorf("preparing the root: %w", err)
	}
	for _, e := range l.Spec.Entries {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := m.make(e); err != nil {
			return fmt.Errorf("preparing %q in the root: %w", e.Path, err)
		}
	}
	if err := os.Rename(temp, l.Dir); err != nil {
		return fmt.Errorf("preparing the root: %w", err)
	}
	return nil
}

// tempPrefix begins the names of layers that are being made.
const tempPrefix = "tmp-"

// alone keeps other processes from making a layer in the folder until the file
// that it returns is closed. What is half made there is of processes that were
// killed, and removed.
func alone(dir string) (lock *os.File, err error) {
	if lock, err = os.Open(dir); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			lock.Close()
		}
	}()
	for err = unix.EINTR; errors.Is(err, unix.EINTR); {
		err = unix.Flock(int(lock.Fd()), unix.LOCK_EX)
	}
	if err != nil {
		return nil, &os.PathError{Op: "flock", Path: dir, Err: err}
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), tempPrefix) {
			if err = os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
				return nil, err
			}
		}
	}
	return lock, nil
}

// maker fills a layer's folder.
type maker struct {
	tree tree
	dir  string
	// whiteout is one that further ones are hard links to.
	whiteout string
}

func (m *maker) make(e plan.LayerEntry) error {
	if err := m.parents(path.Dir(e.Path)); err != nil {
		return err
	}
	at := filepath.Join(m.dir, e.Path)
	switch e.Kind {
	case plan.LayerDir:
		return m.folder(e.Path)
	case plan.LayerFile:
		return os.WriteFile(at, []byte(e.Content), 0o644)
	case plan.LayerSymlink:
		return os.Symlink(e.Target, at)
	case plan.LayerWhiteout:
		return m.hide(at)
	}
	return fmt.Errorf("unknown kind %q", e.Kind)
}

// parents makes the folders above an entry.
func (m *maker) parents(dir string) error {
	at := "/"
	for element := range strings.SplitSeq(strings.Trim(dir, "/"), "/") {
		if at = path.Join(at, element); at == "/" {
			continue
		}
		if err := m.folder(at); err != nil {
			return err
		}
	}
	return nil
}

func (m *maker) folder(p string) error {
	err := os.Mkdir(filepath.Join(m.dir, p), 0o755)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return m.attributes(p)
}

// attributes gives a folder of the layer the owner and mode of the one below
// it, since in an overlay the upper one's are seen.
func (m *maker) attributes(p string) error {
	at := filepath.Join(m.dir, p)
	var stat unix.Stat_t
	err := unix.Lstat(m.tree.host(p), &stat)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) || err == nil && stat.Mode&unix.S_IFMT != unix.S_IFDIR {
		return os.Chmod(at, 0o755)
	}
	if err != nil {
		return err
	}
	if err := os.Lchown(at, int(stat.Uid), int(stat.Gid)); err != nil {
		return err
	}
	return unix.Chmod(at, stat.Mode&0o7777)
}

// hide makes a whiteout, which any user may (Linux 5.8).
func (m *maker) hide(at string) error {
	if m.whiteout != "" {
		err := os.Link(m.whiteout, at)
		if !errors.Is(err, unix.EMLINK) {
			return err
		}
	}
	m.whiteout = at
	return unix.Mknod(at, unix.S_IFCHR, int(unix.Mkdev(0, 0)))
}
