package workload

import (
	"context"
	"testing"
	"time"

	"github.com/least-privilege/lpm/enforcer"
	"github.com/least-privilege/lpm/enforcer/container"
	"github.com/least-privilege/lpm/enforcer/plan"
	"github.com/least-privilege/lpm/enforcer/signals"
	"github.com/least-privilege/lpm/manifest"
)

// isEnough runs an image under a proposal with the exercise it was made from:
// nothing may be refused.
func (l *lab) isEnough(t *testing.T, s server, m *manifest.Manifest) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	tree, err := l.store.Tree(ctx, l.image, treeKind(m.Identity.Mode))
	if err != nil {
		t.Fatal(err)
	}
	defer tree.Close()
	image, err := l.store.Config(l.image)
	if err != nil {
		t.Fatal(err)
	}
	stop, err := stopSignal(image.Config.StopSignal)
	if err != nil {
		t.Fatal(err)
	}
	prepared, err := enforcer.Prepare(ctx, enforcer.Job{
		Mode: plan.Enforce, Digest: l.image.Digest.String(), Config: enforcer.Config(image.Config),
		Tree: tree.Path, Manifest: m,
		// Whether the tests' user is delegated cgroups is not what is tested.
		Options: plan.Options{BestEffort: true},
		Folders: enforcer.Folders{
			Store: l.store.Dir(), Prepared: l.store.PreparedDir,
			Volume: func(name string) (string, error) { return l.store.VolumeDir("test", name) },
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	free(t, s.port)
	j := l.job(t)
	j.Exercise, j.Ready = s.exercise, 30*time.Second
	queue, err := signals.New()
	if err != nil {
		t.Fatal(err)
	}
	defer queue.Close()
	ended := make(chan struct{})
	var result container.Result
	var runErr error
	go func() {
		defer close(ended)
		result, runErr = prepared.Run(ctx, j.Streams, queue, container.Observer{})
	}()
	err = exercise(ctx, j, []port{{s.port, "tcp"}}, ended)
	if err := queue.Send(stop); err != nil {
		t.Fatal(err)
	}
	<-ended
	if err != nil || runErr != nil {
		t.Errorf("under the proposal: exercise %v, container %v (status %d)", err, runErr, result.Code)
	}
	for _, d := range result.Denials {
		t.Errorf("refused under the proposal: %+v", d)
	}
}
