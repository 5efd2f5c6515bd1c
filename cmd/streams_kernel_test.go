package cmd_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"fmt"
	"hash/maphash"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// noise is a stream of bytes that never repeats, so that nothing that is lost,
// doubled or moved goes unseen.
func noise(t *testing.T, size int64) io.Reader {
	t.Helper()
	block, err := aes.NewCipher(make([]byte, 16))
	if err != nil {
		t.Fatal(err)
	}
	return io.LimitReader(cipher.StreamReader{S: cipher.NewCTR(block, make([]byte, 16)), R: zeros{}}, size)
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

// socketPair is two connected sockets, for which lpm has to make pipes.
func socketPair(t *testing.T) (a, b *os.File) {
	t.Helper()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	return os.NewFile(uintptr(pair[0]), "socket"), os.NewFile(uintptr(pair[1]), "socket")
}

func pipes(t *testing.T) (reading, writing *os.File) {
	t.Helper()
	reading, writing, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	return reading, writing
}

// slow reads now and then.
type slow struct {
	io.Reader
	n int
}

func (s *slow) Read(b []byte) (int, error) {
	if s.n++; s.n%64 == 0 {
		time.Sleep(time.Millisecond)
	}
	return s.Reader.Read(b)
}

// TestStreams: what goes through a container comes out as it was, be it
// through the caller's own pipes or through those that lpm makes and fills.
func TestStreams(t *testing.T) {
	i := install(t, "python3", nil, "/usr/bin/cat")
	for _, test := range []struct {
		name string
		size int64
		pair func(t *testing.T) (near, far *os.File)
		slow bool
	}{
		{"through lpm", 2 << 30, socketPair, false},
		{"through lpm, to a slow reader", 32 << 20, socketPair, true},
		{"through the caller's pipes", 256 << 20, pipes, false},
		{"nothing", 0, socketPair, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			in, feed := test.pair(t)
			drain, out := test.pair(t)
			c := i.run([]string{"-i"}, "/usr/bin/cat")
			c.Stdin, c.Stdout, c.Stderr = in, out, os.Stderr
			if err := c.Start(); err != nil {
				t.Fatal(err)
			}
			in.Close()
			out.Close()
			var sent, got maphash.Hash
			got.SetSeed(sent.Seed())
			go func() {
				io.Copy(io.MultiWriter(feed, &sent), noise(t, test.size))
				feed.Close()
			}()
			var from io.Reader = drain
			if test.slow {
				from = &slow{Reader: drain}
			}
			n, err := io.Copy(&got, from)
			if n != test.size || err != nil {
				t.Errorf("%d of %d bytes, %v", n, test.size, err)
			}
			if err := c.Wait(); err != nil {
				t.Error(err)
			}
			if got.Sum64() != sent.Sum64() {
				t.Error("other bytes came out than went in")
			}
		})
	}
}

