package unpack_test

import (
	"archive/tar"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/least-privilege/lpm/registry/unpack"
	. "github.com/least-privilege/lpm/registry/unpack/imagetest"
	"github.com/least-privilege/lpm/registry/unpack/rangetest"
)

func TestMain(m *testing.M) { rangetest.Main(m) }

// job writes the image to a layout and returns the job that unpacks it.
func job(t *testing.T, kind unpack.Kind, img Image) unpack.Job {
	t.Helper()
	dir := t.TempDir()
	img.Layout(t, filepath.Join(dir, "layout"), "test:latest")
	if err := os.Mkdir(filepath.Join(dir, "work"), 0o755); err != nil {
		t.Fatal(err)
	}
	return unpack.Job{
		Kind:     kind,
		Layout:   filepath.Join(dir, "layout"),
		Manifest: img.Descriptor.Digest,
		Dest:     filepath.Join(dir, "work", "root"),
	}
}

// list describes a tree, one line for each name.
func list(t *testing.T, root string) []string {
	t.Helper()
	lines := []string{}
	inodes := map[uint64]string{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(root, path)
		st := info.Sys().(*syscall.Stat_t)
		first, linked := inodes[st.Ino]
		switch {
		case info.Mode()&fs.ModeSymlink != 0:
			target, err := os.Readlink(path)
			if err != nil {
				return err
			}
			lines = append(lines, fmt.Sprintf("%s -> %s", name, target))
		case info.Mode().IsRegular() && linked:
			lines = append(lines, fmt.Sprintf("%s = %s", name, first))
		case info.Mode().IsRegular():
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			inodes[st.Ino] = name
			lines = append(lines, fmt.Sprintf("%s %v %q", name, info.Mode(), data))
		default:
			lines = append(lines, fmt.Sprintf("%s %v", name, info.Mode()))
		}
		return nil
	})
	if err != nil {
		t.Fatalf("listing the tree: %v", err)
	}
	return lines
}

func TestRunUnpacks(t *testing.T) {
	const root = ". drwxr-xr-x"
	mode := func(e Entry, mode int64) Entry {
		return e.With(func(h *tar.Header) { h.Mode = mode })
	}
	for _, test := range []struct {
		name   string
		layers [][]Entry
		want   []string
	}{
		{"files, folders and links", [][]Entry{{
			Dir("bin"), mode(File("bin/sh", "#!"), 0o755), Symlink("sh", "bin/sh"), Link("bin/ash", "bin/sh"),
		}}, []string{root, "bin drwxr-xr-x", `bin/ash -rwxr-xr-x "#!"`, "bin/sh = bin/ash", "sh -> bin/sh"}},
		{"folders that no entry names", [][]Entry{{File("a/b/c", "")}},
			[]string{root, "a drwxr-xr-x", "a/b drwxr-xr-x", `a/b/c -rw-r--r-- ""`}},
		{"absolute names stay inside", [][]Entry{{File("/etc/passwd", "root")}},
			[]string{root, "etc drwxr-xr-x", `etc/passwd -rw-r--r-- "root"`}},
		{"a later layer replaces a file", [][]Entry{{File("a", "old")}, {File("a", "new")}},
			[]string{root, `a -rw-r--r-- "new"`}},
		{"a file takes the place of a folder", [][]Entry{{File("a/b", "")}, {File("a", "file")}},
			[]string{root, `a -rw-r--r-- "file"`}},
		{"a folder takes the place of a file", [][]Entry{{File("a", "file")}, {File("a/b", "in it")}},
			[]string{root, "a drwxr-xr-x", `a/b -rw-r--r-- "in it"`}},
		{"a whiteout hides a file", [][]Entry{{File("a", ""), File("b", "")}, {File(".wh.a", "")}},
			[]string{root, `b -rw-r--r-- ""`}},
		{"a whiteout hides a folder", [][]Entry{{File("d/a", "")}, {File(".wh.d", "")}}, []string{root}},
		{"a whiteout spares what its own layer made", [][]Entry{{File("d/old", "")}, {File("d/new", ""), File(".wh.d", "")}},
			[]string{root, "d drwxr-xr-x", `d/new -rw-r--r-- ""`}},
		{"an opaque whiteout hides what was below", [][]Entry{{File("d/old", "")}, {Dir("d"), File("d/.wh..wh..opq", ""), File("d/new", "")}},
			[]string{root, "d drwxr-xr-x", `d/new -rw-r--r-- ""`}},
		{"an opaque whiteout after its layer's files", [][]Entry{{File("d/old", "")}, {File("d/new", ""), File("d/.wh..wh..opq", "")}},
			[]string{root, "d drwxr-xr-x", `d/new -rw-r--r-- ""`}},
		{"a whiteout of nothing", [][]Entry{{File("gone/.wh.a", "")}}, []string{root}},
		{"a whiteout that is a device", [][]Entry{{File("a", "")}, {Entry{Header: tar.Header{Typeflag: tar.TypeChar, Name: ".wh.a"}}}},
			[]string{root}},
		{"devices and FIFOs are left out", [][]Entry{{
			Dir("dev"),
			Entry{Header: tar.Header{Typeflag: tar.TypeChar, Name: "dev/mem", Devmajor: 1, Devminor: 1, Mode: 0o666}},
			Entry{Header: tar.Header{Typeflag: tar.TypeBlock, Name: "dev/sda", Devmajor: 8, Mode: 0o666}},
			Entry{Header: tar.Header{Typeflag: tar.TypeFifo, Name: "dev/initctl", Mode: 0o666}},
		}}, []string{root, "dev drwxr-xr-x"}},
		{"a device hides the file below it", [][]Entry{{File("x", "file")}, {Entry{Header: tar.Header{Typeflag: tar.TypeChar, Name: "x"}}}},
			[]string{root}},
		{"set-id bits go, the sticky bit stays", [][]Entry{{mode(File("su", ""), 0o6755), mode(Dir("tmp"), 0o1777)}},
			[]string{root, `su -rwxr-xr-x ""`, "tmp dtrwxrwxrwx"}},
		{"one id can use and remove everything", [][]Entry{{mode(Dir("closed"), 0), mode(File("closed/shadow", "x"), 0)}},
			[]string{root, "closed drwx------", `closed/shadow -r-------- "x"`}},
		{"the root folder's own mode", [][]Entry{{mode(Dir("./"), 0o555), File("a", "")}},
			[]string{". drwxr-xr-x", `a -rw-r--r-- ""`}},
		{"an archive-wide comment", [][]Entry{{Entry{Header: tar.Header{Typeflag: tar.TypeXGlobalHeader, PAXRecords: map[string]string{"comment": "x"}}}, File("a", "")}},
			[]string{root, `a -rw-r--r-- ""`}},
		{"no layers", nil, []string{root}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var layers []Layer
			for i, entries := range test.layers {
				l := Plain(t, entries...)
				layers = append(layers, []Layer{l, Gzip(t, l), Zstd(t, l)}[i%3])
			}
			j := job(t, unpack.Single, New(t, layers...))
			if err := unpack.Run(t.Context(), j); err != nil {
				t.Fatal(err)
			}
			if got := list(t, j.Dest); !slices.Equal(got, test.want) {
				t.Errorf("tree is\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(test.want, "\n\t"))
			}
		})
	}
}

