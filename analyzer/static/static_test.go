package static

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/least-privilege/lpm/manifest"
)

func TestCallsOf(t *testing.T) {
	table := wrapperTable()
	for _, test := range []struct{ symbol, want string }{
		{"poll", "poll|ppoll"},
		{"__poll_chk", "poll|ppoll"},
		{"__xstat64", "newfstatat"},
		{"pwrite64", "pwrite64"},
		{"fopen@GLIBC_2.2.5", "openat"},
		{"sendmsg", "sendmsg"},
		{"sendfile64", "sendfile"},
		{"posix_spawn", "execve"},
		{"system", "wait4"},
	} {
		if got, _ := callsOf(table, test.symbol); !slices.Contains(got, test.want) {
			t.Errorf("%s makes %v, want %s among them", test.symbol, got, test.want)
		}
	}
}

func TestFormsByArchitecture(t *testing.T) {
	for arch, want := range map[string]string{"amd64": "mkdir", "arm64": "mkdirat"} {
		s := scan{architecture: arch}
		if got, _ := s.firstForm("mkdir|mkdirat"); got != want {
			t.Errorf("%s: %s, want %s", arch, got, want)
		}
	}
}

func TestOldFormsAreMuslsAlone(t *testing.T) {
	for symbol, old := range map[string]string{"open64": "open", "stat": "stat", "fork": "fork", "getrlimit": "getrlimit"} {
		calls, musl := callsOf(wrapperTable(), symbol)
		if slices.Contains(calls, old) || !slices.Contains(musl, old) {
			t.Errorf("%s makes %v, in musl also %v; want %s in musl only", symbol, calls, musl, old)
		}
	}
}

// TestWrappersNameCalls holds that no line of the table is misspelt.
func TestWrappersNameCalls(t *testing.T) {
	for _, w := range wrappers {
		for _, call := range strings.FieldsFunc(w.calls+" "+w.musl, func(r rune) bool { return r == ' ' || r == '|' }) {
			_, amd64 := manifest.LookupSyscall("amd64", call)
			_, arm64 := manifest.LookupSyscall("arm64", call)
			if !amd64 && !arm64 {
				t.Errorf("%q of %q is no system call", call, w.functions)
			}
		}
	}
}

// tree makes an image tree with this machine's own program at its place, and
// its C library and loader where ldd finds them.
func tree(t *testing.T, program string) string {
	t.Helper()
	root := t.TempDir()
	copyIn := func(from string) {
		data, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		to := filepath.Join(root, from)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to, data, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	copyIn(program)
	out, err := exec.Command("ldd", program).Output()
	if err != nil {
		t.Fatalf("ldd %s: %v", program, err)
	}
	for _, lib := range regexp.MustCompile(`/\S+`).FindAllString(string(out), -1) {
		copyIn(lib)
	}
	return root
}

func TestScan(t *testing.T) {
	arch := runtime.GOARCH
	root := tree(t, "/bin/cat")
	if err := os.WriteFile(filepath.Join(root, "script"), []byte("#!/bin/cat\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/../../../../etc", filepath.Join(root, "outside")); err != nil {
		t.Fatal(err)
	}
	e, err := Scan(root, arch, []string{"/bin/cat", "/script", "/none", "/outside/hostname"})
	if err != nil {
		t.Fatal(err)
	}
	for _, call := range []string{"openat", "fadvise64"} {
		if how := e.Reachable[call]; !strings.HasSuffix(how, " imported by /bin/cat") {
			t.Errorf("%s is reachable by %q", call, how)
		}
	}
	for _, call := range []string{"ptrace", "mount", "bpf"} {
		if how, ok := e.Reachable[call]; ok {
			t.Errorf("%s is reachable by %q", call, how)
		}
	}
	if !strings.HasPrefix(e.Libc, "glibc 2.") && e.Libc != "musl" {
		t.Errorf("libc %q", e.Libc)
	}
	if _, ok := e.Reachable["open"]; ok != (e.Libc == "musl") {
		t.Errorf("open is reachable: %t with %s", ok, e.Libc)
	}
	if want := []string{"/none", "/outside/hostname"}; !slices.Equal(e.Unknown, want) {
		t.Errorf("unknown %q, want %q", e.Unknown, want)
	}
}

func TestStaticProgramsAreUnknown(t *testing.T) {
	root := t.TempDir()
	source := filepath.Join(root, "main.go")
	if err := os.WriteFile(source, []byte("package main\nfunc main() {}\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	build := exec.Command("go", "build", "-o", filepath.Join(root, "app"), source)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building: %v\n%s", err, out)
	}
	e, err := Scan(root, runtime.GOARCH, []string{"/app"})
	if err != nil {
		t.Fatal(err)
	}
	if len(e.Reachable) != 0 || !slices.Equal(e.Unknown, []string{"/app"}) {
		t.Errorf("reachable %v, unknown %v", e.Reachable, e.Unknown)
	}
}

func TestScanRefuses(t *testing.T) {
	if _, err := Scan("/nonexistent", "amd64", nil); err == nil {
		t.Error("a tree that is not there: no error")
	}
	if _, err := Scan(t.TempDir(), "mips", nil); err == nil {
		t.Error("an unknown architecture: no error")
	}
}

func TestHostileFiles(t *testing.T) {
	root := t.TempDir()
	var paths []string
	for name, data := range map[string]string{
		"empty": "", "magic": "\x7fELF", "header": "\x7fELF\x02\x01\x01" + strings.Repeat("\xff", 57),
	} {
		if err := os.WriteFile(filepath.Join(root, name), []byte(data), 0o755); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, "/"+name)
	}
	e, err := Scan(root, "amd64", paths)
	if err != nil || len(e.Reachable) != 0 {
		t.Errorf("%+v, %v", e, err)
	}
}
