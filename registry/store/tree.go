package store

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/registry/unpack"
)

// TreeKind says whose the files of a tree are.
type TreeKind = unpack.Kind

const (
	// Single trees belong to the caller whole.
	Single = unpack.Single
	// Range trees keep their owners through a subordinate range of ids.
	Range = unpack.Range
)

// Tree is an unpacked image in use. It is read-only by agreement: containers
// of one image share it.
type Tree struct {
	// Path is the image's root folder.
	Path string
	lock *fileLock
}

// LockFile is the descriptor that keeps Prune from the tree. A lock belongs
// to the open file, so a process that inherits the descriptor keeps the tree
// in place after the caller has closed or died. The Tree owns it.
func (t *Tree) LockFile() *os.File { return t.lock.file }

// Close lets the tree go. Nothing may use Path after it.
func (t *Tree) Close() error { return t.lock.Close() }

// treeRoot is the folder of a tree that holds the image's root; beside it
// there is room for what the store wants to know of it.
const treeRoot = "root"

// treeName is the name of the image's tree, and of its lock.
func treeName(image v1.Hash, kind TreeKind) string {
	return image.Hex + "-" + string(kind)
}

func treeLock(name string) string { return "tree-" + name }

// Tree unpacks the image unless that was done before, and returns the tree
// with a lock on it that lasts until Close. Another process that is unpacking
// the same tree is waited for.
//
// Errors: [ErrNoRange]; those of [unpack.Run]; the context's.
func (s *Store) Tree(ctx context.Context, img Image, kind TreeKind) (*Tree, error) {
	return s.TreeWith(ctx, img, kind, nil)
}

// TreeWith is Tree. Where a tree is unpacked, progress is told how many bytes of
// the layers, as they are stored, are done.
func (s *Store) TreeWith(ctx context.Context, img Image, kind TreeKind, progress func(done, total int64)) (*Tree, error) {
	if kind != Single && kind != Range {
		return nil, fmt.Errorf("unpacking %s: unknown kind of tree %q", img.ref(), kind)
	}
	if _, err := s.blobPath(img.Digest); err != nil {
		return nil, err
	}
	name := treeName(img.Digest, kind)
	for {
		lock, err := s.lock(ctx, treeLock(name), shared)
		if err != nil {
			return nil, err
		}
		if _, err := os.Stat(s.path("trees", name)); err == nil {
			return &Tree{Path: s.path("trees", name, treeRoot), lock: lock}, nil
		} else if !errors.Is(err, os.ErrNotExist) {
			lock.Close()
			return nil, fmt.Errorf("opening the tree of %s: %w", img.ref(), err)
		}
		// Dropped, not changed: the collection lock comes first in order.
		lock.Close()
		if err := s.makeTree(ctx, img, kind, progress); err != nil {
			return nil, fmt.Errorf("unpacking %s: %w", img.ref(), err)
		}
		// Prune may have been faster than the next turn's lock; then again.
	}
}