func TestRunKeepsTimes(t *testing.T) {
	j := job(t, unpack.Single, New(t, Plain(t, Dir("d"), File("d/f", ""))))
	if err := unpack.Run(t.Context(), j); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"d", "d/f"} {
		info, err := os.Stat(filepath.Join(j.Dest, name))
		if err != nil {
			t.Fatal(err)
		}
		if !info.ModTime().Equal(Built) {
			t.Errorf("%s was modified %v, want %v", name, info.ModTime(), Built)
		}
	}
}

func TestRunLeavesOutAttributes(t *testing.T) {
	entry := File("f", "").With(func(h *tar.Header) {
		h.PAXRecords = map[string]string{
			"SCHILY.xattr.user.overlay.redirect": "/etc",
			"SCHILY.xattr.user.mine":             "1",
			"SCHILY.xattr.security.capability":   "\x01\x00\x00\x02\xff\xff\xff\xff",
		}
	})
	j := job(t, unpack.Single, New(t, Plain(t, entry)))
	if err := unpack.Run(t.Context(), j); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 4096)
	n, err := syscall.Listxattr(filepath.Join(j.Dest, "f"), buf)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range strings.Split(string(buf[:n]), "\x00") {
		if strings.HasPrefix(name, "user.") || name == "security.capability" {
			t.Errorf("the file has the attribute %q", name)
		}
	}
}

func TestJobSurvivesJSON(t *testing.T) {
	want := unpack.Job{
		Kind: unpack.Range, Layout: "/l", Manifest: Hash([]byte("m")), Dest: "/d",
		Limits: unpack.Limits{Bytes: 1, Depth: 2}, Lock: "/k",
	}
	for _, want := range []unpack.Job{want, {Kind: unpack.Remove, Dest: "/d"}} {
		data, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		var got unpack.Job
		if err := json.Unmarshal(data, &got); err != nil {
			t.Fatalf("%s: %v", data, err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("read back %+v, want %+v", got, want)
		}
	}
}

func TestRemove(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "tree")
	outside := filepath.Join(t.TempDir(), "outside")
	for _, d := range []string{filepath.Join(dir, "a", "b"), outside} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(outside, filepath.Join(dir, "a", "link")); err != nil {
		t.Fatal(err)
	}
	for _, d := range []string{filepath.Join(dir, "a", "b"), filepath.Join(dir, "a")} {
		if err := os.Chmod(d, 0); err != nil {
			t.Fatal(err)
		}
	}
	if err := unpack.Run(t.Context(), unpack.Job{Kind: unpack.Remove, Dest: dir}); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(dir); !os.IsNotExist(err) {
		t.Errorf("the tree is still there: %v", err)
	}
	if _, err := os.Stat(outside); err != nil {
		t.Errorf("a link's target went with the tree: %v", err)
	}
}

