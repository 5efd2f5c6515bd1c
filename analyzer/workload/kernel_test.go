package workload

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/analyzer"
	"github.com/least-privilege/lpm/analyzer/evidence"
	"github.com/least-privilege/lpm/enforcer"
	"github.com/least-privilege/lpm/enforcer/plan"
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

// loaded returns a store with one of the test images. LPM_TEST_IMAGES is the
// folder that testdata/images/ensure prints.
func loaded(t *testing.T, image string) (*store.Store, store.Image) {
	t.Helper()
	archive := filepath.Join(os.Getenv("LPM_TEST_IMAGES"), image+".tar")
	if _, err := os.Stat(archive); err != nil {
		missing(t, "the test image %s: %v", image, err)
	}
	ctx := t.Context()
	s, err := store.Open(t.TempDir(), store.Options{RangeUnpack: inRange})
	if err != nil {
		t.Fatal(err)
	}
	// A range tree can only be removed by the root of its namespace.
	t.Cleanup(func() {
		ctx := context.Background()
		if err := s.Remove(ctx, image); err != nil {
			t.Error(err)
		}
		if _, err := s.Prune(ctx); err != nil {
			t.Error(err)
		}
	})
	images, err := s.Load(ctx, archive)
	if err != nil {
		t.Fatal(err)
	}
	return s, images[0]
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
	if os.Getenv("LPM_MUST_SANDBOX") == "1" {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}

// output is a file that a container and an exercise write to.
func output(t *testing.T) *os.File {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "output"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func streams(t *testing.T) enforcer.Streams {
	t.Helper()
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { null.Close() })
	out := output(t)
	t.Cleanup(func() {
		if t.Failed() {
			text, _ := os.ReadFile(out.Name())
			t.Logf("the container printed:\n%s", text)
		}
	})
	return enforcer.Streams{In: null, Out: out, Err: out}
}

func TestDebug(t *testing.T) {
	image := os.Getenv("IMG")
	s, img := loaded(t, image)
	j := Job{Image: img, Streams: streams(t), Progress: func(l string) { t.Log(time.Now().Format("05.000"), l) }, Exercise: os.Getenv("EX")}
	if a := os.Getenv("ARGS"); a != "" {
		json.Unmarshal([]byte(a), &j.Options.Args)
	}
	o, err := Run(t.Context(), s, j)
	if err != nil {
		t.Fatal(err)
	}
	t.Log(o.Failure, o.Warnings)
	b, err := o.Record.Encode()
	fmt.Println(len(b), err)
	os.WriteFile("/tmp/wl-"+image+".json", b, 0o644)
	p, err := analyzer.Propose([]*evidence.Record{o.Record}, o.Facts)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Printf("%s", p.CUE())
	for _, w := range p.Warnings {
		fmt.Println("WARN", w)
	}
	text, _ := os.ReadFile(j.Streams.Out.Name())
	t.Logf("%s", text)
	_ = plan.Record
	_ = bytes.Equal
	_ = exec.Command
	_ = unix.SIGTERM
}