// makeTree unpacks the image's tree, unless another process has.
func (s *Store) makeTree(ctx context.Context, img Image, kind TreeKind, progress func(done, total int64)) error {
	if kind == Range && s.opts.RangeUnpack == nil {
		return &NoRangeError{}
	}
	collection, err := s.lock(ctx, lockCollection, shared)
	if err != nil {
		return err
	}
	defer collection.Close()
	name := treeName(img.Digest, kind)
	lock, err := s.lock(ctx, treeLock(name), exclusive)
	if err != nil {
		return err
	}
	defer lock.Close()
	if _, err := os.Stat(s.path("trees", name)); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	// A tree without an image would be Prune's next victim.
	if _, err := s.Descriptor(img); err != nil {
		return err
	}
	s.removeHalfMade(ctx, kind, name)
	temp, err := os.MkdirTemp(s.path("tmp"), tempTree(kind)+name+"-")
	if err != nil {
		return err
	}
	// A range tree's outer folder is the caller's, who renames it; id 0 of
	// the namespace must be able to make the root in it.
	job := unpack.Job{
		Kind:     kind,
		Layout:   s.dir,
		Manifest: img.Digest,
		Dest:     temp + "/" + treeRoot,
		Limits:   s.opts.Limits,
		Lock:     s.lockPath(lockCollection),
		Progress: progress,
		SizeFile: temp + "/" + sizeFile,
	}
	left, err := s.room(0)
	if err == nil {
		bounded := job.Limits.Bytes == 0 || job.Limits.Bytes > left
		if bounded && left < math.MaxInt64 {
			job.Limits.Bytes = max(left, 1) // zero would be the default
		}
		err = s.runJob(ctx, kind, job)
		var limit *unpack.LimitError
		if errors.As(err, &limit) && limit.Limit == unpack.LimitBytes && bounded {
			err = fmt.Errorf("%w: %w", &QuotaError{Need: left + 1, Used: s.used(), Quota: left + s.used()}, err)
		}
	}
	if err != nil {
		// The job has removed what it made.
		return errors.Join(err, os.RemoveAll(temp))
	}
	if err := syncTree(temp); err != nil {
		return err
	}
	if err := os.Rename(temp, s.path("trees", name)); err != nil {
		return err
	}
	return syncDir(s.path("trees"))
}

// removeHalfMade removes what killed processes have left of the tree, or else a
// machine on which that happens again and again would fill up before anyone
// prunes. The caller holds the tree's lock alone, so none of it is in the
// making. What cannot be removed is left for Prune, which tells of it.
func (s *Store) removeHalfMade(ctx context.Context, kind TreeKind, name string) {
	entries, err := os.ReadDir(s.path("tmp"))
	if err != nil {
		return
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), tempTree(kind)+name+"-") {
			_ = s.removeTemp(ctx, s.path("tmp", e.Name()))
		}
	}
}

// runJob runs the job here or, for range trees, where ids can be kept.
func (s *Store) runJob(ctx context.Context, kind TreeKind, job unpack.Job) error {
	if kind == Range {
		if s.opts.RangeUnpack == nil {
			return &NoRangeError{}
		}
		return s.runElsewhere(ctx, job)
	}
	return unpack.Run(ctx, job)
}

// runElsewhere runs the job in another process, and passes its progress on.
func (s *Store) runElsewhere(ctx context.Context, job unpack.Job) error {
	if job.Progress == nil {
		return s.opts.RangeUnpack(ctx, job)
	}
	// In the tree's own folder it goes where that goes when this process is
	// killed.
	f, err := os.CreateTemp(filepath.Dir(job.Dest), "progress-")
	if err != nil {
		return err
	}
	defer func() { _ = discard(f, nil) }()
	// The process has another id, in the caller's eyes.
	if err := f.Chmod(0o666); err != nil {
		return err
	}
	job.ProgressFile = f.Name()
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		ticker := time.NewTicker(100 * time.Millisecond)
		defer ticker.Stop()
		for {
			select {
			case <-stop:
				return
			case <-ticker.C:
				if have, total, ok := unpack.ReadProgress(f); ok {
					job.Progress(have, total)
				}
			}
		}
	}()
	err = s.opts.RangeUnpack(ctx, job)
	close(stop)
	<-done
	if have, total, ok := unpack.ReadProgress(f); ok && err == nil {
		job.Progress(have, total)
	}
	return err
}

// tempTree is how the temporary folder of a tree begins. Its kind tells Prune
// how to remove it.
func tempTree(kind TreeKind) string { return string(kind) + "-" }

// syncTree makes the tree durable before it gets its name: after a power cut
// there is a whole tree or none. One call for the file system costs less than
// one for each file.
func syncTree(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := unix.Syncfs(int(d.Fd())); err != nil {
		return fmt.Errorf("syncing the tree: %w", err)
	}
	return nil
}
