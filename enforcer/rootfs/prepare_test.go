package rootfs

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"github.com/least-privilege/lpm/enforcer/plan"
)

func layer() plan.Layer {
	return plan.Layer{Entries: []plan.LayerEntry{
		{Path: "/data/new", Kind: plan.LayerDir},
		{Path: "/dev/fd", Kind: plan.LayerSymlink, Target: "/proc/self/fd"},
		{Path: "/etc/hosts", Kind: plan.LayerFile, Content: "127.0.0.1 localhost\n"},
		{Path: "/usr/bin/one", Kind: plan.LayerWhiteout},
		{Path: "/usr/bin/two", Kind: plan.LayerWhiteout},
	}}
}

func TestPrepare(t *testing.T) {
	root := image(t, map[string]string{"data/": "", "usr/bin/one*": "x", "usr/bin/two*": "x"})
	if err := os.Chmod(filepath.Join(root, "data"), 0o1770); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(root, "data"), 0o770|fs.ModeSticky); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "layer")
	if err := Prepare(t.Context(), Layer{Tree: root, Dir: dir, Spec: layer()}); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(filepath.Join(dir, "data")); err != nil || info.Mode() != fs.ModeDir|fs.ModeSticky|0o770 {
		t.Errorf("data: %v, %v; want the mode that it has in the image", info.Mode(), err)
	}
	if target, err := os.Readlink(filepath.Join(dir, "dev/fd")); err != nil || target != "/proc/self/fd" {
		t.Errorf("dev/fd: %q, %v", target, err)
	}
	if b, err := os.ReadFile(filepath.Join(dir, "etc/hosts")); err != nil || len(b) == 0 {
		t.Errorf("etc/hosts: %q, %v", b, err)
	}
	for _, name := range []string{"one", "two"} {
		var stat syscall.Stat_t
		if err := syscall.Lstat(filepath.Join(dir, "usr/bin", name), &stat); err != nil {
			t.Fatal(err)
		}
		if stat.Mode&syscall.S_IFMT != syscall.S_IFCHR || stat.Rdev != 0 {
			t.Errorf("%s is no whiteout: mode %o, device %d", name, stat.Mode, stat.Rdev)
		}
	}
}

// TestPrepareAtOnce: several processes that prepare one layer all find it
// whole, and leave nothing else behind.
func TestPrepareAtOnce(t *testing.T) {
	root := image(t, map[string]string{"data/": ""})
	base := t.TempDir()
	l := Layer{Tree: root, Dir: filepath.Join(base, "layer"), Spec: layer()}
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			if err := Prepare(t.Context(), l); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if list, err := os.ReadDir(base); err != nil || len(list) != 1 {
		t.Errorf("%v left, %v", list, err)
	}
}

// TestPrepareCancelled leaves nothing behind.
func TestPrepareCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	base := t.TempDir()
	if err := Prepare(ctx, Layer{Tree: t.TempDir(), Dir: filepath.Join(base, "layer"), Spec: layer()}); err == nil {
		t.Error("no error after the context was cancelled")
	}
	if list, err := os.ReadDir(base); err != nil || len(list) != 0 {
		t.Errorf("%v left, %v", list, err)
	}
}
