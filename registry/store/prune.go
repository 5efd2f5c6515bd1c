package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/least-privilege/lpm/registry/unpack"
)

// PruneReport says what [Store.Prune] freed and what it left.
type PruneReport struct {
	// Images lists the digests of images that had no name any more.
	Images []v1.Hash `json:"images"`
	// Blobs, Trees and Prepared count what was removed.
	Blobs    int `json:"blobs"`
	Trees    int `json:"trees"`
	Prepared int `json:"prepared"`
	// Bytes is the disk space that all of it took, as far as the caller can
	// see into it: range trees are counted only in part.
	Bytes int64 `json:"bytes"`
	// InUse lists the trees that a container is using, by image digest.
	InUse []v1.Hash `json:"inUse"`
}

// Prune removes images that lost their name to a newer one, blobs that no
// image or artifact refers to, trees and prepared folders of images that are
// gone, and what killed processes left half made. What a container uses
// stays, and so do volumes and the artifacts of images that were pruned.
//
// It waits for those who are adding to the store. Where something could not
// be removed, the report is of the rest, beside the error: [ErrNoRange] for a
// range tree without a namespace to remove it in.
func (s *Store) Prune(ctx context.Context) (PruneReport, error) {
	report, err := s.prune(ctx)
	if err != nil {
		return report, fmt.Errorf("pruning the store: %w", err)
	}
	return report, nil
}

func (s *Store) prune(ctx context.Context) (PruneReport, error) {
	p := &pruning{
		store: s, inUse: map[v1.Hash]bool{},
		// Lists in JSON, also where there is nothing in them.
		report: PruneReport{Images: []v1.Hash{}, InUse: []v1.Hash{}},
	}
	defer p.release()
	collection, err := s.lock(ctx, lockCollection, exclusive)
	if err != nil {
		return p.report, err
	}
	defer collection.Close()

	if err := p.lockTrees(); err != nil {
		return p.report, err
	}
	if err := p.dropNameless(ctx); err != nil {
		return p.report, err
	}
	blobs, err := p.reachable()
	if err != nil {
		return p.report, err
	}
	if err := p.removeBlobs(blobs); err != nil {
		return p.report, err
	}
	err = errors.Join(
		p.removeFolders("trees", &p.report.Trees),
		p.removeFolders("prepared", &p.report.Prepared),
	)
	// What is left of the trees may be used again while tmp is emptied.
	p.release()
	return p.report, errors.Join(err, p.emptyTemp(ctx))
}

// pruning is the work of one Prune, under the exclusive collection lock.
type pruning struct {
	store  *Store
	report PruneReport
	// held are the exclusive locks of the trees that nobody uses.
	held map[string]*fileLock
	// inUse has the images of the trees that somebody does.
	inUse map[v1.Hash]bool
	// images has those that stay.
	images map[v1.Hash]bool
}

// lockTrees finds out which trees are in use, and keeps the others so.
func (p *pruning) lockTrees() error {
	p.held = map[string]*fileLock{}
	trees, err := os.ReadDir(p.store.path("trees"))
	if err != nil {
		return err
	}
	for _, t := range trees {
		lock, err := p.store.tryLock(treeLock(t.Name()), exclusive)
		if err == nil {
			p.held[t.Name()] = lock
			continue
		}
		if !errors.Is(err, errLocked) {
			return err
		}
		if h, ok := imageOf(t.Name()); ok && !p.inUse[h] {
			p.inUse[h] = true
			p.report.InUse = append(p.report.InUse, h)
		}
	}
	return nil
}

// release drops the locks. Lock files of trees that are gone go too, while
// their lock is held: who waits for one finds that out and makes it anew.
func (p *pruning) release() {
	for name, lock := range p.held {
		if _, err := os.Stat(p.store.path("trees", name)); errors.Is(err, os.ErrNotExist) {
			os.Remove(p.store.lockPath(treeLock(name)))
		}
		lock.Close()
	}
	p.held = nil
}

// imageOf is the image whose digest a tree's or prepared folder's name
// begins with.
func imageOf(name string) (v1.Hash, bool) {
	m := imageKey.FindStringSubmatch(name)
	if m == nil {
		return v1.Hash{}, false
	}
	return v1.Hash{Algorithm: "sha256", Hex: m[1]}, true
}

// dropNameless takes images without a name out of the index, and notes those
// that stay.
func (p *pruning) dropNameless(ctx context.Context) error {
	p.images = map[v1.Hash]bool{}
	return p.store.updateIndex(ctx, func(index *v1.IndexManifest) error {
		kept := []v1.Descriptor{}
		for _, d := range index.Manifests {
			switch {
			case isArtifact(d):
			case d.Annotations[annotationName] == "" && !p.inUse[d.Digest]:
				p.report.Images = append(p.report.Images, d.Digest)
				continue
			default:
				p.images[d.Digest] = true
			}
			kept = append(kept, d)
		}
		index.Manifests = kept
		return nil
	})
}

