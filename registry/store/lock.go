package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// The store's own locks; those of trees are named after them.
const (
	// lockCollection keeps Prune from what is being added.
	lockCollection = "collection"
	// lockIndex serialises changes of index.json.
	lockIndex = "index"
)

type lockMode int

const (
	shared    lockMode = unix.LOCK_SH
	exclusive lockMode = unix.LOCK_EX
)

// errLocked says that tryLock found the lock held.
var errLocked = errors.New("in use by another process")

// fileLock is a held flock. Close drops it, unless a duplicate of the
// descriptor lives on in another process.
type fileLock struct {
	file *os.File
}

func (l *fileLock) Close() error { return l.file.Close() }

// lockPath is the file of the lock name.
func (s *Store) lockPath(name string) string { return s.path("locks", name) }

// lock takes the lock name, and waits for it until ctx is done.
func (s *Store) lock(ctx context.Context, name string, mode lockMode) (*fileLock, error) {
	return s.lockWith(name, func(f *os.File) error { return waitFlock(ctx, f, mode) })
}

// tryLock is lock without waiting; it returns errLocked where lock would.
func (s *Store) tryLock(name string, mode lockMode) (*fileLock, error) {
	return s.lockWith(name, func(f *os.File) error { return tryFlock(f, mode) })
}

func (s *Store) lockWith(name string, take func(*os.File) error) (*fileLock, error) {
	path := s.lockPath(name)
	for {
		f, err := openLock(path)
		if err != nil {
			return nil, fmt.Errorf("locking %s: %w", name, err)
		}
		if err := take(f); err != nil {
			f.Close()
			return nil, fmt.Errorf("locking %s: %w", name, err)
		}
		// Who removes a lock file holds it exclusively. A lock got after
		// that is on a file nobody else will find.
		same, err := sameFile(f, path)
		if err == nil && same {
			return &fileLock{file: f}, nil
		}
		f.Close()
		if err != nil {
			return nil, fmt.Errorf("locking %s: %w", name, err)
		}
	}
}

func openLock(path string) (*os.File, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	return os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
}

func sameFile(f *os.File, path string) (bool, error) {
	a, err := f.Stat()
	if err != nil {
		return false, err
	}
	b, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return os.SameFile(a, b), nil
}

func tryFlock(f *os.File, mode lockMode) error {
	for {
		err := unix.Flock(int(f.Fd()), int(mode)|unix.LOCK_NB)
		switch {
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.EWOULDBLOCK):
			return errLocked
		default:
			return err
		}
	}
}

// waitFlock polls: a blocking flock cannot be called off when ctx is done.
func waitFlock(ctx context.Context, f *os.File, mode lockMode) error {
	const longest = 50 * time.Millisecond
	for pause := time.Millisecond; ; pause = min(2*pause, longest) {
		err := tryFlock(f, mode)
		if !errors.Is(err, errLocked) {
			return err
		}
		select {
		case <-ctx.Done():
			return errors.Join(errLocked, ctx.Err())
		case <-time.After(pause):
		}
	}
}
