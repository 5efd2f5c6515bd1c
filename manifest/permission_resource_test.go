package manifest

import "testing"

func TestBounds(t *testing.T) {
	r := Resources{Memory: 64 << 20, MilliCPU: 1500, IOWeight: 50}
	want := []Bound{
		{"memory", 64 << 20, "64 MiB"}, {"milliCPU", 1500, "1.5 processors"}, {"ioWeight", 50, "50 of the usual 100"},
	}
	got := r.Bounds()
	if len(got) != len(want) {
		t.Fatalf("got %+v, want %+v", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("bound %d is %+v, want %+v", i, got[i], want[i])
		}
	}
	if got := (Resources{}).Bounds(); len(got) != 0 {
		t.Errorf("no bounds are %+v", got)
	}
}

func TestOnly(t *testing.T) {
	r := Resources{Memory: 1, PIDs: 2, OpenFiles: 3}
	if got, want := r.Only("memory", "openFiles", "milliCPU"), (Resources{Memory: 1, OpenFiles: 3}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if r.PIDs != 2 {
		t.Error("the original was changed")
	}
	if got := r.Only(); got != (Resources{}) {
		t.Errorf("none of them are %+v", got)
	}
}
