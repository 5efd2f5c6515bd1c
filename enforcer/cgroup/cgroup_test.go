package cgroup

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/least-privilege/lpm/manifest"
)

func TestLimits(t *testing.T) {
	for _, test := range []struct {
		name string
		ask  manifest.Resources
		want []string
	}{
		{"nothing asked", manifest.Resources{}, nil},
		{"a share of the disk", manifest.Resources{IOWeight: 50}, []string{"io.weight=50", "io.bfq.weight=50"}},
		{"descriptors and file size are no cgroup's", manifest.Resources{OpenFiles: 9, FileSize: 9}, nil},
		{"memory without swap", manifest.Resources{Memory: 64 << 20}, []string{"memory.max=67108864", "memory.swap.max=0"}},
		{"processes", manifest.Resources{PIDs: 20}, []string{"pids.max=20"}},
		{"half a processor", manifest.Resources{MilliCPU: 500}, []string{"cpu.max=50000 100000"}},
		{"three processors", manifest.Resources{MilliCPU: 3000}, []string{"cpu.max=300000 100000"}},
		{"the least share of the usual period", manifest.Resources{MilliCPU: 10}, []string{"cpu.max=1000 100000"}},
		{"a thousandth needs the longest period", manifest.Resources{MilliCPU: 1}, []string{"cpu.max=1000 1000000"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			limits, err := limitsOf(test.ask)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, l := range limits {
				got = append(got, l.file+"="+l.value)
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestImpossibleLimits(t *testing.T) {
	for _, ask := range []manifest.Resources{{Memory: -1}, {PIDs: -1}, {MilliCPU: -1}, {IOWeight: -1}, {MilliCPU: 1 << 62}} {
		if limits, err := limitsOf(ask); err == nil {
			t.Errorf("%+v became %+v", ask, limits)
		}
	}
}

func TestGroupIsMadeWithItsLimits(t *testing.T) {
	f, parent := imitation(t, "cpu memory pids", "")
	g, err := f.group(parent, "web", manifest.Resources{Memory: 1 << 20, PIDs: 7, MilliCPU: 250})
	if err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]string{
		"memory.max": "1048576", "memory.swap.max": "0", "pids.max": "7", "cpu.max": "25000 100000",
	} {
		if got := content(t, g.Path(), file); !strings.HasPrefix(got, want) {
			t.Errorf("%s holds %q, want %q", file, got, want)
		}
	}
	if got := content(t, parent, "cgroup.subtree_control"); got != "+memory +pids +cpu" {
		t.Errorf("handed down %q", got)
	}
	if info, err := g.Dir().Stat(); err != nil || !info.IsDir() || g.FD() < 0 {
		t.Errorf("Dir is no folder: %v, %v", info, err)
	}
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(g.Path()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the group is still there: %v", err)
	}
	if err := g.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
}

func TestWhatIsHandedDownStays(t *testing.T) {
	f, parent := imitation(t, "memory pids", "memory pids\n")
	fill(t, parent, map[string]string{"cgroup.procs": strconv.Itoa(os.Getpid()) + "\n"})
	g, err := f.group(parent, "web", manifest.Resources{PIDs: 7})
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	if got := content(t, parent, "cgroup.subtree_control"); got != "memory pids" {
		t.Errorf("subtree_control was written: %q", got)
	}
	if _, err := os.Stat(filepath.Join(parent, Launchers)); err == nil {
		t.Error("the process stepped aside without need")
	}
}

func TestRefusedGroups(t *testing.T) {
	some := manifest.Resources{Memory: 1 << 20}
	for _, test := range []struct {
		name     string
		group    string
		spoil    func(t *testing.T, parent string, f *folders)
		want     error
		wantHint bool
	}{
		{name: "no name", group: ""},
		{name: "a name that leads up", group: ".."},
		{name: "a name in another folder", group: "a/b"},
		{name: "a name of a control file", group: "memory.max"},
		{name: "the launchers' own name", group: Launchers},
		{
			name: "a name that is taken", group: "taken", want: fs.ErrExist, wantHint: true,
			spoil: func(t *testing.T, parent string, f *folders) {
				if err := os.Mkdir(filepath.Join(parent, "taken"), 0o755); err != nil {
					t.Fatal(err)
				}
			},
		},
		{
			name: "a controller that was not delegated", group: "web", want: ErrController, wantHint: true,
			spoil: func(t *testing.T, parent string, f *folders) {
				fill(t, parent, map[string]string{"cgroup.controllers": "pids memory_other\n"})
			},
		},
		{
			name: "a folder that is no cgroup", group: "web", want: fs.ErrNotExist, wantHint: true,
			spoil: func(t *testing.T, parent string, f *folders) {
				if err := os.Remove(filepath.Join(parent, "cgroup.subtree_control")); err != nil {
					t.Fatal(err)
				}
			},
		},
		{
			name: "a kernel that cannot kill a group", group: "web", want: ErrUnsupported, wantHint: true,
			spoil: lacking("cgroup.kill"),
		},
		{
			name: "a kernel without the limit", group: "web", want: ErrUnsupported,
			spoil: lacking("memory.max"),
		},
		{
			name: "swap that would not be counted", group: "web", want: ErrUnsupported,
			spoil: lacking("memory.swap.max"),
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			f, parent := imitation(t, "memory", "")
			if test.spoil != nil {
				test.spoil(t, parent, &f)
			}
			before := subfolders(t, parent)
			g, err := f.group(parent, test.group, some)
			if err == nil {
				g.Close()
				t.Fatal("the group was made")
			}
			if test.want != nil && !errors.Is(err, test.want) {
				t.Errorf("got %v, want %v", err, test.want)
			}
			var hinted *Error
			if !errors.As(err, &hinted) || (hinted.Hint() != "") != test.wantHint {
				t.Errorf("%v: hint %t wanted", err, test.wantHint)
			}
			if after := subfolders(t, parent); !slices.Equal(before, after) {
				t.Errorf("left %q behind, had %q", after, before)
			}
		})
	}
}

// lacking imitates a kernel that lacks a control file.
func lacking(name string) func(*testing.T, string, *folders) {
	return func(t *testing.T, parent string, f *folders) {
		usual := f.make
		f.make = func(path string, mode fs.FileMode) error {
			return errors.Join(usual(path, mode), os.Remove(filepath.Join(path, name)))
		}
	}
}

func subfolders(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		if e.IsDir() {
			names = append(names, e.Name())
		}
	}
	return names
}

func TestCloseKillsBeforeItRemoves(t *testing.T) {
	f, parent := imitation(t, "pids", "")
	g, err := f.group(parent, "web", manifest.Resources{PIDs: 7})
	if err != nil {
		t.Fatal(err)
	}
	if err := f.make(filepath.Join(g.Path(), "below"), 0o755); err != nil {
		t.Fatal(err)
	}
	var removed []string
	g.folders.remove = func(path string) error {
		if got := content(t, g.Path(), "cgroup.kill"); got != "1" {
			t.Errorf("cgroup.kill holds %q when %s is removed", got, path)
		}
		removed = append(removed, filepath.Base(path))
		return nil
	}
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
	if want := []string{"below", "web"}; !slices.Equal(removed, want) {
		t.Errorf("removed %q, want %q", removed, want)
	}
}

func TestEmptyGivesUpOnProcessesThatStay(t *testing.T) {
	dir := t.TempDir()
	fill(t, dir, map[string]string{"cgroup.events": "populated 1\nfrozen 0\n"})
	if err := empty(dir, 0); !errors.Is(err, ErrAlive) {
		t.Errorf("got %v, want %v", err, ErrAlive)
	}
	fill(t, dir, map[string]string{"cgroup.events": "unpopulated 0\n"})
	if err := empty(dir, 0); !errors.Is(err, ErrAlive) {
		t.Errorf("a key that only ends alike: got %v, want %v", err, ErrAlive)
	}
}
