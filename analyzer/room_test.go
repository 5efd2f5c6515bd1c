package analyzer

import (
	"strings"
	"testing"

	"github.com/least-privilege/lpm/analyzer/evidence"
	"github.com/least-privilege/lpm/manifest"
	"github.com/least-privilege/lpm/schema"
)

// TestRoom holds that what a run has written fits under its proposal.
func TestRoom(t *testing.T) {
	const mib = 1 << 20
	written := func(peak int64) *evidence.Record {
		return record(files(evidence.Create, "/tmp/a", "/srv/b/c", "/dev/shm/d"), func(r *evidence.Record) { r.Peaks.Written = peak })
	}
	shared := func(peak int64) *evidence.Record {
		r := written(0)
		r.Peaks.Shared = peak
		return r
	}
	for _, test := range []struct {
		name    string
		records []*evidence.Record
		want    int64
		shared  int64 // of /dev/shm
	}{
		{"not measured", []*evidence.Record{written(0)}, 0, 0},
		{"half of the default", []*evidence.Record{written(manifest.DefaultWritableSize / 2)}, 0, 0},
		{"more than half", []*evidence.Record{written(manifest.DefaultWritableSize/2 + 1)}, 80 * mib, 0},
		{"more than the default", []*evidence.Record{written(100*mib + 1)}, 208 * mib, 0},
		{"the highest of several runs", []*evidence.Record{written(40 * mib), written(200 * mib), written(1)}, 400 * mib, 0},
		{"more than can be said", []*evidence.Record{written(1<<49 + 1)}, 0, 0},
		{"the most that can be said", []*evidence.Record{written(1 << 49)}, 1 << 50, 0},
		{"shared memory", []*evidence.Record{shared(100 * mib), shared(1)}, 0, 208 * mib},
		{"little shared memory", []*evidence.Record{shared(manifest.DefaultWritableSize / 2)}, 0, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := propose(t, ImageFacts{}, test.records...)
			for _, w := range p.Manifest.Filesystem.Writable {
				want := test.want
				if w.Path == "/dev/shm" {
					want = test.shared
				}
				if w.Size != want || strings.Contains(w.Reason, "twice the peak") != (want > 0) {
					t.Errorf("%s: size %d, want %d; reason %q", w.Path, w.Size, want, w.Reason)
				}
			}
			text := string(p.CUE())
			if strings.Contains(text, "// size: "+manifest.Bytes(test.want)+", twice the peak") != (test.want > 0) {
				t.Errorf("the size is not explained in\n%s", text)
			}
			m, err := schema.Decode("proposal.cue", []byte(text))
			if err != nil {
				t.Fatalf("%v in\n%s", err, text)
			}
			got, err := m.Digest()
			if err != nil {
				t.Fatal(err)
			}
			if want, err := p.Manifest.Digest(); err != nil || got != want {
				t.Errorf("%v, or the file means another manifest:\n%s", err, text)
			}
		})
	}
}
