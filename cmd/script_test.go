package cmd_test

import (
	"context"
	"errors"
	"flag"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/least-privilege/lpm/cmd"
	"github.com/least-privilege/lpm/cmd/front"
	"github.com/least-privilege/lpm/enforcer/network/gateway"
	"github.com/least-privilege/lpm/enforcer/network/networktest"
	"github.com/least-privilege/lpm/enforcer/userns"
	"github.com/least-privilege/lpm/manifest"
	"github.com/least-privilege/lpm/registry/artifact"
	"github.com/least-privilege/lpm/registry/reference"
	"github.com/least-privilege/lpm/registry/unpack/imagetest"
)

var update = flag.Bool("update", false, "rewrite what the scripts in testdata/script compare with")

func TestMain(m *testing.M) {
	networktest.Main()
	userns.Main(cmd.Works())
	testscript.Main(m, map[string]func(){
		"lpm":      func() { os.Exit(front.Main()) },
		"lpm-core": func() { os.Exit(cmd.Main()) },
		"lpm-net":  func() { os.Exit(gateway.Main()) },
		"terminal": onTerminal,
	})
}

// TestScript runs the command line's contract. The scripts are testscript's
// (see its package documentation), with these commands beside its own:
//
//	exits CODE program args...   the program ends with exactly that code
//	native FILE...               writes this machine's architecture for ARCH, another for OTHER and
//	                             the numbers of calls for OPENAT and SOCKET in the files
//	about LAYOUT FILE...         writes the digest of a layout's image for DIGEST in the files
//	registry [-old]              starts a registry, $REGISTRY; -old has no referrers API
//	rounds start                 counts the round trips to the newest registry from here on
//	rounds N                     there were at most N
//	push LAYOUT REF              pushes the image of a layout
//	platforms REF LAYOUT...      pushes an index of the images of layouts, one for each platform
//	damage LAYOUT                changes a byte of the layout's first layer in the store
//	document REF TYPE FILE       attaches a file as a document, unchecked
//	terminal [-at TEXT] FILE program args
//	                             runs it on a terminal on which FILE is typed, with
//	                             -at a line each time that TEXT appears
//
// $IMAGES has the layouts app-1, app-2 (another build of the same name), the
// docker-archive app.tar, and foreign, an image for another architecture; $BELL
// is a text that would ring a terminal's bell.
func TestScript(t *testing.T) { runScripts(t, "") }

// TestTools: what lpm signs cosign verifies, what cosign signs lpm verifies, and
// what oras and crane attach lpm reads. The scripts have these beside the
// programs of [TestScript]; testdata/tools builds them.
func TestTools(t *testing.T) {
	needTools(t, "cosign", "oras", "crane")
	runScripts(t, "tools")
}

// needTools skips a test without the tools, or fails it where nothing may be
// left out.
func needTools(t *testing.T, tools ...string) {
	t.Helper()
	for _, tool := range tools {
		_, err := exec.LookPath(tool)
		switch {
		case err != nil && os.Getenv("LPM_MUST_SANDBOX") != "":
			t.Fatal(err)
		case err != nil:
			t.Skip(err)
		}
	}
}

func runScripts(t *testing.T, folder string) {
	t.Helper()
	images := t.TempDir()
	writeImages(t, images)
	testscript.Run(t, testscript.Params{
		Dir:           filepath.Join("..", "testdata", "script", folder),
		UpdateScripts: *update,
		Setup: func(env *testscript.Env) error {
			env.Setenv("IMAGES", images)
			env.Setenv("XDG_DATA_HOME", filepath.Join(env.WorkDir, "data"))
			env.Setenv("XDG_CONFIG_HOME", filepath.Join(env.WorkDir, "config"))
			env.Setenv("GOARCH", runtime.GOARCH)
			env.Setenv("BELL", "ring\a")
			env.Values[newestRegistry{}] = new(*rounds)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"platforms": platforms, "rounds": countRounds, "exits": exits, "native": native, "about": about, "registry": startRegistry, "push": push, "document": document, "damage": damage,
		},
	})
}

