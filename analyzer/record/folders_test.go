package record

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// rootOf returns a descriptor of a folder, to be taken for a root.
func rootOf(t *testing.T, dir string) int {
	t.Helper()
	root, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(root) })
	return root
}

// must is for what prepares a test.
func must(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// TestOpenFolders: what is in a folder that is held open is found as by a walk,
// and left to a walk where a link is on the way or would be followed.
func TestOpenFolders(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	must(t, os.Mkdir(at("a"), 0o755), os.WriteFile(at("a/file"), []byte("12345"), 0o640),
		os.Symlink("file", at("a/link")), os.Symlink("a", at("b")), os.Symlink("/etc", at("out")))
	root, now := rootOf(t, dir), time.Now()
	var f openFolders
	defer f.close()
	for range 2 { // opened, and open
		p, ok := f.find(root, "/a/file", true, now)
		if !ok || p.Err != nil || p.Path != "/a/file" || p.Stat.Size != 5 || p.Stat.Mode&0o777 != 0o640 {
			t.Errorf("/a/file: %v, %+v", ok, p)
		}
	}
	if len(f.open) != 1 {
		t.Errorf("%d folders are open", len(f.open))
	}
	if p, ok := f.find(root, "/a/none", true, now); !ok || !errors.Is(p.Err, unix.ENOENT) {
		t.Errorf("/a/none: %v, %v", ok, p.Err)
	}
	if p, ok := f.find(root, "/a/link", false, now); !ok || p.Stat.Mode&unix.S_IFMT != unix.S_IFLNK {
		t.Errorf("/a/link itself: %v, %+v", ok, p)
	}
	for _, name := range []string{"/a/link", "/b/file", "/out/passwd", "/a/../a/file", "/a/file/", "/", "/none/file", "/a/file/none", "/proc/self"} {
		if p, ok := f.find(root, name, true, now); ok {
			t.Errorf("%s was found without a walk: %+v", name, p)
		}
	}
}

// TestOpenFoldersAreLetGo: a path that may lead elsewhere is walked to anew, after
// a change and after a moment; and there are never many.
func TestOpenFoldersAreLetGo(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	must(t, os.MkdirAll(at("a/b"), 0o755), os.WriteFile(at("a/b/old"), nil, 0o600),
		os.MkdirAll(at("other/b"), 0o755), os.WriteFile(at("other/b/new"), nil, 0o600))
	root, now := rootOf(t, dir), time.Now()
	var f openFolders
	defer f.close()
	finds := func(name string, now time.Time) bool {
		t.Helper()
		p, ok := f.find(root, name, true, now)
		if !ok {
			t.Fatalf("%s was not looked for", name)
		}
		return p.Err == nil
	}
	if !finds("/a/b/old", now) {
		t.Fatal("/a/b/old is not there")
	}
	must(t, unix.Renameat2(root, "a", root, "other", unix.RENAME_EXCHANGE))
	if finds("/a/b/new", now) {
		t.Error("the folder is not held open")
	}
	f.forgetBelow("/a")
	if !finds("/a/b/new", now) {
		t.Error("the folder that was there before is still looked into")
	}
	must(t, unix.Renameat2(root, "a", root, "other", unix.RENAME_EXCHANGE))
	if !finds("/a/b/old", now.Add(fresh)) {
		t.Error("a folder is held open for too long")
	}
	for i := range 3 * maxFolders {
		name := fmt.Sprintf("f%d", i)
		must(t, os.Mkdir(at(name), 0o755))
		if finds("/"+name+"/none", now) {
			t.Fatalf("something is in /%s", name)
		}
		if len(f.open) > maxFolders {
			t.Fatalf("%d folders are held open", len(f.open))
		}
	}
	f.close()
	if len(f.open) != 0 {
		t.Errorf("%d folders stay open", len(f.open))
	}
}
