package cmd

import (
	"os"
	"testing"

	"github.com/least-privilege/lpm/cmd/render"
)

// TestLostOutput: what cannot be printed is a failure, however it is printed.
func TestLostOutput(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip(err)
	}
	defer full.Close()
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	t.Setenv("XDG_DATA_HOME", t.TempDir())
	for _, args := range [][]string{
		{"images"}, {"images", "-o", "json"}, {"explain", "syscall:read"}, {"explain", "syscall:read", "-o", "json"}, {"--help"},
	} {
		for out, want := range map[*os.File]int{null: exitOK, full: exitFailed} {
			s := &session{term: render.NewTerminal(null, out, null)}
			if code := execute(t.Context(), s, args); code != want {
				t.Errorf("%v to %s: exit code %d, want %d", args, out.Name(), code, want)
			}
		}
	}
}