func writeImages(t *testing.T, dir string) {
	t.Helper()
	config := v1.Config{Cmd: []string{"/bin/app"}}
	build := func(content string) imagetest.Image {
		return imagetest.NewFor(t, runtime.GOARCH, config, imagetest.Plain(t, imagetest.File("bin/app", content)))
	}
	build("1").Layout(t, filepath.Join(dir, "app-1"), "app:1")
	build("2").Layout(t, filepath.Join(dir, "app-2"), "app:2")
	imagetest.NewFor(t, otherArch(), config, imagetest.Plain(t)).Layout(t, filepath.Join(dir, "foreign"), "foreign:1")

	img := layoutImage(filepath.Join(dir, "app-1"))
	tag, err := name.NewTag("app:archived")
	if err == nil {
		err = tarball.WriteToFile(filepath.Join(dir, "app.tar"), tag, img)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// writeRetagged writes a layout with another image of the name app:1.
func writeRetagged(t *testing.T, dir string) {
	t.Helper()
	imagetest.NewFor(t, runtime.GOARCH, v1.Config{Cmd: []string{"/bin/app"}}, imagetest.Plain(t, imagetest.File("bin/app", "3"))).Layout(t, dir, "app:1")
}

// layoutImage returns the first image of a layout.
func layoutImage(dir string) v1.Image {
	index, err := layout.ImageIndexFromPath(dir)
	if err != nil {
		panic(err)
	}
	list, err := index.IndexManifest()
	if err != nil {
		panic(err)
	}
	img, err := index.Image(list.Manifests[0].Digest)
	if err != nil {
		panic(err)
	}
	return img
}

func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE program args...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	var exit *exec.ExitError
	code := 0
	if errors.As(err, &exit) {
		code = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if code != want {
		ts.Fatalf("%s exits with %d, want %d", args[1], code, want)
	}
}

func native(ts *testscript.TestScript, _ bool, args []string) {
	for _, file := range args {
		text := ts.ReadFile(file)
		for _, name := range []string{"openat", "socket"} {
			call, _ := manifest.LookupSyscall(runtime.GOARCH, name)
			text = strings.ReplaceAll(text, strings.ToUpper(name), strconv.Itoa(call.Number))
		}
		text = strings.NewReplacer("ARCH", runtime.GOARCH, "OTHER", otherArch()).Replace(text)
		ts.Check(os.WriteFile(ts.MkAbs(file), []byte(text), 0o600))
	}
}

// otherArch is an architecture that this machine does not have.
func otherArch() string {
	return map[string]string{"amd64": "arm64", "arm64": "amd64"}[runtime.GOARCH]
}

func about(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: about LAYOUT FILE...")
	}
	digest, err := layoutImage(ts.MkAbs(args[0])).Digest()
	ts.Check(err)
	for _, file := range args[1:] {
		text := strings.ReplaceAll(ts.ReadFile(file), "DIGEST", digest.String())
		ts.Check(os.WriteFile(ts.MkAbs(file), []byte(text), 0o600))
	}
}

func startRegistry(ts *testscript.TestScript, _ bool, args []string) {
	old := len(args) > 0 && args[0] == "-old"
	r := &rounds{next: registry.New(registry.WithReferrersSupport(!old), registry.Logger(log.New(io.Discard, "", 0)))}
	server := httptest.NewServer(r)
	ts.Defer(server.Close)
	*ts.Value(newestRegistry{}).(**rounds) = r
	ts.Setenv("REGISTRY", strings.TrimPrefix(server.URL, "http://"))
}

func push(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: push LAYOUT REF")
	}
	ref, err := name.ParseReference(args[1])
	ts.Check(err)
	ts.Check(remote.Write(ref, layoutImage(ts.MkAbs(args[0]))))
}

func platforms(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: platforms REF LAYOUT...")
	}
	ref, err := name.ParseReference(args[0])
	ts.Check(err)
	index := v1.ImageIndex(empty.Index)
	for _, dir := range args[1:] {
		img := layoutImage(ts.MkAbs(dir))
		config, err := img.ConfigFile()
		ts.Check(err)
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: img, Descriptor: v1.Descriptor{Platform: config.Platform()}})
	}
	ts.Check(remote.WriteIndex(ref, index))
}

func damage(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: damage LAYOUT")
	}
	layers, err := layoutImage(ts.MkAbs(args[0])).Layers()
	ts.Check(err)
	digest, err := layers[0].Digest()
	ts.Check(err)
	file := filepath.Join(ts.Getenv("XDG_DATA_HOME"), "lpm", "blobs", digest.Algorithm, digest.Hex)
	data, err := os.ReadFile(file)
	ts.Check(err)
	data[len(data)/2] ^= 1
	ts.Check(os.Chmod(file, 0o600))
	ts.Check(os.WriteFile(file, data, 0o600))
}

func document(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 3 {
		ts.Fatalf("usage: document REF TYPE FILE")
	}
	ref, err := reference.Parse(args[0])
	ts.Check(err)
	target, err := artifact.NewRemote(ref, artifact.RemoteOptions{})
	ts.Check(err)
	ctx := context.Background()
	subject, err := target.Resolve(ctx, ref, runtime.GOARCH)
	ts.Check(err)
	_, err = artifact.AttachBlob(ctx, target, subject, artifact.Document{
		MediaType: types.MediaType(args[1]),
		Content:   []byte(ts.ReadFile(args[2])),
		Created:   time.Now(),
	})
	ts.Check(err)
}
