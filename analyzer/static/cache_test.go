package static

import (
	"io"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"testing"
)

func TestCache(t *testing.T) {
	root, folder := treeOf(t, "/bin/cat"), t.TempDir()
	scan := func() *Evidence {
		t.Helper()
		e, err := Scan(root, runtime.GOARCH, []string{"/bin/cat"}, folder)
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	first := scan()
	entries := func() map[string][]byte {
		t.Helper()
		names, err := os.ReadDir(folder)
		if err != nil {
			t.Fatal(err)
		}
		all := map[string][]byte{}
		for _, n := range names {
			data, err := os.ReadFile(filepath.Join(folder, n.Name()))
			if err != nil {
				t.Fatal(err)
			}
			all[n.Name()] = data
		}
		return all
	}
	kept := entries()
	if len(kept) != 3 { // the program, its C library, the loader
		t.Errorf("%d entries", len(kept))
	}
	if again := scan(); !reflect.DeepEqual(again, first) {
		t.Errorf("from the cache %+v, want %+v", again, first)
	}
	for what, damage := range map[string]func([]byte) []byte{
		"empty":     func([]byte) []byte { return nil },
		"cut short": func(b []byte) []byte { return b[:len(b)/2] },
		"changed":   func(b []byte) []byte { b = append([]byte(nil), b...); b[len(b)/2] ^= 1; return b },
		"longer":    func(b []byte) []byte { return append(append([]byte(nil), b...), ' ') },
	} {
		for name, data := range kept {
			if err := os.WriteFile(filepath.Join(folder, name), damage(data), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if again := scan(); !reflect.DeepEqual(again, first) {
			t.Errorf("from a cache that is %s: %+v, want %+v", what, again, first)
		}
		if !reflect.DeepEqual(entries(), kept) {
			t.Errorf("a cache that is %s was not written again", what)
		}
	}
}

func TestCacheIsUsed(t *testing.T) {
	folder := t.TempDir()
	f, err := os.Open("/bin/cat")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	c := newCache(folder)
	if _, err := c.file(io.NewSectionReader(f, 0, info.Size())); err != nil {
		t.Fatal(err)
	}
	names, err := filepath.Glob(filepath.Join(folder, "*"))
	if err != nil || len(names) != 1 {
		t.Fatalf("entries %q, %v", names, err)
	}
	c.write(names[0], &file{Architecture: "kept", Sets: []set{{}}})
	if got, err := c.file(io.NewSectionReader(f, 0, info.Size())); err != nil || got.Architecture != "kept" {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestCacheChecks holds that an index into nothing is damage too.
func TestCacheChecks(t *testing.T) {
	sets := []set{{}}
	for what, f := range map[string]*file{
		"no sets":   {},
		"an entry":  {Sets: sets, Entry: 1},
		"an import": {Sets: []set{{Imports: []int{0}}}},
		"a site":    {Sets: []set{{Sites: []int{-1}}}},
		"a call":    {Sets: []set{{Calls: []int{maxNumber}}}},
		"an export": {Sets: sets, Exports: map[string]int{"f": 7}},
		"a near":    {Sets: sets, Near: map[string][]int{"f": {-1}}},
	} {
		if f.check() == nil {
			t.Errorf("%s: no error", what)
		}
	}
}
