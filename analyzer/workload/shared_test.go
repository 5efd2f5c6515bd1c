package workload

import (
	"strings"
	"testing"
	"time"

	"github.com/least-privilege/lpm/manifest"
)

// TestSharedMemory: while it is recorded a container has more room in /dev/shm than
// without a manifest, and its proposal has what it took.
func TestSharedMemory(t *testing.T) {
	l := labOf(t, archive(t, dynamic("shared.c", "/bin/main")(t)))
	o := l.run(t, l.job(t))
	if o.Failure != nil {
		t.Fatal(o.Failure)
	}
	const took = 100 << 20
	if got := o.Record.Peaks.Shared; got < took {
		t.Fatalf("the record has %d bytes of shared memory, not %d", got, took)
	}
	p := propose(t, o)
	var size int64
	for i, w := range p.Manifest.Filesystem.Writable {
		if w.Path != "/dev/shm" {
			continue
		}
		size = w.Size
		l.holds(t, p.Manifest)
		p.Manifest.Filesystem.Writable[i].Size = manifest.DefaultWritableSize
	}
	if size < 2*took || p.Manifest.Resources.Memory < 2*took {
		t.Fatalf("proposed are %d bytes in /dev/shm, and %d of memory", size, p.Manifest.Resources.Memory)
	}
	// With as much as a container has without a manifest it has no room.
	j := l.job(t)
	j.Limit, j.Options.BestEffort = time.Minute, true
	trial, err := Try(t.Context(), l.store, j, p.Manifest)
	if err != nil {
		t.Fatal(err)
	}
	if text := printed(t, j); trial.Failure == nil || !strings.Contains(text, "no room") {
		t.Errorf("with less: %v, printed %q", trial.Failure, text)
	}
}
