package workload

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/least-privilege/lpm/enforcer"
	"github.com/least-privilege/lpm/enforcer/container"
	"github.com/least-privilege/lpm/enforcer/userns"
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
	t     *testing.T
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
		if err := inRange(ctx, unpack.Job{Kind: unpack.Remove, Dest: filepath.Join(s.Dir(), "volumes")}); err != nil {
			t.Error(err)
		}
		if err := s.Remove(ctx, images[0].Digest.String()); err != nil {
			t.Error(err)
		}
		if _, err := s.Prune(ctx); err != nil {
			t.Error(err)
		}
	})
	return &lab{t: t, store: s, image: images[0]}
}

func inRange(ctx context.Context, job unpack.Job) error {
	h, err := enforcer.Probe(ctx)
	if err != nil {
		return err
	}
	return enforcer.InRange(ctx, h, "unpack", job, nil)
}

func missing(t *testing.T, format string, args ...any) {
	t.Helper()
	if os.Getenv("LPM_MUST_SANDBOX") != "" {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}

// job is one that runs the image's own command, or the given one.
func (l *lab) job(t *testing.T, args ...string) Job {
	t.Helper()
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	out, err := os.Create(filepath.Join(t.TempDir(), "output"))
	if err != nil {
		t.Fatal(err)
	}
	j := Job{
		Image: l.image, Streams: container.Streams{In: null, Out: out, Err: out}, Version: "test",
		Progress: func(line string) { t.Logf("progress: %s", line) },
	}
	j.Options.Args = args
	t.Cleanup(func() {
		if text := printed(t, j); t.Failed() {
			t.Logf("container and exercise printed:\n%.4000s", text)
		}
		null.Close()
		out.Close()
	})
	return j
}

// printed is what container and exercise have written.
func printed(t *testing.T, j Job) string {
	t.Helper()
	text, err := os.ReadFile(j.Streams.Out.Name())
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// run runs a job that has to reach its outcome.
func (l *lab) run(t *testing.T, j Job) *Outcome {
	t.Helper()
	o, err := Run(t.Context(), l.store, j)
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range o.Warnings {
		t.Logf("warning: %s", w)
	}
	return o
}

// free waits until nobody listens on a port: a container has the machine's
// network, which other tests use too.
func free(t *testing.T, number int) {
	t.Helper()
	for range 600 {
		if !open(t.Context(), number) {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatalf("port %d of this machine is in use", number)
}
