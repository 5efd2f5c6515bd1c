package record

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestParseStatus(t *testing.T) {
	const good = "Name:\tnginx\nNSpgid:\t812\t7\nUid:\t0\t1\t2\t3\nGid:\t4\t5\t6\t7\nGroups:\t8 9 \nCapEff:\t00000000a80425fb\n"
	got, err := parseStatus([]byte(good))
	want := credentials{uids: [4]uint32{0, 1, 2, 3}, gids: [4]uint32{4, 5, 6, 7}, groups: []uint32{8, 9}, effective: 0xa80425fb}
	if err != nil || got.uids != want.uids || got.gids != want.gids || !slices.Equal(got.groups, want.groups) || got.effective != want.effective {
		t.Errorf("got %+v, %v", got, err)
	}
	if n := innermost([]byte(good), "NSpgid"); n != 7 {
		t.Errorf("process group %d, want 7", n)
	}
	for name, bad := range map[string]string{
		"nothing": "", "a line missing": "Uid:\t0\t0\t0\t0\n",
		"an id missing":      "Uid:\t0\t0\t0\nGid:\t0\t0\t0\t0\nGroups:\t\nCapEff:\t0\n",
		"no number":          "Uid:\t0\t0\t0\tx\nGid:\t0\t0\t0\t0\nGroups:\t\nCapEff:\t0\n",
		"no capabilities":    "Uid:\t0\t0\t0\t0\nGid:\t0\t0\t0\t0\nGroups:\t\nCapEff:\t\n",
		"an id out of range": "Uid:\t0\t0\t0\t4294967296\nGid:\t0\t0\t0\t0\nGroups:\t\nCapEff:\t0\n",
	} {
		if _, err := parseStatus([]byte(bad)); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestParseStat(t *testing.T) {
	stat := []byte("12 (a) R (b) S 1 34 34 0 -1 4194304 0 0 0 0 150 50 0 0 20 0 6 0 100 0 7")
	want := sample{pids: 6, cpu: 2 * time.Second, resident: 7 * int64(os.Getpagesize())}
	if got, err := parseStat(stat); err != nil || got != want {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
	if g := processGroup(stat); g != 34 {
		t.Errorf("process group %d, want 34", g)
	}
	if _, err := parseStat([]byte("12 (a) S 1")); err == nil {
		t.Error("a short line: no error")
	}
	if n := parsePSS([]byte("00400000-7fff r--p [rollup]\nRss:  900 kB\nPss:  512 kB\nPss_Dirty: 1 kB\n")); n != 512<<10 {
		t.Errorf("memory %d", n)
	}
}

func TestParseInterpreter(t *testing.T) {
	for _, test := range []struct{ head, want string }{
		{"#!/bin/sh\n", "/bin/sh"}, {"#! /usr/bin/env python3\nimport os", "/usr/bin/env"},
		{"#!\t/bin/sh -e", "/bin/sh"}, {"#!/bin/../bin/sh", "/bin/sh"},
		{"#!sh\n", ""}, {"#!\n", ""}, {"\x7fELF", ""}, {"", ""}, {"#!/bin/sh\x00junk", "/bin/sh"},
	} {
		if got := parseInterpreter([]byte(test.head)); got != test.want {
			t.Errorf("%q names %q, want %q", test.head, got, test.want)
		}
	}
}

func FuzzParsers(f *testing.F) {
	f.Add([]byte("#!/bin/sh\n"))
	f.Add([]byte("Uid:\t0\t0\t0\t0\nGid:\t0\t0\t0\t0\nGroups:\t\nCapEff:\t0\n"))
	f.Add([]byte("12 (a) S 1 34 34 0 -1 0 0 0 0 0 150 50 0 0 20 0 6 0 100 0 0"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if p := parseInterpreter(data); p != "" && !filepath.IsAbs(p) {
			t.Errorf("interpreter %q", p)
		}
		_, _ = parseStatus(data)
		_, _ = parseStat(data)
		_ = processGroup(data)
		_ = parsePSS(data)
		_ = unixName(append([]byte{1, 0}, data...))
	})
}

// The look-ups are tried on the test's own process, whose root is the
// machine's.
func TestProcfs(t *testing.T) {
	self := os.Getpid()
	var w procfs
	root, err := w.enter(self)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	defer w.leave()
	c, err := w.credentials(self)
	if err != nil || c.uids[1] != uint32(os.Geteuid()) || c.gids[1] != uint32(os.Getegid()) {
		t.Errorf("credentials %+v, %v", c, err)
	}
	dir := t.TempDir()
	name := filepath.Join(dir, "script")
	if err := os.WriteFile(name, []byte("#!/bin/sh\nexit"), 0o751); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(name, 0o751); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(name, filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	fifo := filepath.Join(dir, "fifo")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	if f, err := w.stat(self, name); err != nil || f.mode != unix.S_IFREG|0o751 || f.uid != uint32(os.Geteuid()) {
		t.Errorf("stat %+v, %v", f, err)
	}
	if f, err := w.stat(self, filepath.Join(dir, "link")); err != nil || f.kind() != unix.S_IFLNK {
		t.Errorf("stat of a link %+v, %v", f, err)
	}
	if _, err := w.stat(self, filepath.Join(dir, "none")); !errors.Is(err, unix.ENOENT) {
		t.Errorf("stat of nothing: %v", err)
	}
	if b, err := w.head(self, name, 9); err != nil || string(b) != "#!/bin/sh" {
		t.Errorf("head %q, %v", b, err)
	}
	if _, err := w.head(self, fifo, 9); err == nil {
		t.Error("a FIFO was read")
	}
	if _, err := w.stat(self, fmt.Sprintf("/proc/self/root%s", name)); err == nil {
		t.Error("a magic link was followed")
	}
	for _, pid := range []int{self, 0, -syscall.Getpgrp()} {
		targets, err := w.signalled(self, pid)
		if err != nil || len(targets) == 0 {
			t.Errorf("kill %d reaches %v, %v", pid, targets, err)
		}
	}
	if _, err := w.signalled(self, 1<<30); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("kill of nobody: %v", err)
	}
}

func TestSample(t *testing.T) {
	r, err := New(options())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := r.Sample(ctx, os.Getpid(), time.Hour); err != nil {
		t.Fatal(err)
	}
	p := r.Record().Peaks
	if p.Memory < 1<<20 || p.PIDs < 1 {
		t.Errorf("peaks %+v of a running process", p)
	}
	s, err := take(os.Getpid(), nil, 1<<50)
	if err != nil || s.memory != 0 || s.resident < 1<<20 {
		t.Errorf("below the peak: %+v, %v", s, err)
	}
	if err := r.Sample(t.Context(), 1<<30, time.Hour); err != nil {
		t.Errorf("a process that has ended: %v", err)
	}
}

func TestPeaksOnlyRise(t *testing.T) {
	r, err := New(options())
	if err != nil {
		t.Fatal(err)
	}
	r.keep(sample{memory: 10, written: 1, pids: 4}, 500*time.Millisecond, time.Second)
	r.keep(sample{memory: 5, written: 2, pids: 1}, -time.Second, time.Second)
	r.keep(sample{}, time.Second, time.Millisecond) // too short to measure
	want := r.Record().Peaks
	want.Memory, want.Written, want.PIDs, want.MilliCPU = 10, 2, 4, 500
	if got := r.Record().Peaks; got != want {
		t.Errorf("peaks %+v, want %+v", got, want)
	}
}

// TestOwnProcIsNotFooled holds that what a container has at /proc later is no
// matter, and what it has mounted in there is not read.
func TestOwnProcIsNotFooled(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "proc"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "proc", "7"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mkfifo(filepath.Join(dir, "proc", "7", "status"), 0o600); err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if own := ownProc(fd); own != nil {
		t.Error("a folder was taken for /proc")
	}
	var w procfs
	if _, err := w.signalled(os.Getpid(), 7); err == nil {
		t.Error("the receivers of a signal were found without /proc")
	}
	w.own = os.NewFile(uintptr(fd), dir)
	if _, err := w.read("proc/7/../../.."); err == nil {
		t.Error("a path led out of /proc")
	}
}
