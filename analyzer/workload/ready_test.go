package workload

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/analyzer/evidence"
	"github.com/least-privilege/lpm/manifest"
)

func TestParseReady(t *testing.T) {
	for text, want := range map[string]struct {
		as   string
		port int
	}{
		"tcp://:6379":           {"tcp://127.0.0.1:6379", 6379},
		"tcp://[::1]:6379":      {"tcp://[::1]:6379", 6379},
		"tcp://192.0.2.1:80":    {"tcp://192.0.2.1:80", 0},
		"unix:///run/app.sock":  {"unix:///run/app.sock", 0},
		"http://:8080":          {"http://127.0.0.1:8080/", 8080},
		"http://:8080/a%20b?c":  {"http://127.0.0.1:8080/a%20b?c", 8080},
		"http://localhost/well": {"http://localhost:80/well", 0},
	} {
		r, err := ParseReady(text)
		if err != nil || r.String() != want.as || r.port() != want.port {
			t.Errorf("%s: %s at port %d, %v; want %+v", text, r, r.port(), err, want)
		}
		if again, err := ParseReady(r.String()); err != nil || again != r {
			t.Errorf("%s again: %s, %v", r, again, err)
		}
	}
	for _, text := range []string{
		"", "6379", "tcp://", "tcp://:0", "tcp://:65536", "tcp://:http", "tcp://:80/path", "unix://run/app.sock", "unix:///run/../app.sock",
		"unix:run", "udp://:53", "https://:443", "http://user@:80/", "http://:80/#top", "tcp://:80?x", "http://:80\n/",
	} {
		if r, err := ParseReady(text); err == nil {
			t.Errorf("%q is %+v", text, r)
		}
	}
}

