package cmd_test

import (
	"context"
	"io"
	"log"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/registry"
)

// A guide is a document and what has to be there before its first command.
type guide struct {
	file string
	// before is run by a shell, in the guide's folder.
	before string
	// instead is that of shell.
	instead map[string]string
}

// published puts an app and its update into the registry, as another person
// does. $IMAGES and $DOCS are folders of the tests.
const published = `(
	export XDG_DATA_HOME=$PWD/../elsewhere XDG_CONFIG_HOME=$PWD/../elsewhere
	for version in 1 2; do
		sed "s/amd64/$GOARCH/" $DOCS/app-$version.cue >app-$version.cue
		lpm load -q oci:$IMAGES/app-$version
		lpm attach app:$version app-$version.cue
		lpm copy -q app:$version registry.example/team/app:$version
	done
)
rm app-*.cue`

// guides are documents whose commands need nothing of the kernel.
func guides() []guide {
	return []guide{
		{file: "docs/guide-admin.md", before: published},
		{file: "docs/guide-ci.md", before: published},
		{file: "docs/policy.md", before: published + "\ncp $DOCS/../policy/org.cue .\n"},
	}
}

// kernelGuides are those that start containers, of redis.
func kernelGuides() []guide {
	answered := "lpm approve redis --yes --accept network:host"
	started := func(command string) string {
		return command + "\nuntil redis-cli ping >/dev/null 2>&1; do sleep 0.1; kill -0 $! || exit; done"
	}
	return []guide{
		{file: "README.md", before: "cp $TEST_IMAGES/redis.tar $DOCS/../policy/org.cue .\nEDITOR=true", instead: map[string]string{
			"lpm analyze redis -o redis.cue --exercise 'redis-benchmark -p $LPM_PORT -q'": "lpm analyze redis -o redis.cue --exercise 'redis-benchmark -p $LPM_PORT -q -n 1000'",

			"lpm approve redis": answered,
			"lpm run redis":     started("lpm run redis >redis.log 2>&1 &") + "\nkill $!; wait $!",
		}},
		{file: "docs/guide-developer.md", before: "cp $TEST_IMAGES/redis.tar .\nEDITOR=true", instead: map[string]string{
			"lpm approve redis":               answered,
			"lpm run redis >redis.log 2>&1 &": started("lpm run redis >redis.log 2>&1 &"),
		}},
		{file: "docs/guide-operator.md", before: `(
	cp $TEST_IMAGES/redis.tar .
	export XDG_DATA_HOME=$PWD/../elsewhere XDG_CONFIG_HOME=$PWD/../elsewhere
	lpm load -q redis.tar
	lpm analyze -q redis --exercise 'redis-benchmark -p $LPM_PORT -q -n 1000' -o redis.cue --evidence redis.json 2>/dev/null
	lpm attach redis redis.cue --evidence redis.json
	lpm copy -q redis registry.example/team/redis:7
	rm redis.*
)`, instead: map[string]string{
			"lpm approve registry.example/team/redis:7":               "lpm approve registry.example/team/redis:7 --yes --accept network:host",
			"lpm run registry.example/team/redis:7 >redis.log 2>&1 &": started("lpm run registry.example/team/redis:7 >redis.log 2>&1 &"),
		}},
	}
}

// toolGuides are those whose commands need cosign.
func toolGuides() []guide {
	approve := "lpm approve registry.example/team/app:1 "
	verify := "cosign verify-attestation --key cosign.pub --insecure-ignore-tlog \\\n" +
		"    --type https://github.com/least-privilege/lpm/approval/v1 registry.example/team/app:1"
	return []guide{{file: "docs/approvals.md", before: published + `
lpm pull -q registry.example/team/app:1
export COSIGN_PASSWORD=hunter2 LPM_KEY_PASSPHRASE=hunter2
cosign generate-key-pair 2>/dev/null
`, instead: map[string]string{
		approve + "--key ./cosign.key":               approve + "--yes --accept network:host --key ./cosign.key",
		approve + "--draft app.json --by cosign.pub": approve + "--yes --accept network:host --draft app.json --by cosign.pub",
		verify: strings.Replace(verify, "--key", "--allow-http-registry --key", 1),
	}}}
}

func TestToolGuides(t *testing.T) {
	needTools(t, "cosign")
	for _, g := range toolGuides() {
		t.Run(filepath.Base(g.file), func(t *testing.T) {
			t.Parallel()
			runGuide(t, g, t.TempDir())
		})
	}
}

func TestGuides(t *testing.T) {
	for _, g := range guides() {
		t.Run(filepath.Base(g.file), func(t *testing.T) {
			t.Parallel()
			runGuide(t, g, t.TempDir())
		})
	}
}

func TestKernelGuides(t *testing.T) {
	images := filepath.Dir(testImage(t, "redis"))
	for _, g := range kernelGuides() {
		t.Run(filepath.Base(g.file), func(t *testing.T) {
			free(t, "127.0.0.1:6379")
			runGuide(t, g, images)
		})
	}
}

// free waits until nothing listens at an address, for others on this machine
// may use it.
func free(t *testing.T, address string) {
	t.Helper()
	eventually(t, address+" free", func() bool {
		l, err := net.Listen("tcp", address)
		if err == nil {
			l.Close()
		}
		return err == nil
	})
}

// runGuide runs a document's commands. registry.example is a registry of the
// test's, and amd64 the architecture of this machine. Containers run with
// --best-effort, for the machines of tests cannot always bound memory.
func runGuide(t *testing.T, g guide, testImages string) {
	t.Helper()
	document, err := os.ReadFile(filepath.Join("..", g.file))
	if err != nil {
		t.Fatal(err)
	}
	list, err := steps(string(document))
	if err != nil {
		t.Fatalf("%s: %v", g.file, err)
	}
	if len(list) == 0 {
		t.Fatalf("%s has no commands", g.file)
	}
	for command := range g.instead {
		if !slices.ContainsFunc(list, func(s step) bool { return strings.HasPrefix(s.command, command) }) {
			t.Errorf("%s does not have %q any more", g.file, command)
		}
	}
	server := httptest.NewServer(registry.New(registry.WithReferrersSupport(true), registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(server.Close)
	host := strings.TrimPrefix(server.URL, "http://")
	images, home := t.TempDir(), t.TempDir()
	writeImages(t, images)
	docs, err := filepath.Abs(filepath.Join("..", "testdata", "docs"))
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(home, "work")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	s := &shell{
		dir: dir,
		env: append(slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "XDG_") && !strings.HasPrefix(v, "XDG_RUNTIME") }),
			"HOME="+home, "IMAGES="+images, "TEST_IMAGES="+testImages, "DOCS="+docs, "GOARCH="+runtime.GOARCH),
		before:  strings.NewReplacer("registry.example", host, "amd64", runtime.GOARCH, "lpm run ", "lpm run --best-effort "),
		after:   strings.NewReplacer(host, "registry.example", runtime.GOARCH, "amd64", home, "/home/you"),
		instead: g.instead,
	}
	ctx, stop := context.WithTimeout(t.Context(), 5*time.Minute)
	defer stop()
	list = append([]step{{command: "set -e\n" + g.before + "\nset +e"}}, list...)
	for _, wrong := range s.run(ctx, g.file, list) {
		t.Error(wrong)
	}
}
