// Package store keeps images and their artifacts in an OCI image layout.
//
// The store is a folder of the user's. Its top level is an OCI image layout
// (image-spec 1.1, image-layout.md), which any OCI tool can read, with lpm's
// own folders beside it:
//
//	oci-layout, index.json, blobs/   the layout
//	trees/<image>-<kind>/root        unpacked images
//	prepared/<key>/                  what the enforcer keeps between launches
//	launches/                        launches that can be run at once
//	volumes/<repository>/<name>/     data of containers
//	version, quota                   numbers: of this format, and of bytes
//	locks/, tmp/                     for this package alone
//
// Invariants, for several lpm processes at once and a kill at any moment:
//
//   - A blob, the index and a tree appear whole or not at all: they are
//     written under tmp, made durable and renamed into place.
//   - Whoever has something in tmp, or a blob that the index does not name
//     yet, holds the collection lock shared; Prune holds it exclusively.
//   - A tree is removed only by who holds its lock exclusively; a container
//     holds it shared for as long as it runs.
//   - Locks are taken in the order collection, tree, index, and are flocks, so
//     the kernel drops those of a dead process.
package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"github.com/least-privilege/lpm/registry/unpack"
)

// Options say what the store may use.
type Options struct {
	// RangeUnpack runs a job as id 0 of a user namespace that maps the ids
	// that [unpack.Range] asks for, and waits for it. Nil means that there is
	// no such namespace: range trees are refused with [ErrNoRange].
	RangeUnpack func(ctx context.Context, job unpack.Job) error
	// Limits bound each image that is unpacked. Zero fields mean the default.
	Limits unpack.Limits
}

// Store is an open store. Its methods may be called by several goroutines. It
// holds nothing open, so there is nothing to close.
type Store struct {
	dir  string
	opts Options
}

// Open opens the store at dir and makes it when it does not exist, for the
// caller alone. A folder that belongs to, or can be written by, someone else
// is refused with [*OwnershipError], and one of a version that is not known with
// [*VersionError]; one of an older version becomes one of this.
func Open(dir string, o Options) (*Store, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("opening the store: %w", err)
	}
	s := &Store{dir: dir, opts: o}
	for _, d := range []string{"", "blobs/sha256", "trees", "prepared", "volumes", "locks", "tmp"} {
		if err := os.MkdirAll(s.path(d), 0o700); err != nil {
			return nil, fmt.Errorf("making the store: %w", err)
		}
	}
	if err := checkOwner(dir); err != nil {
		return nil, err
	}
	if err := s.initLayout(); err != nil {
		return nil, fmt.Errorf("making the store: %w", err)
	}
	if err := s.upgrade(); err != nil {
		return nil, fmt.Errorf("opening the store: %w", err)
	}
	return s, nil
}

// layoutVersion is the content of the file oci-layout.
const layoutVersion = `{"imageLayoutVersion":"1.0.0"}`

// initLayout writes the two files of an empty layout where they are missing.
func (s *Store) initLayout() error {
	if _, err := os.Stat(s.path("index.json")); err == nil {
		return nil
	}
	ctx := context.Background()
	collection, err := s.lock(ctx, lockCollection, shared)
	if err != nil {
		return err
	}
	defer collection.Close()
	lock, err := s.lock(ctx, lockIndex, exclusive)
	if err != nil {
		return err
	}
	defer lock.Close()
	if _, err := os.Stat(s.path("index.json")); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := s.replaceFile("oci-layout", []byte(layoutVersion)); err != nil {
		return err
	}
	if err := s.replaceFile(versionFile, fmt.Appendln(nil, version)); err != nil {
		return err
	}
	return s.writeIndex(newIndex())
}

// Dir is the store's folder, an OCI image layout.
func (s *Store) Dir() string { return s.dir }

// path is the path of something in the store.
func (s *Store) path(elem ...string) string {
	return filepath.Join(append([]string{s.dir}, elem...)...)
}

// checkOwner refuses a store that someone else could change under lpm.
func checkOwner(dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return fmt.Errorf("opening the store: %w", err)
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return fmt.Errorf("opening the store: no owner known for %s", dir)
	}
	if int(st.Uid) != os.Geteuid() {
		return &OwnershipError{Dir: dir, Problem: fmt.Sprintf("belongs to uid %d", st.Uid)}
	}
	if info.Mode().Perm()&0o022 != 0 {
		return &OwnershipError{Dir: dir, Problem: fmt.Sprintf("can be written by others (mode %04o)", info.Mode().Perm())}
	}
	return nil
}
