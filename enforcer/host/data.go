package host

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// room is what should be free where images are unpacked, in bytes.
const room = 1 << 30

// place returns the data folder or, where it has not been made yet, the
// folder above it that is there.
func (i *inspection) place() (string, error) {
	for dir := filepath.Clean(i.data); ; dir = filepath.Dir(dir) {
		_, err := os.Stat(dir)
		if err == nil || !errors.Is(err, fs.ErrNotExist) || dir == filepath.Dir(dir) {
			return dir, err
		}
	}
}

// temporary makes a folder where the data folder is, or would be.
func (i *inspection) temporary() (string, error) {
	dir, err := i.place()
	if err != nil {
		return "", err
	}
	return os.MkdirTemp(dir, ".lpm-doctor-*")
}

func (i *inspection) findData(_ context.Context, f Finding) Finding {
	dir, err := i.temporary()
	if err == nil {
		f.Detail = i.data
		return f.settle(true, os.Remove(dir))
	}
	f.Detail, f.Hint = err.Error(), "set XDG_DATA_HOME to a folder that you may write to"
	switch {
	case errors.Is(err, fs.ErrPermission), errors.Is(err, unix.EROFS), errors.Is(err, unix.ENOTDIR):
		return f.settle(false, nil)
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT):
		f.Hint = "free some space, with lpm prune for one, or set XDG_DATA_HOME to a folder elsewhere"
		return f.settle(false, nil)
	}
	return f.settle(false, err)
}

func (i *inspection) findSpace(_ context.Context, f Finding) Finding {
	dir, err := i.place()
	if err != nil {
		return f.settle(false, err)
	}
	var stat unix.Statfs_t
	if err := unix.Statfs(dir, &stat); err != nil {
		return f.settle(false, fmt.Errorf("asking for the space in %s: %w", dir, err))
	}
	free := stat.Bavail * uint64(stat.Bsize)
	f.Detail = fmt.Sprintf("%d MiB are free, %d should be", free>>20, room>>20)
	f.Hint = "free some space, with lpm prune for one, or set XDG_DATA_HOME to a folder elsewhere"
	return f.settle(free >= room, nil)
}