func TestRangeKeepsOwners(t *testing.T) {
	run := rangetest.Runner(t)
	owned := func(e Entry, uid, gid int) Entry {
		return e.With(func(h *tar.Header) { h.Uid, h.Gid = uid, gid })
	}
	private := owned(File("var/lib/redis/dump", "x"), 103, 106).With(func(h *tar.Header) { h.Mode = 0o600 })
	j := job(t, unpack.Range, New(t,
		Gzip(t, Plain(t, Dir("var"), owned(Dir("var/lib/redis"), 103, 106), owned(File("nobody", ""), 65534, 65535))),
		Plain(t, private, owned(Symlink("link", "nobody"), 7, 8)),
	))
	if err := run(t.Context(), j); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string][2]int{
		"": {0, 0}, "var": {0, 0}, "var/lib": {0, 0}, "var/lib/redis": {103, 106},
		"var/lib/redis/dump": {103, 106}, "nobody": {65534, 65535}, "link": {7, 8},
	} {
		info, err := os.Lstat(filepath.Join(j.Dest, name))
		if err != nil {
			t.Error(err)
			continue
		}
		st := info.Sys().(*syscall.Stat_t)
		if got, want := [2]int{int(st.Uid), int(st.Gid)}, rangetest.Outside(t, want[0], want[1]); got != want {
			t.Errorf("%q belongs to %v, want %v", name, got, want)
		}
	}
	if err := run(t.Context(), unpack.Job{Kind: unpack.Remove, Dest: j.Dest}); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(j.Dest); !os.IsNotExist(err) {
		t.Errorf("the tree is still there: %v", err)
	}
}

func TestRangeRefusesOtherOwners(t *testing.T) {
	run := rangetest.Runner(t)
	for _, ids := range [][2]int{{65536, 0}, {0, 65536}, {1 << 20, 1 << 20}} {
		entry := File("f", "").With(func(h *tar.Header) { h.Uid, h.Gid = ids[0], ids[1] })
		j := job(t, unpack.Range, New(t, Plain(t, entry)))
		err := run(t.Context(), j)
		if err == nil || !strings.Contains(err.Error(), "outside the ids 0 to 65535") {
			t.Errorf("owner %v: error %v, want one that names the range", ids, err)
		}
		if _, err := os.Lstat(j.Dest); !os.IsNotExist(err) {
			t.Errorf("owner %v: the tree was left behind", ids)
		}
	}
}

func TestRunRefusesWrongJobs(t *testing.T) {
	good := job(t, unpack.Single, New(t))
	for _, test := range []struct {
		name   string
		change func(*unpack.Job)
	}{
		{"no kind", func(j *unpack.Job) { j.Kind = "" }},
		{"relative destination", func(j *unpack.Job) { j.Dest = "root" }},
		{"the root folder", func(j *unpack.Job) { j.Dest = "/" }},
		{"unclean destination", func(j *unpack.Job) { j.Dest += "/../root" }},
		{"no such manifest", func(j *unpack.Job) { j.Manifest = Hash([]byte("other")) }},
		{"a digest that is a path", func(j *unpack.Job) { j.Manifest = v1.Hash{Algorithm: "sha256", Hex: "../../x"} }},
		{"another digest algorithm", func(j *unpack.Job) {
			j.Manifest = v1.Hash{Algorithm: "sha512", Hex: strings.Repeat("0", 128)}
		}},
		{"no such lock", func(j *unpack.Job) { j.Lock = filepath.Join(t.TempDir(), "none") }},
	} {
		t.Run(test.name, func(t *testing.T) {
			j := good
			test.change(&j)
			if err := unpack.Run(t.Context(), j); err == nil {
				t.Error("no error")
			}
			if _, err := os.Lstat(good.Dest); !os.IsNotExist(err) {
				t.Error("something was unpacked")
			}
		})
	}
}

func TestRunLeavesWhatWasThere(t *testing.T) {
	j := job(t, unpack.Single, New(t))
	if err := os.MkdirAll(filepath.Join(j.Dest, "mine"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unpack.Run(t.Context(), j); err == nil {
		t.Error("unpacked over a folder that exists")
	}
	if _, err := os.Stat(filepath.Join(j.Dest, "mine")); err != nil {
		t.Errorf("what was there is gone: %v", err)
	}
}

func TestRunStopsWithContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	j := job(t, unpack.Single, New(t, Plain(t, File("a", ""))))
	if err := unpack.Run(ctx, j); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want the context's", err)
	}
	if _, err := os.Lstat(j.Dest); !os.IsNotExist(err) {
		t.Error("the tree was left behind")
	}
}
