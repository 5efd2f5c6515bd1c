// Package stage gives tests that start containers a store with one of the images
// of testdata/images. Only tests import it.
package stage

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/least-privilege/lpm/enforcer"
	"github.com/least-privilege/lpm/enforcer/userns"
	"github.com/least-privilege/lpm/registry/store"
	"github.com/least-privilege/lpm/registry/unpack"
)

// Main is the TestMain of a package whose tests use [New]: it also plays the
// processes that work in user namespaces. It does not return.
func Main(m *testing.M) {
	works := enforcer.Works()
	works["unpack"] = func(ctx context.Context, in json.RawMessage) (any, error) {
		var job unpack.Job
		if err := json.Unmarshal(in, &job); err != nil {
			return nil, err
		}
		return nil, unpack.Run(ctx, job)
	}
	userns.Main(works)
	os.Exit(m.Run())
}

// New loads an image into a store of the test's own, which is removed with it.
func New(t *testing.T, image string) (*store.Store, store.Image) {
	t.Helper()
	return Load(t, Archive(t, image))
}

// Archive returns the file of an image. LPM_TEST_IMAGES is the folder that
// testdata/images/ensure prints; see [Missing] for what a test without it does.
func Archive(t *testing.T, image string) string {
	t.Helper()
	archive := filepath.Join(os.Getenv("LPM_TEST_IMAGES"), image+".tar")
	if _, err := os.Stat(archive); err != nil {
		Missing(t, "the test image %s: %v (LPM_TEST_IMAGES names the folder; make images builds them)", image, err)
	}
	return archive
}

// Load is [New] for an image in a file.
func Load(t *testing.T, archive string) (*store.Store, store.Image) {
	t.Helper()
	s, err := store.Open(filepath.Join(t.TempDir(), "store"), store.Options{RangeUnpack: InRange})
	if err != nil {
		t.Fatal(err)
	}
	images, err := s.Load(t.Context(), archive)
	if err != nil {
		t.Fatal(err)
	}
	// The test's folder cannot remove what has several owners; their root can.
	t.Cleanup(func() {
		ctx := context.Background()
		if err := InRange(ctx, unpack.Job{Kind: unpack.Remove, Dest: filepath.Join(s.Dir(), "volumes")}); err != nil {
			t.Error(err)
		}
		if err := s.Remove(ctx, images[0].Digest.String()); err != nil {
			t.Error(err)
		}
		if _, err := s.Prune(ctx); err != nil {
			t.Error(err)
		}
	})
	return s, images[0]
}

// InRange does a job as the root of a range of ids, who owns what containers have
// written.
func InRange(ctx context.Context, job unpack.Job) error {
	h, err := enforcer.Probe(ctx)
	if err != nil {
		return err
	}
	return enforcer.InRange(ctx, h, "unpack", job, nil)
}

// Missing skips a test for want of something, or fails it where LPM_MUST_SANDBOX is
// set.
func Missing(t *testing.T, format string, args ...any) {
	t.Helper()
	if os.Getenv("LPM_MUST_SANDBOX") != "" {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}
