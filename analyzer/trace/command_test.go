package trace

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/least-privilege/lpm/analyzer/evidence"
	"github.com/least-privilege/lpm/manifest"
)

// TestCommandLine: whatever a process is called, its record can be kept.
func TestCommandLine(t *testing.T) {
	long := strings.Repeat("/srv/lib/a.jar:", 1000)
	for _, tt := range []struct {
		name, text string
		want       []string // nil where it is enough that it can be kept
	}{
		{"as usual", "nginx\x00-g\x00\x00daemon off;\x00", []string{"nginx", "-g", "", "daemon off;"}},
		{"a title", "nginx: master process\x00\x00\x00\x00", []string{"nginx: master process"}},
		{"a long argument", "java\x00-cp\x00" + long + "\x00Main\x00", []string{"java", "-cp", evidence.Fit(long), "Main"}},
		{"many arguments", strings.Repeat("0\x00", 20000), nil},
		{"no UTF-8", strings.Repeat("\xff", 5000) + "\x00" + strings.Repeat("é\xff", 3000), nil},
		{"without end", strings.Repeat("a", 1<<20), nil},
	} {
		name := filepath.Join(t.TempDir(), "cmdline")
		if err := os.WriteFile(name, []byte(tt.text), 0o644); err != nil {
			t.Fatal(err)
		}
		got, err := commandLine(name)
		if err != nil || tt.want != nil && !slices.Equal(got, tt.want) {
			t.Errorf("%s: %.100q, %v", tt.name, got, err)
		}
		r := &evidence.Record{
			Version: evidence.Version, Image: evidence.Image{Digest: "sha256:" + strings.Repeat("0", 64)}, Architecture: "amd64",
			Kernel: "6.18", Workload: evidence.Workload{Command: got}, Started: time.Unix(0, 0).UTC(),
			Network: manifest.NetworkHost, Identity: evidence.Identity{Mode: manifest.IdentitySingle},
		}
		kept, err := r.Encode()
		if err != nil {
			t.Errorf("%s cannot be kept: %v", tt.name, err)
			continue
		}
		if _, err := evidence.Decode(kept); err != nil {
			t.Errorf("%s cannot be read: %v", tt.name, err)
		}
	}
	if _, err := commandLine(filepath.Join(t.TempDir(), "missing")); err == nil {
		t.Error("what is not there is read")
	}
}
