package cgroup

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/manifest"
)

// hierarchies are folders with the control files that cgroup v1 puts into new
// groups. Those of cpu and memory are one.
func hierarchies(t *testing.T) (folders, map[string]string) {
	t.Helper()
	root := t.TempDir()
	parents := map[string]string{}
	for controller, dir := range map[string]string{"cpu": "both", "memory": "both", "pids": "pids", "blkio": "blkio"} {
		parents[controller] = filepath.Join(root, dir)
		if err := os.MkdirAll(parents[controller], 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return folders{
		make: func(path string, mode fs.FileMode) error {
			if err := os.Mkdir(path, mode); err != nil {
				return err
			}
			files := map[string]string{"cgroup.procs": "", "tasks": ""}
			for _, name := range map[string][]string{
				"both": {"memory.limit_in_bytes", "memory.memsw.limit_in_bytes", "cpu.cfs_period_us", "cpu.cfs_quota_us"},
				"pids": {"pids.max"}, "blkio": {"blkio.bfq.weight"},
			}[filepath.Base(filepath.Dir(path))] {
				files[name] = ""
			}
			fill(t, path, files)
			return nil
		},
		remove: os.RemoveAll,
	}, parents
}

func TestV1Limits(t *testing.T) {
	for _, test := range []struct {
		ask  manifest.Resources
		want string
	}{
		{manifest.Resources{}, ""},
		{manifest.Resources{Memory: 64 << 20}, "memory.limit_in_bytes=67108864 memory.memsw.limit_in_bytes=67108864"},
		{manifest.Resources{PIDs: 20}, "pids.max=20"},
		{manifest.Resources{MilliCPU: 500}, "cpu.cfs_period_us=100000 cpu.cfs_quota_us=50000"},
		{manifest.Resources{MilliCPU: 1}, "cpu.cfs_period_us=1000000 cpu.cfs_quota_us=1000"},
		{manifest.Resources{IOWeight: 50}, "blkio.bfq.weight=50"},
	} {
		var got []string
		for _, l := range v1Limits(test.ask) {
			got = append(got, l.file+"="+l.value)
		}
		if strings.Join(got, " ") != test.want {
			t.Errorf("%+v is %q, want %q", test.ask, got, test.want)
		}
	}
}

func TestV1Group(t *testing.T) {
	f, parents := hierarchies(t)
	g, err := f.v1(parents, "web", manifest.Resources{Memory: 1 << 20, PIDs: 7, MilliCPU: 250, IOWeight: 50})
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Attach(77); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]string{
		"memory/memory.limit_in_bytes": "1048576", "memory/memory.memsw.limit_in_bytes": "1048576", "pids/pids.max": "7",
		"cpu/cpu.cfs_period_us": "100000", "cpu/cpu.cfs_quota_us": "25000", "blkio/blkio.bfq.weight": "50",
		"memory/cgroup.procs": "77", "pids/cgroup.procs": "77", "cpu/cgroup.procs": "77", "blkio/cgroup.procs": "77",
	} {
		controller, name, _ := strings.Cut(file, "/")
		if got := content(t, parents[controller], "web", name); got != want {
			t.Errorf("%s holds %q, want %q", file, got, want)
		}
	}
	if g.Name() != "web" {
		t.Errorf("the name is %q", g.Name())
	}
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
	for controller, parent := range parents {
		if left := subfolders(t, parent); len(left) > 0 {
			t.Errorf("%s: left %q", controller, left)
		}
	}
	if err := g.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
}

func TestV1Refused(t *testing.T) {
	all := manifest.Resources{Memory: 1 << 20, PIDs: 7, MilliCPU: 250}
	for _, test := range []struct {
		name  string
		group string
		ask   manifest.Resources
		spoil func(f *folders, parents map[string]string)
		want  error
	}{
		{name: "a name that leads up", group: "..", ask: all},
		{name: "a limit below zero", group: "web", ask: manifest.Resources{PIDs: -1}},
		{
			name: "a controller that is not there", group: "web", ask: all, want: ErrController,
			spoil: func(_ *folders, parents map[string]string) { delete(parents, "pids") },
		},
		{
			name: "a kernel without the limit", group: "web", ask: manifest.Resources{PIDs: 7, IOWeight: 50}, want: ErrUnsupported,
			spoil: func(f *folders, _ map[string]string) {
				usual := f.make
				f.make = func(path string, mode fs.FileMode) error {
					err := usual(path, mode)
					os.Remove(filepath.Join(path, "blkio.bfq.weight"))
					return err
				}
			},
		},
		{
			name: "the second group cannot be made", group: "web", ask: all, want: fs.ErrPermission,
			spoil: func(f *folders, parents map[string]string) {
				usual := f.make
				f.make = func(path string, mode fs.FileMode) error {
					if filepath.Dir(path) == parents["pids"] {
						return fs.ErrPermission
					}
					return usual(path, mode)
				}
			},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			f, parents := hierarchies(t)
			folders := slices.Sorted(maps.Values(parents))
			if test.spoil != nil {
				test.spoil(&f, parents)
			}
			g, err := f.v1(parents, test.group, test.ask)
			if err == nil {
				g.Close()
				t.Fatal("the group was made")
			}
			var told *Error
			if !errors.As(err, &told) || test.want != nil && !errors.Is(err, test.want) {
				t.Errorf("got %v, want %v", err, test.want)
			}
			for _, dir := range folders {
				if left := subfolders(t, dir); len(left) > 0 {
					t.Errorf("left %q in %s", left, dir)
				}
			}
		})
	}
}

// TestV1WaitsForTheEnd: a group can be removed once its processes are gone.
func TestV1WaitsForTheEnd(t *testing.T) {
	f, parents := hierarchies(t)
	g, err := f.v1(parents, "web", manifest.Resources{PIDs: 7})
	if err != nil {
		t.Fatal(err)
	}
	tries := 0
	g.folders.remove = func(path string) error {
		if tries++; tries < 3 {
			return unix.EBUSY
		}
		return os.RemoveAll(path)
	}
	if err := g.Close(); err != nil || tries != 3 {
		t.Errorf("after %d tries: %v", tries, err)
	}
}