// reachable lists the blobs that the index leads to.
func (p *pruning) reachable() (map[v1.Hash]bool, error) {
	index, err := p.store.readIndex()
	if err != nil {
		return nil, err
	}
	blobs := map[v1.Hash]bool{}
	for _, d := range index.Manifests {
		raw, err := p.store.ReadBlob(d.Digest, maxDocument)
		if err != nil {
			// What a damaged manifest names cannot be told from what is
			// free, so nothing is removed.
			return nil, &DamagedError{Ref: refOf(d), Err: err}
		}
		m, err := v1.ParseManifest(bytes.NewReader(raw))
		if err != nil {
			return nil, &DamagedError{Ref: refOf(d), Err: err}
		}
		blobs[d.Digest] = true
		blobs[m.Config.Digest] = true
		for _, l := range m.Layers {
			blobs[l.Digest] = true
		}
	}
	return blobs, nil
}

func refOf(d v1.Descriptor) string {
	return Image{Name: d.Annotations[annotationName], Digest: d.Digest}.ref()
}

func (p *pruning) removeBlobs(keep map[v1.Hash]bool) error {
	dir := p.store.path("blobs", "sha256")
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if keep[v1.Hash{Algorithm: "sha256", Hex: e.Name()}] {
			continue
		}
		path := filepath.Join(dir, e.Name())
		p.report.Bytes += diskUsage(path)
		if err := os.RemoveAll(path); err != nil {
			return err
		}
		p.report.Blobs++
	}
	return nil
}

// removeFolders moves the folders of images that are gone to tmp, which is
// done at once or not at all; emptyTemp removes them.
func (p *pruning) removeFolders(kind string, count *int) error {
	entries, err := os.ReadDir(p.store.path(kind))
	if err != nil {
		return err
	}
	for _, e := range entries {
		image, ok := imageOf(e.Name())
		if !ok || p.images[image] || p.inUse[image] {
			continue
		}
		if kind == "trees" && p.held[e.Name()] == nil {
			continue // Made after lockTrees, which cannot be: leave it.
		}
		prefix := tempTree(Single)
		if strings.HasSuffix(e.Name(), "-"+string(Range)) || kind == "prepared" {
			prefix = tempTree(Range)
		}
		temp, err := os.MkdirTemp(p.store.path("tmp"), prefix)
		if err != nil {
			return err
		}
		if err := os.Rename(p.store.path(kind, e.Name()), filepath.Join(temp, treeRoot)); err != nil {
			return err
		}
		*count++
	}
	return nil
}

// emptyTemp removes all that is in tmp. Whoever uses it holds the collection
// lock, so this is what dead processes left, and what this Prune moved there.
func (p *pruning) emptyTemp(ctx context.Context) error {
	entries, err := os.ReadDir(p.store.path("tmp"))
	if err != nil {
		return err
	}
	var failed []error
	for _, e := range entries {
		path := p.store.path("tmp", e.Name())
		p.report.Bytes += diskUsage(path)
		if err := p.store.removeTemp(ctx, path); err != nil {
			failed = append(failed, err)
		}
	}
	return errors.Join(failed...)
}

// removeTemp removes one thing in tmp: as the caller where that works, else,
// since only the namespace's root may, inside the namespace.
func (s *Store) removeTemp(ctx context.Context, path string) error {
	ranged := strings.HasPrefix(filepath.Base(path), tempTree(Range))
	if !ranged {
		return unpack.Run(ctx, unpack.Job{Kind: unpack.Remove, Dest: path})
	}
	err := os.RemoveAll(path)
	if err == nil || !errors.Is(err, fs.ErrPermission) {
		return err
	}
	root := filepath.Join(path, treeRoot)
	if err := s.runJob(ctx, Range, unpack.Job{Kind: unpack.Remove, Dest: root}); err != nil {
		return err
	}
	return os.RemoveAll(path)
}

// diskUsage is how many bytes of disk path takes, as far as it can be read.
func diskUsage(path string) int64 {
	var sum int64
	// Every error means a part that is not counted, as the report says.
	_ = filepath.WalkDir(path, func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			return fs.SkipDir
		}
		info, err := d.Info()
		if err != nil {
			return nil
		}
		if st, ok := info.Sys().(*syscall.Stat_t); ok {
			sum += st.Blocks * 512
		}
		return nil
	})
	return sum
}
