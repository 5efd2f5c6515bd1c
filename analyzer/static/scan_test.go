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
)

// treeOf makes an image tree with this machine's own program at its place,
// and its C library and loader where ldd finds them.
func treeOf(t *testing.T, program string) string {
	t.Helper()
	root := t.TempDir()
	out, err := exec.Command("ldd", program).Output()
	if err != nil {
		t.Fatalf("ldd %s: %v", program, err)
	}
	for _, from := range append(regexp.MustCompile(`/\S+`).FindAllString(string(out), -1), program) {
		data, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		put(t, filepath.Join(root, from), data)
	}
	return root
}

func put(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o755); err != nil {
		t.Fatal(err)
	}
}

func scanned(t *testing.T, root, arch string, paths ...string) *Evidence {
	t.Helper()
	e, err := Scan(root, arch, paths, "")
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestScan(t *testing.T) {
	root := treeOf(t, "/bin/cat")
	put(t, filepath.Join(root, "script"), []byte("#!/bin/cat\n"))
	if err := os.Symlink("/../../../../etc", filepath.Join(root, "outside")); err != nil {
		t.Fatal(err)
	}
	e := scanned(t, root, runtime.GOARCH, "/bin/cat", "/script", "/none", "/outside/hostname")
	// What it does, what the loader and the C library's start do.
	for call, how := range map[string]string{"fadvise64": "cat → posix_fadvise (libc.so.6)", "openat": "", "mmap": "", "execve": "?", "read": "", "exit_group": ""} {
		got, ok := e.Reachable[call]
		if !ok && how != "?" || how != "?" && !strings.Contains(got, how) {
			t.Errorf("%s is reachable: %q, want %q", call, got, how)
		}
	}
	// What the C library can do, and this program does not ask for.
	for _, call := range []string{"ptrace", "mount", "bpf", "socket", "setuid", "rename", "kill", "reboot", "sendmsg", "unlink"} {
		if how, ok := e.Reachable[call]; ok {
			t.Errorf("%s is reachable by %q", call, how)
		}
	}
	if !strings.HasPrefix(e.Libc, "glibc 2.") && e.Libc != "musl" {
		t.Errorf("libc %q", e.Libc)
	}
	if want := []string{"/none", "/outside/hostname"}; !slices.Equal(e.Unknown, want) {
		t.Errorf("unknown %q, want %q", e.Unknown, want)
	}
}

// TestMissingLibrary holds that what a library that is not there does is not
// taken for nothing.
func TestMissingLibrary(t *testing.T) {
	root := t.TempDir()
	data, err := os.ReadFile("/bin/cat")
	if err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(root, "cat"), data)
	e := scanned(t, root, runtime.GOARCH, "/cat")
	if !slices.ContainsFunc(e.Sites, func(s FileSite) bool { return s.Path == "/cat" && s.Symbol == "posix_fadvise" }) {
		t.Errorf("sites %v", e.Sites)
	}
}

// golangProgram makes calls that its libraries know by number, and one that
// only it knows.
const golangProgram = `package main

import (
	"os"
	"syscall"
)

//go:noinline
func make(n uintptr) { syscall.Syscall(n, 0, 0, 0) }

func main() {
	os.Rename("a", "b")
	syscall.RawSyscall(syscall.SYS_GETPGID, 0, 0, 0)
	make(syscall.SYS_SETFSUID)
	if len(os.Args) > 100 {
		make(uintptr(len(os.Args)))
	}
}
`

func TestGo(t *testing.T) {
	for _, arch := range []string{"amd64", "arm64"} {
		for _, flags := range []string{"", "-s -w"} {
			t.Run(arch+flags, func(t *testing.T) {
				root := t.TempDir()
				source := filepath.Join(root, "main.go")
				put(t, source, []byte(golangProgram))
				build := exec.Command("go", "build", "-ldflags="+flags, "-o", filepath.Join(root, "app"), source)
				build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOARCH="+arch)
				if out, err := build.CombinedOutput(); err != nil {
					t.Fatalf("building: %v\n%s", err, out)
				}
				e := scanned(t, root, arch, "/app")
				for _, call := range []string{"renameat", "getpgid", "setfsuid", "futex", "clone", "mmap", "rt_sigreturn", "exit_group", "clock_gettime"} {
					if call == "rt_sigreturn" && arch == "arm64" {
						continue // the kernel's own vDSO makes it
					}
					if e.Reachable[call] != "app" {
						t.Errorf("%s is reachable: %q", call, e.Reachable[call])
					}
				}
				for _, call := range []string{"ptrace", "mount", "socket", "execve", "unlinkat"} {
					if how, ok := e.Reachable[call]; ok {
						t.Errorf("%s is reachable by %q", call, how)
					}
				}
				in := func(s FileSite) bool { return s.Symbol == "main.main" || s.Symbol == "main.make" }
				if !slices.ContainsFunc(e.Sites, in) || len(e.Unknown) > 0 {
					t.Errorf("sites %v, unknown %q", e.Sites, e.Unknown)
				}
			})
		}
	}
}

func TestScanRefuses(t *testing.T) {
	if _, err := Scan("/nonexistent", "amd64", nil, ""); err == nil {
		t.Error("a tree that is not there: no error")
	}
	if _, err := Scan(t.TempDir(), "mips", nil, ""); err == nil {
		t.Error("an unknown architecture: no error")
	}
}

func TestHostileFiles(t *testing.T) {
	root := t.TempDir()
	var paths []string
	for name, data := range map[string]string{
		"magic": "\x7fELF", "header": "\x7fELF\x02\x01\x01" + strings.Repeat("\xff", 57),
	} {
		put(t, filepath.Join(root, name), []byte(data))
		paths = append(paths, "/"+name)
	}
	put(t, filepath.Join(root, "empty"), nil)
	e := scanned(t, root, "amd64", append(paths, "/empty")...)
	if slices.Sort(paths); len(e.Reachable) != 0 || !slices.Equal(e.Unknown, paths) {
		t.Errorf("%+v", e)
	}
}
