package cmd_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestKernelScript runs the scripts that start containers. $TEST_IMAGES has
// the images of testdata/images. Beside testscript's own commands and exits
// there is
//
//	same-calls PLAN TRACE   the plan (JSON) lists the very calls that strace saw
func TestKernelScript(t *testing.T) {
	images, err := filepath.Abs(os.Getenv("LPM_TEST_IMAGES"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(images, "static.tar")); err != nil {
		if os.Getenv("LPM_MUST_SANDBOX") != "" {
			t.Fatalf("no test images: %v", err)
		}
		t.Skipf("no test images: %v (LPM_TEST_IMAGES names their folder; make images builds them)", err)
	}
	testscript.Run(t, testscript.Params{
		Dir:           filepath.Join("..", "testdata", "script", "kernel"),
		UpdateScripts: *update,
		Setup: func(env *testscript.Env) error {
			env.Setenv("TEST_IMAGES", images)
			env.Setenv("BELL", "ring\a")
			env.Setenv("XDG_DATA_HOME", filepath.Join(env.WorkDir, "data"))
			env.Setenv("XDG_CONFIG_HOME", filepath.Join(env.WorkDir, "config"))
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits, "native": native, "same-calls": sameCalls},
	})
}
