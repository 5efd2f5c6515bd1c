// Package unpack turns the layers of an image into a directory tree.
//
// Layers are hostile. Every byte is held against the digest that the manifest
// gives and the diff_id that the config gives; names, links and whiteouts
// cannot leave the tree; sizes, counts and ratios are bounded ([Limits]). The
// extraction itself is umoci's; the checks before it are this package's.
//
// What a tree deliberately leaves out:
//
//   - Devices, FIFOs and sockets. A container gets its /dev from its manifest,
//     and a FIFO shared by all containers of one image would let them talk.
//     Whatever an earlier layer had at such a path is hidden all the same.
//   - Set-user-id and set-group-id bits. Containers run with no_new_privs and
//     nosuid, where the bits mean nothing; on the host they only do harm.
//   - Extended attributes. File capabilities mean nothing under no_new_privs,
//     labels belong to a host, and overlay's own attributes in a hostile layer
//     would steer the overlay that a container is mounted on.
//
// A job runs in the user namespace of the process that calls [Run]. The
// package creates no namespace itself.
package unpack

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sys/unix"
)

// Kind says what a job does and whose the files will be.
type Kind string

const (
	// Single gives every file to the caller. Folders keep at least rwx for
	// their owner and files at least r, so that the one id can use the tree
	// and remove it later.
	Single Kind = "single"
	// Range keeps the owners that the layers name, ids 0 to 65535. The job
	// must run as id 0 of a user namespace that maps all of these and, among
	// them or beside them, the uid and gid that own the store's folders.
	Range Kind = "range"
	// Remove deletes Dest with everything beneath it. A tree of kind Range
	// can only be removed inside a namespace like the one that made it.
	Remove Kind = "remove"
)

// MaxID is the highest user or group id that a file of a range tree may have.
const MaxID = 65535

// Job is one piece of work. It can be written as JSON, to be handed to
// another process that runs it inside a user namespace.
type Job struct {
	Kind Kind `json:"kind"`
	// Layout is the OCI layout folder that holds the image's blobs.
	Layout string `json:"layout,omitempty"`
	// Manifest is the digest of the image manifest, never of an index.
	Manifest v1.Hash `json:"manifest,omitzero"`
	// Dest is the folder to make, which must not exist, or to remove. It is
	// an absolute, clean path in a folder that nobody else writes to.
	Dest string `json:"dest"`
	// Limits bound what the layers may do. Zero fields mean the default.
	Limits Limits `json:"limits,omitzero"`
	// Lock, when set, is a file on which a shared lock (flock) is held for
	// as long as the job runs, whatever becomes of the process that sent it.
	Lock string `json:"lock,omitempty"`
	// SizeFile, when set, is a file to make that says how many bytes all files
	// have together, as decimal digits.
	SizeFile string `json:"sizeFile,omitempty"`
	// Progress, when set, is told how many bytes of the layers, as they are
	// stored, are done. It does not go along to another process.
	Progress func(done, total int64) `json:"-"`
	// ProgressFile, when set, is a file that is there, into which the same two
	// numbers are written again and again: 16 bytes, in big-endian order. A
	// process elsewhere reads them with [ReadProgress].
	ProgressFile string `json:"progressFile,omitempty"`
}

// Limits bound one image. A zero field means the default.
type Limits struct {
	// Bytes is the total size of all files, as the layers declare it before
	// any is written. Default 64 GiB.
	Bytes int64 `json:"bytes,omitempty"`
	// Entries counts the layers' entries and the folders they imply.
	// Default 2,000,000.
	Entries int64 `json:"entries,omitempty"`
	// Name is the longest path or link target in bytes. Default 4096, which
	// is also the kernel's limit.
	Name int `json:"name,omitempty"`
	// Depth is the largest number of components in a path. Default 128.
	Depth int `json:"depth,omitempty"`
	// Ratio bounds how much larger than its blob a layer may be; the first
	// 256 MiB of a layer are free. Default 200.
	Ratio int64 `json:"ratio,omitempty"`
	// Layers is the largest number of layers. Default 1024.
	Layers int `json:"layers,omitempty"`
}

// ratioFree is how far a layer may grow before its ratio matters: tiny layers
// of zeros are common, and harmless.
const ratioFree = 256 << 20

// fill returns l with defaults in place of zero fields.
func (l Limits) fill() Limits {
	def := func(v *int64, d int64) {
		if *v == 0 {
			*v = d
		}
	}
	defInt := func(v *int, d int) {
		if *v == 0 {
			*v = d
		}
	}
	def(&l.Bytes, 64<<30)
	def(&l.Entries, 2_000_000)
	def(&l.Ratio, 200)
	defInt(&l.Name, 4096)
	defInt(&l.Depth, 128)
	defInt(&l.Layers, 1024)
	return l
}

// Run does the job in the current user namespace. When it fails, what it had
// made at Dest is removed again. A kill leaves a partial Dest behind, so the
// caller picks a temporary place and renames it when Run returns nil.
//
// Errors: [*UnsafeError] for a layer that tries what no honest layer does,
// [*LimitError] when a bound is passed, [*MismatchError] when bytes are not
// those that a digest names, [*OwnerError] for an owner outside the range.
func Run(ctx context.Context, job Job) error {
	if !filepath.IsAbs(job.Dest) || filepath.Clean(job.Dest) != job.Dest || job.Dest == "/" {
		return fmt.Errorf("unpacking: destination %q is not an absolute, clean path", job.Dest)
	}
	if job.Lock != "" {
		release, err := hold(job.Lock)
		if err != nil {
			return err
		}
		defer release()
	}
	switch job.Kind {
	case Single, Range:
		err := unpackImage(ctx, job)
		if err != nil {
			err = errors.Join(err, cleanUp(job.Dest, err))
		}
		return err
	case Remove:
		return removeTree(ctx, job.Dest)
	default:
		return fmt.Errorf("unpacking: unknown kind of job %q", job.Kind)
	}
}

// cleanUp removes what a failed job left, unless Dest was there before it.
func cleanUp(dest string, cause error) error {
	if errors.Is(cause, errDestExists) {
		return nil
	}
	// The context may be what failed; removing is still wanted.
	return removeTree(context.Background(), dest)
}

// hold takes a shared lock on path until release is called.
func hold(path string) (release func(), err error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("unpacking: opening the lock: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB); err != nil {
		f.Close()
		return nil, fmt.Errorf("unpacking: locking %s: %w", path, err)
	}
	return func() { f.Close() }, nil
}
