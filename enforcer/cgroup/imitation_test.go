package cgroup

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// imitation is a folder with the control files of a delegated cgroup. It keeps
// what is written and enforces nothing; the kernel's part is tested in
// kernel_test.go.
func imitation(t *testing.T, controllers, handedDown string) (folders, string) {
	t.Helper()
	parent := t.TempDir()
	fill(t, parent, map[string]string{
		"cgroup.controllers":     controllers + "\n",
		"cgroup.subtree_control": handedDown,
		"cgroup.procs":           "",
	})
	f := folders{
		make: func(path string, mode fs.FileMode) error {
			if err := os.Mkdir(path, mode); err != nil {
				return err
			}
			fill(t, path, map[string]string{
				"cgroup.kill": "", "cgroup.procs": "", "cgroup.events": "populated 0\nfrozen 0\n",
				"memory.max": "max\n", "memory.swap.max": "max\n", "pids.max": "max\n", "cpu.max": "max 100000\n",
				"io.weight": "default 100\n",
			})
			return nil
		},
		remove: func(path string) error { return os.RemoveAll(path) },
	}
	return f, parent
}

func fill(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// content returns what was written to the start of a control file. The
// imitation keeps the end of a longer old value; the kernel would not.
func content(t *testing.T, path ...string) string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(raw))
}
