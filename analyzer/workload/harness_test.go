package workload

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/least-privilege/lpm/analyzer/internal/stage"
	"github.com/least-privilege/lpm/enforcer/container"
	"github.com/least-privilege/lpm/registry/store"
)

// TestMain also plays the processes that work in user namespaces.
func TestMain(m *testing.M) { stage.Main(m) }

// lab is a store with one of the test images.
type lab struct {
	t     *testing.T
	store *store.Store
	image store.Image
}

func newLab(t *testing.T, image string) *lab {
	t.Helper()
	s, i := stage.New(t, image)
	return &lab{t, s, i}
}

// labOf loads the image of a docker-archive.
func labOf(t *testing.T, archive string) *lab {
	t.Helper()
	s, i := stage.Load(t, archive)
	return &lab{t, s, i}
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
