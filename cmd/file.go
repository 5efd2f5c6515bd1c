package cmd

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// readBounded reads a file of at most so many bytes, and one more: whoever
// decodes it refuses what is too large.
func readBounded(name string, most int64) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, most+1))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	return data, nil
}

// writeFile writes a result to a file that a person has named: all of it, or
// what was there before stays. A file that is no regular one, such as a terminal
// or a pipe, is written to as it is.
func writeFile(name string, data []byte) error {
	name, mode, err := destination(name)
	if err != nil {
		return err
	}
	if !mode.IsRegular() {
		return os.WriteFile(name, data, 0)
	}
	unfinished := filepath.Join(filepath.Dir(name), fmt.Sprintf(".%s.%d", filepath.Base(name), os.Getpid()))
	f, err := os.OpenFile(unfinished, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if errors.Is(err, fs.ErrPermission) {
		return os.WriteFile(name, data, 0) // the file may be changed, its folder not
	}
	if err != nil {
		return err
	}
	if _, err = f.Write(data); err == nil && mode.Perm() != 0 {
		err = f.Chmod(mode.Perm())
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(unfinished, name)
	}
	if err != nil {
		_ = os.Remove(unfinished)
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// destination returns where a file is that a name leads to, and its mode, which
// is 0 of one that is not there.
func destination(name string) (string, fs.FileMode, error) {
	if real, err := filepath.EvalSymlinks(name); err == nil {
		name = real
	}
	info, err := os.Stat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return name, 0, nil
	case err != nil:
		return "", 0, err
	case info.IsDir():
		return "", 0, fmt.Errorf("%s is a folder", name)
	}
	return name, info.Mode(), nil
}

// writableFiles refuses files that cannot be written to, before the work whose
// results they are to have. Empty names are none.
func writableFiles(names ...string) error {
	seen := map[string]string{}
	for _, given := range names {
		if given == "" {
			continue
		}
		name, mode, err := destination(given)
		if err != nil {
			return err
		}
		if full, err := filepath.Abs(name); err == nil && mode.IsRegular() {
			if before, twice := seen[full]; twice {
				return usagef("", "%s and %s are the same file", before, given)
			}
			seen[full] = given
		}
		place := name
		if _, err := os.Lstat(name); errors.Is(err, fs.ErrNotExist) {
			place = filepath.Dir(name)
		}
		if err := unix.Access(place, unix.W_OK); err != nil {
			return &os.PathError{Op: "write to", Path: place, Err: err}
		}
	}
	return nil
}