func TestAnswers(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/ready":
		case "/elsewhere":
			http.Redirect(w, r, "/ready", http.StatusFound)
		case "/much":
			w.Header().Set("X-Much", strings.Repeat("x", maxHeader))
		default:
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer s.Close()
	for path, want := range map[string]bool{"/ready": true, "/elsewhere": false, "/starting": false, "/much": false} {
		r, err := ParseReady(s.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		if got := r.reached(t.Context(), 0); got != want {
			t.Errorf("%s is ready: %v", path, got)
		}
	}
}

// TestSocketOfTheContainer looks a socket up in the root of a process, which is
// here the test's own.
func TestSocketOfTheContainer(t *testing.T) {
	dir, err := os.MkdirTemp("", "s") // short, as addresses of sockets have to be
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	l, err := net.Listen("unix", filepath.Join(dir, "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{"s": true, "file": false, "none": false} {
		if got := (Readiness{Network: "unix", Address: filepath.Join(dir, name)}).reached(t.Context(), os.Getpid()); got != want {
			t.Errorf("%s accepts: %v", name, got)
		}
	}
	if (Readiness{Network: "unix", Address: filepath.Join(dir, "s")}).reached(context.Background(), 0) {
		t.Error("a process that is not there has sockets")
	}
}

// TestListens: a socket counts where the process or one it has started has it,
// and not where another process of the same network has.
func TestListens(t *testing.T) {
	dir, err := os.MkdirTemp("", "s")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	name := filepath.Join(dir, "a socket")
	l, err := net.Listen("unix", name)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	child := exec.Command("sleep", "1h")
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		child.Process.Kill()
		child.Wait()
	}()
	for _, test := range []struct {
		pid  int
		name string
		want bool
	}{
		{os.Getpid(), name, true}, {os.Getppid(), name, true}, {child.Process.Pid, name, false},
		{os.Getpid(), filepath.Join(dir, "a"), false}, {os.Getpid(), filepath.Join(dir, "socket"), false}, {0, name, false},
	} {
		if got := listens(test.pid, test.name); got != test.want {
			t.Errorf("process %d listens on %q: %t", test.pid, test.name, got)
		}
	}
}

func TestDescribed(t *testing.T) {
	for _, tt := range []struct {
		job  Job
		want string
	}{
		{Job{}, ""},
		{Job{Exercises: []string{"a"}, Repeat: 1}, "a"},
		{Job{Exercises: []string{"a", "b"}, Repeat: 3}, "a && b (3 times)"},
		{Job{Exercises: []string{"a"}, Signals: []unix.Signal{unix.SIGHUP, unix.SIGUSR1}}, "a; again after SIGHUP; again after SIGUSR1"},
	} {
		if got := tt.job.Described(); got != tt.want {
			t.Errorf("described as %q, want %q", got, tt.want)
		}
	}
}

// TestDistinct: what a permission could come of counts, doing it again does not.
func TestDistinct(t *testing.T) {
	r := &evidence.Record{}
	last := distinct(r)
	more := func(what string, change func()) {
		t.Helper()
		change()
		n := distinct(r)
		if n == last {
			t.Errorf("%s is nothing new", what)
		}
		last = n
	}
	more("a call", func() { r.Calls = append(r.Calls, evidence.Call{Name: "socket"}) })
	more("its argument", func() { r.Calls[0].Values = append(r.Calls[0].Values, evidence.Values{}) })
	more("a file", func() { r.Files = append(r.Files, evidence.File{Path: "/a"}) })
	more("another access", func() { r.Files[0].Access = append(r.Files[0].Access, evidence.Write) })
	more("a port", func() { r.Binds = append(r.Binds, evidence.Bind{Port: 80}) })
	more("listening on it", func() { r.Binds[0].Listening = true })
	more("a device", func() { r.Devices = append(r.Devices, evidence.Device{Path: "/dev/x"}) })
	more("writing to it", func() { r.Devices[0].Write = true })
	more("a limit", func() { r.Limits = append(r.Limits, evidence.Limit{Resource: "nofile"}) })
	more("a higher one", func() { r.Limits[0].Value = 4096 })
	r.Calls[0].Count++
	r.Calls[0].Programs = []string{"/bin/other"}
	if n := distinct(r); n != last {
		t.Error("another call of the same is new")
	}
}

// TestReadyInContainers exercises Python once it is ready by other ways.
func TestReadyInContainers(t *testing.T) {
	l := newLab(t, "python3")

	t.Run("a socket in the container", func(t *testing.T) {
		j := l.job(t, "-c", "import socket, time; time.sleep(1); s = socket.socket(socket.AF_UNIX); s.bind('/tmp/s'); s.listen(); print('listening', flush=True); time.sleep(3600)")
		j.ReadyAt, j.Exercises = &Readiness{Network: "unix", Address: "/tmp/s"}, []string{"echo exercised"}
		o := l.run(t, j)
		if text := printed(t, j); o.Failure != nil || text != "listening\nexercised\n" {
			t.Errorf("failure %v, printed %q", o.Failure, text)
		}
	})
	t.Run("a socket of another of its users", func(t *testing.T) {
		j := l.job(t, "-c", `import os, socket, time
os.setgid(7); os.setuid(7)
s = socket.socket(socket.AF_UNIX); s.bind('/tmp/s'); os.chmod('/tmp/s', 0o600); s.listen()
time.sleep(3600)`)
		j.Options.User, j.Identity = "0", manifest.IdentityRange
		j.ReadyAt, j.Exercises = &Readiness{Network: "unix", Address: "/tmp/s"}, []string{"echo exercised"}
		if o := l.run(t, j); o.Failure != nil {
			t.Errorf("failure %v", o.Failure)
		}
	})
	t.Run("no socket of this machine, by a link", func(t *testing.T) {
		dir, err := os.MkdirTemp("", "s")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(dir)
		listener, err := net.Listen("unix", filepath.Join(dir, "s"))
		if err != nil {
			t.Fatal(err)
		}
		defer listener.Close()
		j := l.job(t, "-c", fmt.Sprintf("import os, time; os.symlink('%s', '/tmp/s'); time.sleep(3600)", filepath.Join(dir, "s")))
		j.ReadyAt, j.Ready, j.Exercises = &Readiness{Network: "unix", Address: "/tmp/s"}, 2e9, []string{"true"}
		if o := l.run(t, j); o.Failure == nil || !strings.Contains(o.Failure.Error(), "never was ready at unix:///tmp/s") {
			t.Errorf("failure %v", o.Failure)
		}
	})
	t.Run("an answer with status 200", func(t *testing.T) {
		free(t, 8000)
		j := l.job(t)
		j.ReadyAt, j.Exercises = &Readiness{Network: "http", Address: "127.0.0.1:8000", Path: "/health"}, []string{"true"}
		if o := l.run(t, j); o.Failure != nil {
			t.Errorf("failure %v", o.Failure)
		}
		free(t, 8000)
		j = l.job(t)
		j.ReadyAt, j.Ready, j.Exercises = &Readiness{Network: "http", Address: "127.0.0.1:8000", Path: "/nothing"}, 2e9, []string{"true"}
		if o := l.run(t, j); o.Failure == nil {
			t.Error("it was ready though it answered with 404")
		}
	})
}

// reloadable takes SIGHUP, and serves meanwhile.
const reloadable = `
import signal, socket, sys
signal.signal(signal.SIGHUP, lambda *_: print('reloaded', flush=True))
signal.signal(signal.SIGINT, lambda *_: (print('interrupted', flush=True), sys.exit(0)))
s = socket.create_server(('127.0.0.1', 8000))
while True:
    c = s.accept()[0]
    c.recv(1)
    c.close()`

func TestCourse(t *testing.T) {
	l := newLab(t, "python3")

	t.Run("exercises in order, again, and after a reload", func(t *testing.T) {
		free(t, 8000)
		j := l.job(t, "-c", reloadable)
		j.Exercises, j.Repeat = []string{"echo one", "echo two"}, 2
		j.Signals, j.Stop = []unix.Signal{unix.SIGHUP}, unix.SIGINT
		o := l.run(t, j)
		if o.Failure != nil || len(o.Warnings) > 0 {
			t.Errorf("failure %v, warnings %q", o.Failure, o.Warnings)
		}
		const want = "one\ntwo\none\ntwo\nreloaded\none\ntwo\none\ntwo\ninterrupted\n"
		if got := printed(t, j); got != want {
			t.Errorf("printed %q, want %q", got, want)
		}
		if got := o.Record.Workload.Exercise; got != "echo one && echo two (2 times); again after SIGHUP" {
			t.Errorf("recorded as %q", got)
		}
	})
	t.Run("up to the first that fails", func(t *testing.T) {
		free(t, 8000)
		j := l.job(t, "-c", reloadable)
		j.Exercises = []string{"exit 4", "echo not this one"}
		if o := l.run(t, j); o.Failure == nil || !strings.Contains(o.Failure.Error(), `"exit 4"`) || strings.Contains(printed(t, j), "not") {
			t.Errorf("failure %v, printed %q", o.Failure, printed(t, j))
		}
	})
	t.Run("a signal that ends the container", func(t *testing.T) {
		free(t, 8000)
		j := l.job(t, "-c", reloadable)
		j.Exercises, j.Signals = []string{"true"}, []unix.Signal{unix.SIGINT}
		if o := l.run(t, j); o.Failure == nil || !strings.Contains(o.Failure.Error(), "ended at SIGINT") {
			t.Errorf("failure %v", o.Failure)
		}
	})
	t.Run("until nothing is new after the first round", func(t *testing.T) {
		free(t, 8000)
		j := l.job(t, "-c", reloadable)
		j.For, j.Quiet, j.Repeat = 50e9, 500e6, 100
		j.Exercises, j.Stop = []string{"sleep 2; echo one", "sleep 1; echo two"}, unix.SIGINT
		o := l.run(t, j)
		if got := printed(t, j); o.Failure != nil || !strings.HasPrefix(got, "one\ntwo\n") || strings.Count(got, "two") > 10 {
			t.Errorf("failure %v, printed %q", o.Failure, got)
		}
		if !mentions(o.Warnings, "before it was through") {
			t.Errorf("warnings %q", o.Warnings)
		}
	})
	t.Run("until nothing is new once it is ready", func(t *testing.T) {
		free(t, 8000)
		j := l.job(t, "-c", "import time; time.sleep(3)\n"+reloadable)
		j.For, j.Quiet, j.Stop = 50e9, 500e6, unix.SIGINT
		o := l.run(t, j)
		if o.Failure != nil || len(o.Warnings) > 0 || callCount(o.Record, "accept4") == 0 {
			t.Errorf("failure %v, warnings %q, %d calls of accept4", o.Failure, o.Warnings, callCount(o.Record, "accept4"))
		}
	})
	t.Run("until nothing is new, though it is never ready", func(t *testing.T) {
		j := l.job(t, "-c", "import time; time.sleep(3600)")
		j.For, j.Quiet, j.Ready = 50e9, 500e6, 1e9
		told := ""
		j.Progress = func(line string) { told += line + "\n" }
		if o := l.run(t, j); o.Failure != nil || !strings.Contains(told, "nothing new for 500ms") {
			t.Errorf("failure %v, told %q", o.Failure, told)
		}
	})
	t.Run("until nothing is new", func(t *testing.T) {
		j := l.job(t, "-c", "import os, time\nfor i in range(1000000): time.sleep(0.01); os.getppid(); i == 150 and os.uname()")
		j.For, j.Quiet, j.Ready = 20e9, 3e9, 1e6
		told := ""
		j.Progress = func(line string) { told += line + "\n" }
		o := l.run(t, j)
		if o.Failure != nil || !strings.Contains(told, "nothing new for 3s") || callCount(o.Record, "uname") != 1 {
			t.Errorf("failure %v, %d calls of uname, told %q", o.Failure, callCount(o.Record, "uname"), told)
		}
	})
}
