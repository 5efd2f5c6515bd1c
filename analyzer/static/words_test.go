package static

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
)

// compiled builds a C program and makes a tree of it, at /app.
func compiled(t *testing.T, source string, flags ...string) string {
	t.Helper()
	folder := t.TempDir()
	put(t, filepath.Join(folder, "app.c"), []byte(source))
	app := filepath.Join(folder, "app")
	build := exec.Command("gcc", append([]string{"-w", "-o", app, filepath.Join(folder, "app.c")}, flags...)...)
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building: %v\n%s", err, out)
	}
	data, err := os.ReadFile(app)
	if err != nil {
		t.Fatal(err)
	}
	root := folder
	if !slices.Contains(flags, "-static") {
		root = treeOf(t, app)
	}
	put(t, filepath.Join(root, "app"), data)
	return root
}

const threadsProgram = `
#define _GNU_SOURCE
#include <pthread.h>
#include <stdlib.h>
#include <sys/fsuid.h>
#include <unistd.h>
#include <sys/syscall.h>

static void *work(void *p) { return p; }

int main(int argc, char **argv) {
	pthread_t t;
	pthread_create(&t, 0, work, 0);
	MORE;
	return pthread_join(t, 0);
}
`

// indirectProgram makes calls by numbers that it keeps in its data.
const indirectProgram = `
#include <unistd.h>
#include <sys/syscall.h>

static volatile long number = SYS_getpgid;
static const volatile long fixed = SYS_getsid;
static volatile long unused;
struct { long a, nr; } config = {0, SYS_getuid};
__attribute__((noinline)) void configure(long *p, int argc) { asm volatile("" ::: "memory"); p[1] = argc; }
long (*volatile leak)(long *, int) = (void *)configure;

int main(int argc, char **argv) { MORE; return 0; }
`

// TestWords holds what is told of numbers that are in memory: those of glibc's
// setuid(2) and its kind, which other threads take from there, and a
// program's own.
func TestWords(t *testing.T) {
	for _, test := range []struct {
		name, source, more string
		can, cannot        []string
		unknown            bool
	}{
		{"threads alone", threadsProgram, "", nil, []string{"setuid", "setgid", "setresuid", "setgroups"}, false},
		{"setgid with threads", threadsProgram, "setgid(argc)", []string{"setgid"}, []string{"setuid", "setresuid", "setgroups"}, false},
		{"several of the kind", threadsProgram, "setreuid(argc, argc); setgroups(0, 0)", []string{"setreuid", "setgroups"}, []string{"setuid", "setgid"}, false},
		{"a word", indirectProgram, "syscall(number)", []string{"getpgid"}, []string{"getsid", "getuid", "setuid"}, false},
		{"a word that is written to", indirectProgram, "syscall(number); if (argc > 1) number = SYS_setsid", []string{"getpgid", "setsid"}, []string{"getsid", "setuid"}, false},
		{"a constant", indirectProgram, "syscall(fixed)", []string{"getsid"}, []string{"getpgid", "setuid"}, false},
		{"written to by what cannot be told", indirectProgram, "syscall(number); number = argc", nil, nil, true},
		{"a word that nobody writes to", indirectProgram, "syscall(unused)", nil, nil, true},
		{"a part of what a pointer leads to", indirectProgram, "syscall(config.nr); leak(&config.a, argc)", nil, nil, true},
		{"the word's own address is taken", indirectProgram, "syscall(number); leak((long *)&number, argc)", nil, nil, true},
	} {
		for _, flags := range [][]string{{"-O1"}, {"-O2", "-s"}, {"-O2", "-static", "-s"}, {"-O2", "-static"}} {
			t.Run(test.name+" "+flags[len(flags)-1]+flags[0], func(t *testing.T) {
				root := compiled(t, test.source, append(flags, "-DMORE="+test.more)...)
				e := scanned(t, root, runtime.GOARCH, "/app")
				for _, call := range test.can {
					if _, ok := e.Reachable[call]; !ok {
						t.Errorf("%s is not reachable", call)
					}
				}
				for _, call := range test.cannot {
					if how, ok := e.Reachable[call]; ok {
						t.Errorf("%s is reachable by %q", call, how)
					}
				}
				if len(e.Sites)+len(e.Unknown) > 0 != test.unknown {
					t.Errorf("sites %v, unknown %q; want some: %v", e.Sites, e.Unknown, test.unknown)
				}
			})
		}
	}
}

const allThreadsProgram = `package main

import (
	"os/exec"
	"syscall"
)

func main() {
	syscall.AllThreadsSyscall(syscall.SYS_SETSID, 0, 0, 0)
	exec.Command("true").Run()
}
`

const execProgram = `package main

import "os/exec"

func main() { exec.Command("true").Run() }
`

// TestGoThreads holds that what Go's runtime makes on all threads is what
// somebody asks for, and that a start of a program has no call that cannot be
// told.
func TestGoThreads(t *testing.T) {
	for _, arch := range []string{"amd64", "arm64"} {
		for _, flags := range []string{"", "-s -w"} {
			for source, setsid := range map[string]string{allThreadsProgram: "syscall.AllThreadsSyscall", execProgram: ""} {
				t.Run(arch+flags+setsid, func(t *testing.T) {
					root := t.TempDir()
					put(t, filepath.Join(root, "main.go"), []byte(source))
					build := exec.Command("go", "build", "-ldflags="+flags, "-o", filepath.Join(root, "app"), filepath.Join(root, "main.go"))
					build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOARCH="+arch)
					if out, err := build.CombinedOutput(); err != nil {
						t.Fatalf("building: %v\n%s", err, out)
					}
					e := scanned(t, root, arch, "/app")
					for _, call := range []string{"setsid", "execve", "clone"} {
						if _, ok := e.Reachable[call]; !ok {
							t.Errorf("%s is not reachable", call)
						}
					}
					for _, call := range []string{"setfsuid", "bpf", "reboot", "socket"} {
						if how, ok := e.Reachable[call]; ok {
							t.Errorf("%s is reachable by %q", call, how)
						}
					}
					if len(e.Sites)+len(e.Unknown) > 0 {
						t.Errorf("sites %v, unknown %q", e.Sites, e.Unknown)
					}
				})
			}
		}
	}
}
