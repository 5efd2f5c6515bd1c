package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
)

const (
	// versionFile holds the version of the store's own format, as decimal
	// digits. The OCI layout in it has a version of its own.
	versionFile = "version"
	// version is the one that this package reads and writes. Stores without a
	// file are of version 1.
	version = 2
)

// VersionError is returned for a store of a version that this lpm does not know.
type VersionError struct {
	Dir       string
	Has, Know int64
}

func (e *VersionError) Error() string {
	return fmt.Sprintf("store %s is of version %d, and this lpm knows versions up to %d", e.Dir, e.Has, e.Know)
}

// Hint says what a person can do about it.
func (*VersionError) Hint() string {
	return "use the newer lpm that made it, or another store: XDG_DATA_HOME=FOLDER"
}

// upgrade brings a store of an older version to this one, a version at a time. A
// kill in between leaves a store of one of the versions.
func (s *Store) upgrade() error {
	has, err := s.version()
	if err != nil || has == version {
		return err
	}
	if has > version || has < 1 {
		return &VersionError{Dir: s.dir, Has: has, Know: version}
	}
	ctx := context.Background()
	collection, err := s.lock(ctx, lockCollection, exclusive)
	if err != nil {
		return err
	}
	defer collection.Close()
	// Another process may have been faster.
	for has, err = s.version(); err == nil && has < version; has++ {
		if err = s.upgradeFrom(ctx, has); err != nil {
			return fmt.Errorf("from version %d: %w", has, err)
		}
		if err = s.replaceFile(versionFile, fmt.Appendln(nil, has+1)); err != nil {
			return fmt.Errorf("from version %d: %w", has, err)
		}
	}
	return err
}

func (s *Store) version() (int64, error) {
	n, err := readNumber(s.path(versionFile))
	if errors.Is(err, fs.ErrNotExist) {
		return 1, nil
	}
	return n, err
}

// upgradeFrom makes a store of one version one of the next, as often as it is
// called.
func (s *Store) upgradeFrom(ctx context.Context, from int64) error {
	if from != 1 {
		return nil
	}
	// Trees say how large they are, for the quota.
	trees, err := os.ReadDir(s.path("trees"))
	if err != nil {
		return err
	}
	for _, tree := range trees {
		size, err := sizeBelow(ctx, s.path("trees", tree.Name(), treeRoot))
		if err != nil {
			return err
		}
		if err := os.WriteFile(s.path("trees", tree.Name(), sizeFile), []byte(strconv.FormatInt(size, 10)+"\n"), 0o600); err != nil {
			return err
		}
	}
	return nil
}
