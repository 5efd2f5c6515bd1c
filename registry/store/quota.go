package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/least-privilege/lpm/manifest"
)

const (
	// quotaFile holds the quota, in bytes, as decimal digits.
	quotaFile = "quota"
	// sizeFile is beside a tree's root, and holds the sum of the sizes of its
	// files, in bytes, as decimal digits.
	sizeFile = "size"
)

// Usage is what a store takes up, in bytes.
type Usage struct {
	// Blobs are images and artifacts as they travel, and what is being
	// brought in.
	Blobs int64 `json:"blobs"`
	// Trees are images unpacked.
	Trees int64 `json:"trees"`
	// Volumes are data of containers. The quota does not count them: they are
	// not what the store has taken in.
	Volumes int64 `json:"volumes"`
	// Quota is the most that blobs and trees may take up together; zero is no
	// bound.
	Quota int64 `json:"quota,omitempty"`
}

// QuotaError is returned where an image would take the store past its quota.
type QuotaError struct {
	// Need is how much more was to be stored, Used what the store takes up, and
	// Quota the bound, in bytes.
	Need, Used, Quota int64
}

func (e *QuotaError) Error() string {
	return fmt.Sprintf("%s more would take the store past its quota: %s of %s are used", manifest.Bytes(e.Need), manifest.Bytes(e.Used), manifest.Bytes(e.Quota))
}

// Hint says what a person can do about it.
func (*QuotaError) Hint() string {
	return "`lpm prune` frees what no image needs, `lpm rm` removes an image, `lpm quota` sets another quota"
}

// SetQuota bounds what blobs and trees may take up together, in bytes; zero
// takes the bound away. What is there stays.
func (s *Store) SetQuota(n int64) error {
	if n < 0 {
		return fmt.Errorf("quota of %d bytes is negative", n)
	}
	if err := s.replaceFile(quotaFile, []byte(strconv.FormatInt(n, 10)+"\n")); err != nil {
		return fmt.Errorf("setting the quota: %w", err)
	}
	return nil
}

// quota returns the quota; [math.MaxInt64] is none.
func (s *Store) quota() (int64, error) {
	n, err := readNumber(s.path(quotaFile))
	switch {
	case errors.Is(err, fs.ErrNotExist), err == nil && n == 0:
		return math.MaxInt64, nil
	case err != nil:
		return 0, fmt.Errorf("reading the quota: %w", err)
	}
	return n, nil
}

func readNumber(path string) (int64, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("%s: %q is no number of bytes", path, text)
	}
	return n, nil
}

// Usage adds up what the store takes up.
func (s *Store) Usage(ctx context.Context) (Usage, error) {
	u, err := s.usage()
	if err != nil {
		return u, fmt.Errorf("adding up the store: %w", err)
	}
	if u.Quota, err = s.quota(); err != nil {
		return u, err
	}
	if u.Quota == math.MaxInt64 {
		u.Quota = 0
	}
	u.Volumes, err = sizeBelow(ctx, s.path("volumes"))
	if err != nil {
		return u, fmt.Errorf("adding up the store: %w", err)
	}
	return u, nil
}

// usage adds up what the quota counts. It takes a look at each blob and a
// number from each tree.
func (s *Store) usage() (Usage, error) {
	var u Usage
	for _, dir := range []string{s.path("blobs", "sha256"), s.path("tmp")} {
		entries, err := os.ReadDir(dir)
		if err != nil {
			return u, err
		}
		for _, e := range entries {
			info, err := e.Info()
			if err == nil && info.Mode().IsRegular() {
				u.Blobs += info.Size()
			}
		}
	}
	trees, err := os.ReadDir(s.path("trees"))
	if err != nil {
		return u, err
	}
	for _, tree := range trees {
		n, err := readNumber(s.path("trees", tree.Name(), sizeFile))
		if errors.Is(err, fs.ErrNotExist) {
			continue // unpacked before there were quotas
		}
		if err != nil {
			return u, err
		}
		u.Trees += n
	}
	return u, nil
}

// sizeBelow adds up the files below a folder that can be read. Others' files,
// which a container with a range of ids has made, may be out of reach.
func sizeBelow(ctx context.Context, dir string) (int64, error) {
	var sum int64
	err := filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, fs.ErrPermission), errors.Is(err, fs.ErrNotExist):
			return nil
		case err != nil:
			return err
		}
		if info, err := entry.Info(); err == nil && info.Mode().IsRegular() {
			sum += info.Size()
		}
		return nil
	})
	return sum, err
}

// used is what the quota counts; zero where that cannot be told, for messages.
func (s *Store) used() int64 {
	u, err := s.usage()
	if err != nil {
		return 0
	}
	return u.Blobs + u.Trees
}

// room returns how much more the quota lets in, or a [*QuotaError] where that
// is less than what is needed.
func (s *Store) room(need int64) (int64, error) {
	quota, err := s.quota()
	if err != nil || quota == math.MaxInt64 {
		return math.MaxInt64, err
	}
	u, err := s.usage()
	if err != nil {
		return 0, fmt.Errorf("adding up the store: %w", err)
	}
	used := u.Blobs + u.Trees
	if left := quota - used; left >= need {
		return left, nil
	}
	return 0, &QuotaError{Need: need, Used: used, Quota: quota}
}