// TestUnreadStream: that nobody reads the pipe that lpm fills is the
// container's to find out, and does not end lpm before it has said what it has
// to say.
func TestUnreadStream(t *testing.T) {
	i := install(t, "python3", nil, "/usr/bin/yes")
	c := i.run(nil, "/usr/bin/yes")
	near, far := socketPair(t)
	c.Stdout = near
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	near.Close()
	if _, err := io.ReadFull(far, make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	far.Close()
	if got := code(c.Wait()); got != 1 {
		t.Errorf("status %d, want the program's own", got)
	}
}

// TestEndsOfStreams: what a container and lpm do where a stream is closed,
// full, or a file.
func TestEndsOfStreams(t *testing.T) {
	i := install(t, "python3", nil, "/usr/bin/cat", "/usr/bin/python3", "/usr/bin/yes")
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("first\nsecond\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	const (
		cat  = `--entrypoint /usr/bin/cat python3`
		yes  = `--entrypoint /usr/bin/yes python3`
		says = `--entrypoint /usr/bin/python3 python3 -- -c 'print("said")'`
		// opens writes to its output by name.
		opens = `--entrypoint /usr/bin/python3 python3 -- -c 'open("/dev/stdout", "w").write("by name")'`
	)
	tests := []struct {
		name, script string
		code         int
		out, err     string
	}{
		{"input that ends at once", `lpm -i ` + cat + ` <&-`, 0, "", ""},
		{"input that ends", `printf half | lpm -i ` + cat, 0, "half", ""},
		{"input that was not asked for", `echo typed | lpm ` + cat, 0, "", ""},
		{"input that is not read", `yes | lpm -i ` + says, 0, "said\n", ""},
		{"a file as input", `lpm -i ` + cat + ` <file`, 0, "first\nsecond\n", ""},
		{"the rest of a file as input", `{ read line; lpm -i ` + cat + `; } <file`, 0, "second\n", ""},
		{"a file as output", `lpm ` + says + ` >out; cat out`, 0, "said\n", ""},
		{"a file that is added to", `echo before >out; lpm ` + says + ` >>out; cat out`, 0, "before\nsaid\n", ""},
		{"both outputs in one file", `lpm --entrypoint /usr/bin/python3 python3 -- -c 'import os; [os.write(1 + n % 2, b"%d" % n) for n in range(9)]' >out 2>&1; cat out`, 0, "012345678", ""},
		{"a closed output", `lpm ` + says + ` >&-`, 0, "", ""},
		{"closed outputs", `lpm ` + says + ` >&- 2>&-`, 0, "", ""},
		{"all of them closed", `lpm ` + says + ` <&- >&- 2>&-`, 0, "", ""},
		{"output by name, to a file", `lpm ` + opens + ` >out; cat out`, 0, "by name", ""},
		{"output by name, to a pipe", `lpm ` + opens + ` | cat`, 0, "by name", ""},
		{"a full device as output", `lpm ` + says + ` >/dev/full`, 125, "", "passing the container's output on: write /dev/stdout: no space left on device"},
		{"output that nobody reads", `lpm ` + yes + ` | head -n 1; exit ${PIPESTATUS[0]}`, 1, "y\n", "Broken pipe"},
		{"errors that nobody reads", `lpm --entrypoint /usr/bin/python3 python3 -- -c 'import os
try:
	while True: os.write(2, b"x" * 1000)
except BrokenPipeError: os._exit(4)' 2>&1 >/dev/null | head -c 1; exit ${PIPESTATUS[0]}`, 4, "x", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.Symlink(file, filepath.Join(dir, "file")); err != nil {
				t.Fatal(err)
			}
			lpm := fmt.Sprintf("lpm() { (exec -a lpm %s run --best-effort \"$@\"); }\n", executable(t))
			c := exec.Command("bash", "-c", lpm+test.script)
			c.Dir, c.Env = dir, i.env
			var out, errs bytes.Buffer
			c.Stdout, c.Stderr = &out, &errs
			got := code(c.Run())
			if got != test.code || out.String() != test.out || !strings.Contains(errs.String(), test.err) {
				t.Errorf("status %d, output %q, errors %q; want %d, %q and %q", got, out.String(), errs.String(), test.code, test.out, test.err)
			}
		})
	}
}

// executable is lpm's path.
func executable(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("lpm")
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// TestSocketStreams: a container without a network does not get into one by a
// socket that it is started with.
func TestSocketStreams(t *testing.T) {
	i := install(t, "python3", nil, "/usr/bin/python3")
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	near, err := net.Dial("tcp4", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	far, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	file, err := near.(*net.TCPConn).File()
	if err != nil {
		t.Fatal(err)
	}
	c := i.python([]string{"-i"}, `
import os, stat, sys
print([stat.S_ISFIFO(os.fstat(n).st_mode) for n in range(3)], input())`)
	c.Stdin, c.Stdout, c.Stderr = file, file, file
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	file.Close()
	near.Close()
	io.WriteString(far, "over the network\n")
	far.(*net.TCPConn).CloseWrite()
	got, err := io.ReadAll(far)
	if want := "[True, True, True] over the network\n"; string(got) != want || err != nil {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
	if err := c.Wait(); err != nil {
		t.Error(err)
	}
}

// TestInheritedSignals: a container starts with no signal blocked, and lpm goes
// on to ignore what it was started to ignore.
func TestInheritedSignals(t *testing.T) {
	i := install(t, "python3", nil, "/usr/bin/python3")
	script := `
import os, signal, time
got = []
for n in signal.SIGHUP, signal.SIGINT, signal.SIGTERM:
    signal.signal(n, lambda number, _: got.append(number))
print(sorted(signal.pthread_sigmask(signal.SIG_BLOCK, [])), flush=True)
while signal.SIGTERM not in got: time.sleep(0.01)
os._exit(len(got))`
	// What starts lpm blocks one signal and ignores two others.
	c := exec.Command("python3", append([]string{"-c", `
import os, signal, sys
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
signal.signal(signal.SIGHUP, signal.SIG_IGN)
signal.signal(signal.SIGINT, signal.SIG_IGN)
os.execve(sys.argv[1], sys.argv[2:], os.environ)`, executable(t)}, i.python(nil, script).Args...)...)
	c.Env = i.env
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	c.Stderr = os.Stderr
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	defer c.Process.Kill()
	line := make([]byte, 3)
	if _, err := io.ReadFull(out, line); err != nil || string(line) != "[]\n" {
		t.Errorf("blocked: %q, %v", line, err)
	}
	for _, s := range []syscall.Signal{unix.SIGHUP, unix.SIGINT, unix.SIGTERM} {
		if err := c.Process.Signal(s); err != nil {
			t.Fatal(err)
		}
	}
	if got := code(c.Wait()); got != 1 {
		t.Errorf("%d signals reached the program, want the one that lpm was not started to ignore", got)
	}
}
