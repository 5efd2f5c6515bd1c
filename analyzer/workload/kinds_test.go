package workload

import (
	"strings"
	"testing"
)

// TestKinds records programs of many kinds, proposes, and runs them under what
// was proposed: nothing may be refused, nothing lost, and no code be unknown
// but musl's. It hands the function that makes setuid's call on, beside what to
// call, and compares an address in the one for calls that can be cancelled.
func TestKinds(t *testing.T) {
	for _, test := range []struct {
		name   string
		libc   string // as the record has it, by its first word
		files  maker
		called []string // calls that the proposal has to have
	}{
		{"threads", "glibc", dynamic("threads.c", "/bin/main"), []string{"clone", "futex", "setresuid", "tgkill"}},
		{"threads, static", "", whole("threads.c", "/bin/main"), []string{"clone", "futex", "setresuid", "tgkill"}},
		{"a chain of programs", "glibc", dynamic("chain.c", "/bin/main", "/bin/second", "/bin/third", "/bin/fourth"), []string{"execve", "wait4"}},
		{"a setuid program", "glibc", privileges(dynamic("setuid.c", "/bin/main", "/bin/privileged")), []string{"execve", "wait4"}},
		{"files", "glibc", dynamic("files.c", "/bin/main"), []string{"rename"}},
		{"Go", "", golang("goroutines.go"), []string{"execve", "clone", "futex"}},
		{"musl", "musl", musl("files.c", "/bin/main"), []string{"rename"}},
		{"musl, static", "", musl("files.c", "/bin/main", "-static"), []string{"rename"}},
		{"musl with threads", "musl", musl("threads.c", "/bin/main"), []string{"clone", "futex", "setresuid"}},
		{"musl, a chain of programs", "musl", musl("chain.c", "/bin/main", "/bin/second", "/bin/third", "/bin/fourth"), []string{"execve", "wait4"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			l := labOf(t, archive(t, test.files(t)))
			j := l.job(t)
			o := l.run(t, j)
			if o.Failure != nil || o.Record.Lost > 0 || len(o.Record.Truncated) > 0 {
				t.Fatalf("failure %v, lost %d, truncated %v", o.Failure, o.Record.Lost, o.Record.Truncated)
			}
			if text := printed(t, j); !strings.Contains(text, "passed") {
				t.Errorf("printed %q", text)
			}
			if libc, _, _ := strings.Cut(o.Record.Libc, " "); libc != test.libc {
				t.Errorf("libc %q, want %q", o.Record.Libc, test.libc)
			}
			p := propose(t, o)
			if untold := p.Untold(); untold != "" && !(test.libc == "musl" && strings.HasPrefix(untold, "/lib/ld-musl-")) {
				t.Errorf("what is not reachable is unknown: %s", untold)
			}
			for _, call := range test.called {
				if !strings.Contains(" "+strings.Join(allowedCalls(p), " ")+" ", " "+call+" ") {
					t.Errorf("%s is not proposed: %q", call, allowedCalls(p))
				}
			}
			l.holds(t, p.Manifest)
		})
	}
}

// TestPython runs threads and programs by an interpreter.
func TestPython(t *testing.T) {
	l := newLab(t, "python3")
	const program = `
import concurrent.futures, os, socket, subprocess, sys, tempfile
with concurrent.futures.ThreadPoolExecutor(4) as pool:
    assert sum(pool.map(lambda n: n * n, range(100))) == 328350
assert subprocess.run([sys.executable, "-c", "print(7)"], capture_output=True).stdout == b"7\n"
with tempfile.NamedTemporaryFile() as f:
    f.write(b"text")
a, b = socket.socketpair()
a.send(b"x"); assert b.recv(1) == b"x"
print("passed")
`
	args := []string{"-c", program}
	o := l.run(t, l.job(t, args...))
	if o.Failure != nil || o.Record.Lost > 0 {
		t.Fatalf("failure %v, lost %d", o.Failure, o.Record.Lost)
	}
	p := propose(t, o)
	if untold := p.Untold(); untold != "" {
		t.Errorf("what is not reachable is unknown: %s", untold)
	}
	l.holds(t, p.Manifest, args...)
}
