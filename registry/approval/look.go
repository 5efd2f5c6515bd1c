package approval

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// lookedPrefix begins the names of files that say when a registry was asked.
const lookedPrefix = "looked-"

// Look notes that a registry was asked for decisions on an image.
func (l Ledger) Look(repository string, image v1.Hash, now time.Time) error {
	dir, err := l.dir(repository)
	if err != nil {
		return fmt.Errorf("noting when a registry was asked: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("noting when a registry was asked: %w", err)
	}
	if err := replaceFile(filepath.Join(dir, lookedPrefix+image.Hex), []byte(formatTime(now)+"\n")); err != nil {
		return fmt.Errorf("noting when a registry was asked: %w", err)
	}
	return nil
}

// Looked returns when a registry was last asked for decisions on an image; zero
// is never, or not known.
func (l Ledger) Looked(repository string, image v1.Hash) (time.Time, error) {
	dir, err := l.dir(repository)
	if err != nil {
		return time.Time{}, fmt.Errorf("reading when a registry was asked: %w", err)
	}
	content, err := readEntry(filepath.Join(dir, lookedPrefix+image.Hex))
	if errors.Is(err, fs.ErrNotExist) {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("reading when a registry was asked: %w", err)
	}
	at, err := parseTime(string(content[:max(len(content)-1, 0)]))
	if err != nil {
		return time.Time{}, nil //nolint:nilerr // a damaged note is none
	}
	return at, nil
}
