package supervise

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// TestFindInALentRoot: paths are walked in the root that was lent, which no ".."
// and no link leads out of, and which stays open.
func TestFindInALentRoot(t *testing.T) {
	dir := t.TempDir()
	for name, target := range map[string]string{"out": "../../../../etc", "absolute": "/file", "nowhere": "/none"} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	root, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(root)
	if err := unix.Mkfifo(filepath.Join(dir, "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	th := newThread(t, "getppid")
	found := map[string]Place{}
	end := th.serve(t.Context(), decide(func(c *Call) Verdict {
		c.UseRoot(root)
		for _, name := range []string{"/absolute", "/out/passwd", "/../file", "/file", "/pipe", "/none", "/no/folder", "/file/below", "/nowhere"} {
			p, err := c.Find(name, true)
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			found[name] = p
		}
		return Verdict{}
	}))
	for range 2 {
		if _, errno := th.call("getppid"); errno != 0 {
			t.Fatal(errno)
		}
	}
	if _, err := end(); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"/absolute", "/../file"} {
		if p := found[name]; p.Err != nil || p.Path != filepath.Join(dir, "file") {
			t.Errorf("%s led to %+v", name, p)
		}
	}
	// Without links a path is what it says, whether it is there or not.
	for name, want := range map[string]error{
		"/file": nil, "/pipe": nil, "/none": unix.ENOENT, "/no/folder": unix.ENOENT, "/file/below": unix.ENOTDIR,
	} {
		if p := found[name]; p.Path != name || !errors.Is(p.Err, want) {
			t.Errorf("%s led to %s, %v", name, p.Path, p.Err)
		}
	}
	if p := found["/pipe"]; p.Stat.Mode&unix.S_IFMT != unix.S_IFIFO {
		t.Errorf("the pipe has mode %o", p.Stat.Mode)
	}
	if p := found["/nowhere"]; !errors.Is(p.Err, unix.ENOENT) || p.Path == "/nowhere" {
		t.Errorf("a link to nothing led to %s, %v", p.Path, p.Err)
	}
	if p := found["/out/passwd"]; p.Err == nil {
		t.Errorf("a link led out of the root, to %s", p.Path)
	}
}

// TestFindWhileOthersRename: a path with ".." is walked again when the kernel
// asks for that, because something was renamed meanwhile.
func TestFindWhileOthersRename(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "a", "b", "c"), 0o700); err != nil {
		t.Fatal(err)
	}
	moving := filepath.Join(dir, "moving")
	if err := os.Mkdir(moving, 0o700); err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	var renames sync.WaitGroup
	renames.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				_ = os.Rename(moving, moving+"2")
				_ = os.Rename(moving+"2", moving)
			}
		}
	})
	defer func() { close(stop); renames.Wait() }()
	th := newThread(t, "getppid")
	end := th.serve(t.Context(), decide(func(c *Call) Verdict {
		name := filepath.Join(dir, "a/b/c") + strings.Repeat("/../c", 12)
		for range 3000 {
			if p, err := c.Find(name, true); err != nil || p.Err != nil {
				t.Errorf("%v, %v", p.Err, err)
				break
			}
		}
		return Verdict{}
	}))
	if _, errno := th.call("getppid"); errno != 0 {
		t.Fatal(errno)
	}
	if _, err := end(); err != nil {
		t.Fatal(err)
	}
}
