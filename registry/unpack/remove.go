package unpack

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// removeTree deletes path. Folders without rwx for their owner, which keep an
// ordinary user from removing what is his, are opened first.
func removeTree(ctx context.Context, path string) error {
	err := os.RemoveAll(path)
	if err == nil {
		return nil
	}
	if !errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("removing the tree: %w", err)
	}
	if err := openFolders(ctx, path); err != nil {
		return fmt.Errorf("removing the tree: %w", err)
	}
	if err := os.RemoveAll(path); err != nil {
		return fmt.Errorf("removing the tree: %w", err)
	}
	return nil
}

// openFolders gives the owner rwx on every folder beneath path. It works
// through an [os.Root], so no link can lead it elsewhere.
func openFolders(ctx context.Context, path string) error {
	if err := os.Chmod(path, 0o700); err != nil {
		return err
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		return err
	}
	defer root.Close()
	var open func(dir string) error
	open = func(dir string) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		d, err := root.Open(dir)
		if err != nil {
			return err
		}
		entries, err := d.ReadDir(-1)
		d.Close()
		if err != nil {
			return err
		}
		for _, e := range entries {
			if !e.IsDir() {
				continue
			}
			name := filepath.Join(dir, e.Name())
			if err := root.Chmod(name, 0o700); err != nil {
				return err
			}
			if err := open(name); err != nil {
				return err
			}
		}
		return nil
	}
	return open(".")
}
