package ablation

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/least-privilege/lpm/analyzer/prove/journal"
)

func TestLock(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "above", "work")
	first, err := NewLock(dir)
	if err != nil {
		t.Fatal(err)
	}
	var f *FolderError
	if _, err := NewLock(dir); !errors.As(err, &f) || !errors.Is(f.Err, journal.ErrInUse) {
		t.Errorf("a second lock: %v", err)
	}
	if err := first.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("an empty folder that was made is left: %v", err)
	}

	// One that was there before stays, and so does one with something in it.
	for _, fill := range []string{"", "record.json"} {
		before := filepath.Join(t.TempDir(), "work")
		if fill == "" {
			if err := os.Mkdir(before, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		l, err := NewLock(before)
		if err != nil {
			t.Fatal(err)
		}
		if fill != "" {
			if err := os.WriteFile(filepath.Join(before, fill), nil, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		if _, err := os.Lstat(before); err != nil {
			t.Errorf("the folder with %q: %v", fill, err)
		}
	}
}
