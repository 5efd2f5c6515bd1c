package ablation

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/analyzer/prove/journal"
)

// Lock keeps other processes from a work folder.
type Lock struct {
	folder *os.File
	// made is the folder's path where it was not there before.
	made string
}

// NewLock makes the work folder where it is missing, and locks it until the
// lock is closed or this process ends. It returns a [*FolderError] where
// another process has it. On a filesystem without locks for folders it locks
// nothing: the journal has a lock of its own.
func NewLock(dir string) (*Lock, error) {
	l := &Lock{}
	err := os.MkdirAll(filepath.Dir(dir), 0o755)
	if err == nil {
		if err = os.Mkdir(dir, 0o755); err == nil {
			l.made = dir
		}
	}
	if err != nil && !errors.Is(err, os.ErrExist) {
		return nil, fmt.Errorf("making the work folder: %w", err)
	}
	if l.folder, err = os.Open(dir); err != nil {
		return nil, fmt.Errorf("opening the work folder: %w", err)
	}
	if err := unix.Flock(int(l.folder.Fd()), unix.LOCK_EX|unix.LOCK_NB); errors.Is(err, unix.EWOULDBLOCK) {
		return nil, errors.Join(&FolderError{dir, journal.ErrInUse}, l.folder.Close())
	}
	return l, nil
}

// Close ends the lock, and removes the folder if it was made for it and nothing
// has come into it.
func (l *Lock) Close() error {
	if l.made != "" {
		_ = os.Remove(l.made) // ENOTEMPTY where there is something
	}
	return l.folder.Close()
}
