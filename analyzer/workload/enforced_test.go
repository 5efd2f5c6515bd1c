package workload

import (
	"testing"
	"time"

	"github.com/least-privilege/lpm/manifest"
)

// isEnough runs an image under a proposal with the exercise it was made from:
// nothing may be refused.
func (l *lab) isEnough(t *testing.T, s server, m *manifest.Manifest) {
	t.Helper()
	free(t, s.port)
	j := l.job(t)
	j.Exercises, j.Ready, j.Limit = []string{s.exercise}, 30*time.Second, time.Minute
	j.Volume = func(name string) (string, error) { return l.store.VolumeDir("test", name) }
	// Whether the tests' user is delegated cgroups is not what is tested.
	j.Options.BestEffort = true
	trial, err := Try(t.Context(), l.store, j, m)
	if err != nil {
		t.Fatal(err)
	}
	if trial.Failure != nil {
		t.Errorf("under the proposal: %v", trial.Failure)
	}
	for _, d := range trial.Denials {
		t.Errorf("refused under the proposal: %+v", d)
	}
}
