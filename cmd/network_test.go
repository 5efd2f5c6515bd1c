package cmd_test

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/least-privilege/lpm/enforcer/network/networktest"
	"github.com/least-privilege/lpm/manifest"
	"github.com/least-privilege/lpm/schema"
)

// TestNetwork runs the scripts about containers' networks, each in a made-up
// internet of its own. Beside exits there are the commands of
// [networktest.World.Commands], the environment of [networktest.World.SetUp],
// and
//
//	grant FILE [CALL]...  the image netprobe may make all calls that were recorded
//	                      of its command all, the named ones with whatever
//	                      arguments, and has the network and other sections of
//	                      a manifest of the file; all is approved. What was sent
//	                      before is forgotten
//	victim ...            see endsEarly
//
// and the condition [root], which is whether root runs them.
//
// The image's program is there too, as netprobe, to show what can be done without
// lpm.
func TestNetwork(t *testing.T) {
	images := filepath.Dir(testImage(t, "netprobe"))
	files, err := filepath.Glob(filepath.Join("..", "testdata", "script", "network", "*.txtar"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			networktest.Run(t, func(t *testing.T, w *networktest.World) { runInWorld(t, w, file, images) })
		})
	}
}

func runInWorld(t *testing.T, w *networktest.World, file, images string) {
	commands := map[string]func(*testscript.TestScript, bool, []string){
		"exits":  exits,
		"victim": endsEarly(t, w),
		"grant": func(ts *testscript.TestScript, neg bool, args []string) {
			grantNetwork(ts, neg, args)
			ts.Check(w.Forget())
		},
	}
	maps.Copy(commands, w.Commands())
	// In a group, since scripts run in parallel and the world has to outlast
	// this one.
	t.Run("script", func(t *testing.T) {
		testscript.Run(t, testscript.Params{
			Files: []string{file}, UpdateScripts: *update, Cmds: commands,
			Condition: func(name string) (bool, error) {
				if name != "root" {
					return false, fmt.Errorf("no condition %q", name)
				}
				return os.Geteuid() == 0, nil
			},
			Setup: func(env *testscript.Env) error {
				env.Setenv("TEST_IMAGES", images)
				env.Setenv("XDG_DATA_HOME", filepath.Join(env.WorkDir, "data"))
				env.Setenv("XDG_CONFIG_HOME", filepath.Join(env.WorkDir, "config"))
				w.SetUp(env)
				programs := filepath.Join(env.WorkDir, "programs")
				env.Setenv("PATH", programs+":"+env.Getenv("PATH"))
				return errors.Join(os.Mkdir(programs, 0o700), extractProgram(filepath.Join(images, "netprobe.tar"), programs))
			},
		})
	})
}

func grantNetwork(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: grant FILE [CALL]...")
	}
	recorded := ts.MkAbs("recorded.cue")
	if _, err := os.Stat(recorded); err != nil {
		ts.Check(ts.Exec("lpm", "load", ts.Getenv("TEST_IMAGES")+"/netprobe.tar"))
		ts.Check(ts.Exec("lpm", "analyze", "-q", "-o", recorded, "netprobe", "--", "all"))
		ts.Check(ts.Exec("lpm", "key", "new"))
	}
	text := merged(ts.ReadFile("recorded.cue"), ts.ReadFile(args[0]), args[1:])
	m, err := schema.Decode("granted.cue", []byte(text))
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs("granted.cue"), []byte(text), 0o600))
	ts.Check(ts.Exec("lpm", "attach", "netprobe", "granted.cue"))
	approve := []string{"approve", "--yes", "netprobe"}
	for _, p := range m.Permissions() {
		if p.Level == manifest.Special {
			approve = append(approve, "--accept", p.ID)
		}
	}
	ts.Check(ts.Exec("lpm", approve...))
}

// merged is a manifest that was recorded, with the sections that another has in
// the place of its own, and more calls. Limits of memory are not what this is
// about, and not everywhere there.
func merged(recorded, sections string, calls []string) string {
	for _, name := range append(topLevel(sections), "resources") {
		own := regexp.MustCompile(`(?ms)^` + name + `: ([^\n{\[]*|\{[^\n]*\}|\[\]|\{$.*?^\}|\[$.*?^\])$`)
		recorded = own.ReplaceAllString(recorded, "")
	}
	more := "allow: [\n"
	for _, call := range calls {
		known := regexp.MustCompile(`(?m)^\s*\{name: "` + call + `".*\n`)
		recorded = known.ReplaceAllString(recorded, "")
		more += fmt.Sprintf("\t\t{name: %q},\n", call)
	}
	return strings.Replace(recorded, "allow: [\n", more, 1) + sections
}

// topLevel are the names of a manifest's sections.
func topLevel(text string) []string {
	var names []string
	for _, m := range regexp.MustCompile(`(?m)^(\w+):`).FindAllStringSubmatch(text, -1) {
		names = append(names, m[1])
	}
	return names
}
