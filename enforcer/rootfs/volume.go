package rootfs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Volume is the folder of a volume that may be new.
type Volume struct {
	// Tree is the image's unpacked tree, Path the volume's place in it.
	Tree string `json:"tree"`
	Path string `json:"path"`
	// Dir is the volume's folder, UID and GID who owns it where the image
	// has no such folder.
	Dir string `json:"dir"`
	UID int    `json:"uid"`
	GID int    `json:"gid"`
}

// ready is the name, beside a volume's folder, of what tells that the volume
// has been filled.
const ready = ".ready"

// Fill gives a new volume the owner, mode and content of the image's folder,
// as container engines do: a database finds its first files there. A volume
// that has been filled is left alone, and one whose filling was interrupted is
// filled once more. Like [Look] it must run in the namespace that maps the
// tree's owners.
func Fill(ctx context.Context, v Volume) error {
	mark := v.Dir + ready
	if _, err := os.Lstat(mark); err == nil {
		return nil
	}
	// One at a time: whoever finds the volume filled may start a container,
	// which could put links in the way of another that still fills it.
	dir, err := os.Open(v.Dir)
	if err != nil {
		return fmt.Errorf("filling the volume for %s: %w", v.Path, err)
	}
	defer dir.Close()
	if err := unix.Flock(int(dir.Fd()), unix.LOCK_EX); err != nil {
		return fmt.Errorf("waiting for the volume for %s: %w", v.Path, err)
	}
	if _, err := os.Lstat(mark); err == nil {
		return nil
	}
	t := tree(v.Tree)
	from, err := t.real(v.Path)
	if err != nil {
		return err
	}
	if err := t.fill(ctx, from, v); err != nil {
		return fmt.Errorf("filling the volume for %s: %w", v.Path, err)
	}
	return os.WriteFile(mark, nil, 0o600)
}

func (t tree) fill(ctx context.Context, from string, v Volume) error {
	source := t.host(from)
	info, err := os.Lstat(source)
	if errors.Is(err, fs.ErrNotExist) {
		return errors.Join(os.Lchown(v.Dir, v.UID, v.GID), os.Chmod(v.Dir, 0o755))
	}
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return errors.New("the image has a file there")
	}
	return filepath.WalkDir(source, func(name string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		rel, err := filepath.Rel(source, name)
		if err != nil {
			return err
		}
		return copyEntry(name, filepath.Join(v.Dir, rel))
	})
}

// copyEntry copies a folder without its content, a file or a link, with owner
// and mode. Trees hold nothing else.
func copyEntry(from, to string) error {
	var stat unix.Stat_t
	if err := unix.Lstat(from, &stat); err != nil {
		return &fs.PathError{Op: "lstat", Path: from, Err: err}
	}
	switch stat.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		if err := os.MkdirAll(to, 0o700); err != nil {
			return err
		}
	case unix.S_IFREG:
		if err := copyFile(from, to); err != nil {
			return err
		}
	case unix.S_IFLNK:
		target, err := os.Readlink(from)
		if err != nil {
			return err
		}
		if err := os.Symlink(target, to); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		return os.Lchown(to, int(stat.Uid), int(stat.Gid))
	default:
		return nil
	}
	return errors.Join(os.Lchown(to, int(stat.Uid), int(stat.Gid)), unix.Chmod(to, stat.Mode&0o7777))
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}
