package ablation

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/least-privilege/lpm/analyzer"
	"github.com/least-privilege/lpm/analyzer/evidence"
	"github.com/least-privilege/lpm/analyzer/workload"
	"github.com/least-privilege/lpm/enforcer"
	"github.com/least-privilege/lpm/enforcer/container"
	"github.com/least-privilege/lpm/enforcer/userns"
	"github.com/least-privilege/lpm/manifest"
	"github.com/least-privilege/lpm/registry/store"
	"github.com/least-privilege/lpm/registry/unpack"
)

// TestMain also plays the processes that work in user namespaces.
func TestMain(m *testing.M) {
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

// lab is a store with one of the test images.
type lab struct {
	store *store.Store
	image store.Image
}

// newLab loads an image. LPM_TEST_IMAGES is the folder that
// testdata/images/ensure prints.
func newLab(t *testing.T, image string) *lab {
	t.Helper()
	archive := filepath.Join(os.Getenv("LPM_TEST_IMAGES"), image+".tar")
	if _, err := os.Stat(archive); err != nil {
		missing(t, "the test image %s: %v (LPM_TEST_IMAGES names the folder; make images builds them)", image, err)
	}
	s, err := store.Open(filepath.Join(t.TempDir(), "store"), store.Options{RangeUnpack: inRange})
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
		if err := s.Remove(ctx, images[0].Digest.String()); err != nil {
			t.Error(err)
		}
		if _, err := s.Prune(ctx); err != nil {
			t.Error(err)
		}
	})
	return &lab{store: s, image: images[0]}
}

func missing(t *testing.T, format string, args ...any) {
	t.Helper()
	if os.Getenv("LPM_MUST_SANDBOX") != "" {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}

func inRange(ctx context.Context, job unpack.Job) error {
	h, err := enforcer.Probe(ctx)
	if err != nil {
		return err
	}
	return enforcer.InRange(ctx, h, "unpack", job, nil)
}

// remove removes what runs have written, whoever owns it.
func remove(ctx context.Context, dir string) error {
	if err := os.RemoveAll(dir); err == nil {
		return nil
	}
	return inRange(ctx, unpack.Job{Kind: unpack.Remove, Dest: dir})
}

// workload is one that runs the image's own command, or the given one.
func (l *lab) workload(t *testing.T, args ...string) workload.Job {
	t.Helper()
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { null.Close() })
	j := workload.Job{
		Image: l.image, Streams: container.Streams{In: null, Out: null, Err: null}, Version: "test",
		Volume: func(name string) (string, error) { return l.store.VolumeDir("test", name) },
	}
	j.Options.Args = args
	return j
}

// record proposes a manifest from a run of a workload.
func (l *lab) record(t *testing.T, j workload.Job) *analyzer.Proposal {
	t.Helper()
	o, err := workload.Run(t.Context(), l.store, j)
	if err != nil {
		t.Fatal(err)
	}
	if o.Failure != nil {
		t.Fatalf("while recording: %v", o.Failure)
	}
	p, err := analyzer.Propose([]*evidence.Record{o.Record}, o.Facts)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// job tries a manifest in a folder of the test's own.
func (l *lab) job(t *testing.T, w workload.Job, m *manifest.Manifest) Job {
	t.Helper()
	return Job{
		Workload: w, Manifest: m, Dir: filepath.Join(t.TempDir(), "work"), Remove: remove,
		Said: func(line string) { t.Logf("said: %s", line) },
	}
}
