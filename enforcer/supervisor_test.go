package enforcer_test

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/enforcer/container"
	"github.com/least-privilege/lpm/enforcer/plan"
	"github.com/least-privilege/lpm/manifest"
	"github.com/least-privilege/lpm/registry/store"
)

// steadfast is a container that ends for nobody: its processes ignore signals,
// have sessions of their own, change their user where they can, take their
// parent-death signal back, and have calls in flight all the time.
const steadfast = `
import ctypes, os, signal, sys, threading
libc = ctypes.CDLL(None)
for n in range(1, 65):
    try: signal.signal(n, signal.SIG_IGN)
    except (OSError, ValueError): pass
for _ in range(3):
    if os.fork() == 0:
        os.setsid()
        break
try: os.setgroups([]); os.setgid(33); os.setuid(33)
except OSError: pass
libc.prctl(1, 0)
def refused():
    while True: libc.getpriority(0, 0)
for _ in range(3): threading.Thread(target=refused).start()
os.write(1, b"ready %d\n" % os.getuid())
refused()
`

// TestDeadSupervisor: when the supervisor is killed, or cannot go on, there is
// nothing left of the container, whatever it does to stay.
func TestDeadSupervisor(t *testing.T) {
	ways := []struct {
		name string
		// signal is what happens to the supervisor's process; TestSupervisor
		// takes its listener away at SIGUSR1.
		signal syscall.Signal
		says   string
	}{
		{"killed", syscall.SIGKILL, ""},
		{"failed", syscall.SIGUSR1, "a call: inappropriate ioctl for device"},
	}
	for _, mode := range []manifest.IdentityMode{manifest.IdentitySingle, manifest.IdentityRange} {
		for _, way := range ways {
			t.Run(string(mode)+"/"+way.name, func(t *testing.T) {
				l := newLab(t, "python3")
				marker := fmt.Sprintf("lpm-test-%d-%d", os.Getpid(), time.Now().UnixNano())
				self := exec.Command("/proc/self/exe", "-test.run=^TestSupervisor$", "-test.v")
				self.Env = append(os.Environ(), "LPM_TEST_SUPERVISOR="+l.store.Dir(), "LPM_TEST_MARKER="+marker,
					"LPM_TEST_IDENTITY="+string(mode), "TMPDIR="+t.TempDir())
				var says bytes.Buffer
				self.Stderr = &says
				out, err := self.StdoutPipe()
				if err != nil {
					t.Fatal(err)
				}
				if err := self.Start(); err != nil {
					t.Fatal(err)
				}
				want := "ready "
				if mode == manifest.IdentityRange {
					want = "ready 33"
				}
				ready := 0
				for lines := bufio.NewScanner(out); ready < 4 && lines.Scan(); {
					if strings.HasPrefix(lines.Text(), want) {
						ready++
					}
				}
				if n := len(marked(t, marker)); ready < 4 || n < 4 {
					t.Errorf("%d processes are ready, %d were found", ready, n)
				}
				if err := self.Process.Signal(way.signal); err != nil {
					t.Fatal(err)
				}
				go func() { // nobody reads what it says otherwise
					for lines := bufio.NewScanner(out); lines.Scan(); {
					}
				}()
				for range 1000 {
					if len(marked(t, marker)) == 0 {
						break
					}
					time.Sleep(10 * time.Millisecond)
				}
				for _, pid := range marked(t, marker) {
					t.Errorf("process %d has outlived its supervisor", pid)
					unix.Kill(pid, unix.SIGKILL)
				}
				self.Wait()
				if !strings.Contains(says.String(), way.says) {
					t.Errorf("the supervisor says %q, want %q", says.String(), way.says)
				}
			})
		}
	}
}

// marked returns the processes with an argument that nobody else has.
func marked(t *testing.T, marker string) []int {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	var pids []int
	for _, file := range files {
		args, err := os.ReadFile(file)
		if err != nil || !bytes.Contains(args, []byte(marker)) {
			continue // of a process that has ended there is nothing to read
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if err != nil {
			t.Fatal(err)
		}
		pids = append(pids, pid)
	}
	return pids
}

// TestSupervisor is the process that TestDeadSupervisor ends.
func TestSupervisor(t *testing.T) {
	dir := os.Getenv("LPM_TEST_SUPERVISOR")
	if dir == "" {
		return
	}
	s, err := store.Open(dir, store.Options{RangeUnpack: unpackInRange})
	if err != nil {
		t.Fatal(err)
	}
	image, err := s.Resolve("python3")
	if err != nil {
		t.Fatal(err)
	}
	l := &lab{t: t, store: s, image: image}
	l.options.Entrypoint = []string{"/usr/bin/python3", "-c"}
	m := python("/", func(m *manifest.Manifest) {
		grant(m, "setsid", "setgroups", "setgid", "setuid", "setresuid", "setresgid")
		m.Identity.Mode = manifest.IdentityMode(os.Getenv("LPM_TEST_IDENTITY"))
		if m.Identity.Mode == manifest.IdentityRange {
			m.Capabilities = []manifest.Capability{{Name: "CAP_SETUID"}, {Name: "CAP_SETGID"}}
		}
	})
	p, done, err := l.prepare(t.Context(), plan.Enforce, m, steadfast, os.Getenv("LPM_TEST_MARKER"))
	if err != nil {
		t.Fatal(err)
	}
	defer done()
	breaks := make(chan os.Signal, 1)
	signal.Notify(breaks, syscall.SIGUSR1)
	go func() {
		<-breaks
		loseListener(t)
	}()
	_, err = p.Run(t.Context(), container.Streams{In: l.file("in"), Out: os.Stdout, Err: os.Stderr}, nil, container.Observer{})
	fmt.Fprintln(os.Stderr, err)
}

// loseListener puts another file in the place of the supervisor's listener.
func loseListener(t *testing.T) {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		t.Error(err)
		return
	}
	defer null.Close()
	links, err := filepath.Glob("/proc/self/fd/*")
	if err != nil {
		t.Error(err)
	}
	for _, link := range links {
		if target, err := os.Readlink(link); err != nil || target != "anon_inode:seccomp notify" {
			continue
		}
		n, err := strconv.Atoi(filepath.Base(link))
		if err == nil {
			err = unix.Dup3(int(null.Fd()), n, unix.O_CLOEXEC)
		}
		if err != nil {
			t.Error(err)
		}
	}
}
