package ablation

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/least-privilege/lpm/analyzer"
	"github.com/least-privilege/lpm/analyzer/evidence"
	"github.com/least-privilege/lpm/analyzer/internal/stage"
	"github.com/least-privilege/lpm/analyzer/workload"
	"github.com/least-privilege/lpm/enforcer/container"
	"github.com/least-privilege/lpm/manifest"
	"github.com/least-privilege/lpm/registry/store"
	"github.com/least-privilege/lpm/registry/unpack"
)

// TestMain also plays the processes that work in user namespaces.
func TestMain(m *testing.M) { stage.Main(m) }

// lab is a store with one of the test images.
type lab struct {
	store *store.Store
	image store.Image
}

func newLab(t *testing.T, image string) *lab {
	t.Helper()
	s, i := stage.New(t, image)
	return &lab{s, i}
}

// remove removes what runs have written, whoever owns it.
func remove(ctx context.Context, dir string) error {
	if err := os.RemoveAll(dir); err == nil {
		return nil
	}
	return stage.InRange(ctx, unpack.Job{Kind: unpack.Remove, Dest: dir})
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
