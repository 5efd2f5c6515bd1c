package store

import (
	"fmt"
	"os"
	"path/filepath"
)

// replaceFile writes the store's file name so that a reader, and whoever
// comes after a kill or a power cut, finds either the old or the new content.
func (s *Store) replaceFile(name string, data []byte) error {
	f, err := os.CreateTemp(s.path("tmp"), "file-")
	if err != nil {
		return err
	}
	if _, err := f.Write(data); err != nil {
		return discard(f, err)
	}
	return s.settle(f, s.path(name))
}

// settle makes the temporary file durable and gives it its name. The file is
// closed, and on failure removed.
func (s *Store) settle(f *os.File, path string) error {
	if err := f.Sync(); err != nil {
		return discard(f, err)
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return discard(f, err)
	}
	if err := f.Close(); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// discard closes and removes a temporary file that came to nothing. What is
// left over is Prune's to remove.
func discard(f *os.File, cause error) error {
	f.Close()
	os.Remove(f.Name())
	return cause
}

// syncDir makes the names in dir durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		return fmt.Errorf("syncing %s: %w", dir, err)
	}
	return nil
}
