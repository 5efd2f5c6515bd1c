package workload

import (
	"archive/tar"
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	reference "github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/least-privilege/lpm/analyzer/internal/stage"
	"github.com/least-privilege/lpm/enforcer/supervise"
	"github.com/least-privilege/lpm/manifest"
)

// file is one of an image's.
type file struct {
	data []byte
	mode int64
	uid  int
}

// holds runs an image under a proposal: nothing may be refused.
func (l *lab) holds(t *testing.T, m *manifest.Manifest, args ...string) {
	t.Helper()
	j := l.job(t, args...)
	j.Limit = time.Minute
	j.Volume = func(name string) (string, error) { return l.store.VolumeDir("test", name) }
	j.Options.BestEffort = true // whether the tests' user is delegated cgroups is not what is tested
	trial, err := Try(t.Context(), l.store, j, m)
	if err != nil {
		t.Fatal(err)
	}
	if text := printed(t, j); trial.Failure != nil || !strings.Contains(text, "passed") {
		t.Errorf("under the proposal: %v, printed %q", trial.Failure, text)
	}
	for _, d := range trial.Denials {
		t.Errorf("refused under the proposal: %+v", d)
	}
}

// refuses runs an image under a proposal, with the request that starts a
// program which was not in the record.
func (l *lab) refuses(t *testing.T, m *manifest.Manifest) {
	t.Helper()
	j := l.job(t, "attack")
	j.Limit = time.Minute
	j.Volume = func(name string) (string, error) { return l.store.VolumeDir("test", name) }
	j.Options.BestEffort = true
	trial, err := Try(t.Context(), l.store, j, m)
	if err != nil {
		t.Fatal(err)
	}
	if text := printed(t, j); !strings.Contains(text, "attack refused") {
		t.Errorf("printed %q", text)
	}
	if !slices.ContainsFunc(trial.Denials, func(d supervise.Denial) bool { return d.What == "/usr/bin/id" }) {
		t.Errorf("/usr/bin/id is not among what was refused: %+v", trial.Denials)
	}
}

// archive makes a docker-archive of files, the first program of which is
// /bin/main.
func archive(t *testing.T, files map[string]file) string {
	t.Helper()
	var layer bytes.Buffer
	w := tar.NewWriter(&layer)
	write := func(h tar.Header, data []byte) {
		h.Size = int64(len(data))
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(data); err != nil {
			t.Fatal(err)
		}
	}
	write(tar.Header{Typeflag: tar.TypeDir, Name: "tmp", Mode: 0o1777}, nil)
	for path, f := range files {
		write(tar.Header{Typeflag: tar.TypeReg, Name: strings.TrimPrefix(path, "/"), Mode: f.mode, Uid: f.uid, Gid: f.uid}, f.data)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	l, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(layer.Bytes())), nil })
	if err != nil {
		t.Fatal(err)
	}
	img, err := mutate.AppendLayers(empty.Image, l)
	if err != nil {
		t.Fatal(err)
	}
	config, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	config.OS, config.Architecture = "linux", runtime.GOARCH
	config.Config = v1.Config{Cmd: []string{"/bin/main"}, Env: []string{"PATH=/bin"}}
	if img, err = mutate.ConfigFile(img, config); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(t.TempDir(), "image.tar")
	if err := tarball.WriteToFile(out, reference.MustParseReference("kind:latest"), img); err != nil {
		t.Fatal(err)
	}
	return out
}

// maker makes the files of an image.
type maker func(t *testing.T) map[string]file

// compiled compiles a program of testdata/kinds, which is at all paths.
func compiled(t *testing.T, paths []string, command string, args ...string) map[string]file {
	t.Helper()
	if _, err := exec.LookPath(command); err != nil {
		stage.Missing(t, "%v (testdata/deps test installs it)", err)
	}
	out := filepath.Join(t.TempDir(), "program")
	if text, err := exec.Command(command, append(args, "-o", out)...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", command, err, text)
	}
	files := map[string]file{}
	for _, p := range paths {
		files[p] = file{data: read(t, out), mode: 0o755}
	}
	return files
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// whole is a C program without a loader.
func whole(source string, paths ...string) maker {
	return func(t *testing.T) map[string]file {
		return compiled(t, paths, "gcc", "-O2", "-static", "-pthread", filepath.Join("testdata", "kinds", source))
	}
}

// dynamic is a C program with this machine's C library.
func dynamic(source string, paths ...string) maker {
	return func(t *testing.T) map[string]file {
		files := compiled(t, paths, "gcc", "-O2", "-pthread", filepath.Join("testdata", "kinds", source))
		out, err := exec.Command("ldd", "/bin/true").Output()
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range regexp.MustCompile(`/\S+`).FindAllString(string(out), -1) {
			files[p] = file{data: read(t, p), mode: 0o755}
		}
		return files
	}
}

// musl is a C program with musl, which is loader and library in one.
func musl(source string, path string, more ...string) maker {
	return func(t *testing.T) map[string]file {
		paths := []string{path}
		var flags []string
		for _, m := range more {
			if strings.HasPrefix(m, "/") {
				paths = append(paths, m)
			} else {
				flags = append(flags, m)
			}
		}
		files := compiled(t, paths, "musl-gcc", append(flags, "-O2", "-pthread", filepath.Join("testdata", "kinds", source))...)
		for _, loader := range []string{"/lib/ld-musl-x86_64.so.1", "/lib/ld-musl-aarch64.so.1"} {
			if _, err := os.Stat(loader); err == nil && len(flags) == 0 {
				files[loader] = file{data: read(t, loader), mode: 0o755}
			}
		}
		return files
	}
}

// golang is a Go program without C.
func golang(source string) maker {
	return func(t *testing.T) map[string]file {
		t.Setenv("CGO_ENABLED", "0")
		out := filepath.Join(t.TempDir(), "program")
		if text, err := exec.Command("go", "build", "-o", out, filepath.Join("testdata", "kinds", source)).CombinedOutput(); err != nil {
			t.Fatalf("go build: %v\n%s", err, text)
		}
		return map[string]file{"/bin/main": {data: read(t, out), mode: 0o755}}
	}
}

// privileges gives a program another owner and the set-user-ID bit.
func privileges(of maker) maker {
	return func(t *testing.T) map[string]file {
		files := of(t)
		f := files["/bin/privileged"]
		f.mode, f.uid = 0o4755, 7
		files["/bin/privileged"] = f
		return files
	}
}
