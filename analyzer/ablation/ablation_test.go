package ablation

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// TestCheckFolder: a folder that somebody else keeps things in under the same names is
// left alone, for volumes are removed and results replaced.
func TestCheckFolder(t *testing.T) {
	for name, test := range map[string]struct {
		files []string
		ours  bool
	}{
		"empty":                   {nil, true},
		"a record":                {[]string{"record.json"}, true},
		"an interrupted search":   {[]string{journalFile, "volumes/1/file", "output/1.txt"}, true},
		"a finished search":       {[]string{journalFile, ResultsFile}, true},
		"volumes of another tool": {[]string{"volumes/database/file"}, false},
		"results of another tool": {[]string{ResultsFile}, false},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "work")
			for _, f := range test.files {
				path := filepath.Join(dir, f)
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, nil, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			err := CheckFolder(dir)
			var folder *FolderError
			if test.ours && err != nil || !test.ours && (!errors.As(err, &folder) || folder.Hint() != "choose another folder") {
				t.Errorf("error: %v", err)
			}
		})
	}
}
