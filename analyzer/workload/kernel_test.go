package workload

import (
	"context"
	"errors"
	"net"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/analyzer"
	"github.com/least-privilege/lpm/analyzer/evidence"
	"github.com/least-privilege/lpm/enforcer/container"
	"github.com/least-privilege/lpm/manifest"
)

// settled is a time in which a program has certainly said how it takes signals.
const settled = 3 * time.Second

// TestHowRunsEnd runs the static image, which has one program.
func TestHowRunsEnd(t *testing.T) {
	l := newLab(t, "static")

	t.Run("by the command", func(t *testing.T) {
		j := l.job(t, "hello")
		o := l.run(t, j)
		if o.Failure != nil || len(o.Record.Programs) != 1 || o.Record.Programs[0].Path != "/static" {
			t.Errorf("failure %v, programs %+v", o.Failure, o.Record.Programs)
		}
		if !strings.Contains(printed(t, j), "hello") {
			t.Error("the container printed nothing")
		}
		if w := o.Record.Workload; !slices.Equal(w.Command, []string{"/static", "hello"}) || o.Record.LPM != "test" {
			t.Errorf("workload %+v, lpm %q", w, o.Record.LPM)
		}
	})
	t.Run("on a terminal", func(t *testing.T) {
		terminal, err := container.OpenTerminal()
		if err != nil {
			t.Fatal(err)
		}
		defer terminal.Close()
		j := l.job(t, "terminal")
		j.Terminal, j.Options.TTY, j.Options.Console = terminal, true, terminal.Path
		if o := l.run(t, j); o.Failure != nil || !strings.Contains(printed(t, j), "columns") {
			t.Errorf("failure %v, printed %q", o.Failure, printed(t, j))
		}
	})
	t.Run("by the command's failure", func(t *testing.T) {
		o := l.run(t, l.job(t, "exit", "3"))
		var command *CommandError
		if !errors.As(o.Failure, &command) || command.ExitCode() != 3 {
			t.Errorf("failure: %v", o.Failure)
		}
	})
	t.Run("by time", func(t *testing.T) {
		j := l.job(t, "sleep", "1h")
		j.For = 300 * time.Millisecond
		if o := l.run(t, j); o.Failure != nil || len(o.Warnings) > 0 || len(o.Record.Programs) == 0 {
			t.Errorf("failure %v, warnings %q", o.Failure, o.Warnings)
		}
	})
	t.Run("by time, in an orderly way", func(t *testing.T) {
		j := l.job(t, "wait")
		j.For = settled
		o := l.run(t, j)
		if o.Failure != nil || len(o.Warnings) > 0 || !strings.Contains(printed(t, j), "SIGTERM") {
			t.Errorf("failure %v, warnings %q, printed %q", o.Failure, o.Warnings, printed(t, j))
		}
	})
	t.Run("killed after the grace time", func(t *testing.T) {
		j := l.job(t, "ignore-signals", "1h")
		j.For, j.Grace = settled, 100*time.Millisecond
		if o := l.run(t, j); o.Failure != nil || !mentions(o.Warnings, "killed") {
			t.Errorf("failure %v, warnings %q", o.Failure, o.Warnings)
		}
	})
	t.Run("interrupted", func(t *testing.T) {
		j, interrupt := l.interrupted(t, "wait")
		interrupt()
		if o := l.run(t, j); o.Failure != nil || len(o.Warnings) > 0 || len(o.Record.Programs) == 0 {
			t.Errorf("failure %v, warnings %q", o.Failure, o.Warnings)
		}
	})
	t.Run("interrupted twice", func(t *testing.T) {
		j, interrupt := l.interrupted(t, "ignore-signals", "1h")
		j.Grace = time.Hour
		interrupt()
		interrupt()
		if o := l.run(t, j); o.Failure != nil || !mentions(o.Warnings, "killed") {
			t.Errorf("failure %v, warnings %q", o.Failure, o.Warnings)
		}
	})
	t.Run("cancelled", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		j := l.job(t, "sleep", "1h")
		j.Progress = func(line string) {
			if strings.HasPrefix(line, "recording") {
				time.AfterFunc(200*time.Millisecond, cancel)
			}
		}
		if _, err := Run(ctx, l.store, j); !errors.Is(err, context.Canceled) {
			t.Errorf("error: %v", err)
		}
	})
	t.Run("interrupted before it ran", func(t *testing.T) {
		interrupt := make(chan os.Signal, 1)
		j := l.job(t, "sleep", "1h")
		j.Interrupt = interrupt
		j.Progress = func(line string) {
			if strings.HasPrefix(line, "preparing") {
				interrupt <- unix.SIGINT
				for len(interrupt) > 0 {
					time.Sleep(time.Millisecond)
				}
			}
		}
		if _, err := Run(t.Context(), l.store, j); !errors.Is(err, context.Canceled) {
			t.Errorf("error: %v", err)
		}
	})
}

// interrupted returns a job and what interrupts it once it runs.
func (l *lab) interrupted(t *testing.T, args ...string) (Job, func()) {
	j := l.job(t, args...)
	interrupts := make(chan os.Signal)
	j.Interrupt = interrupts
	recording := make(chan struct{})
	j.Progress = func(line string) {
		if strings.HasPrefix(line, "recording") {
			// Time for the program to have its handlers in place.
			time.AfterFunc(500*time.Millisecond, func() { close(recording) })
		}
	}
	n := 0
	return j, func() {
		n++
		wait := time.Duration(n-1) * 2 * oneInterrupt
		go func() {
			<-recording
			time.Sleep(wait)
			select {
			case interrupts <- unix.SIGINT:
			case <-t.Context().Done():
			}
		}()
	}
}

func mentions(lines []string, word string) bool {
	return slices.ContainsFunc(lines, func(l string) bool { return strings.Contains(l, word) })
}

// TestExercises runs Python, whose image exposes port 8000.
func TestExercises(t *testing.T) {
	l := newLab(t, "python3")

	t.Run("passing", func(t *testing.T) {
		free(t, 8000)
		j := l.job(t)
		j.Exercises = []string{`env | grep -E '^LPM_(HOST|PORT)' | sort && curl -fsS http://$LPM_HOST:$LPM_PORT/health`}
		o := l.run(t, j)
		if o.Failure != nil || o.Record.Workload.Exercise != j.Exercises[0] {
			t.Errorf("failure %v, exercise %q", o.Failure, o.Record.Workload.Exercise)
		}
		const want = "LPM_HOST=127.0.0.1\nLPM_PORT=8000\nLPM_PORTS=8000/tcp\nLPM_PORT_8000_TCP=8000\n"
		if text := printed(t, j); !strings.Contains(text, want) || !strings.Contains(text, "\nok\n") {
			t.Errorf("the exercise printed %q", printed(t, j))
		}
	})
	t.Run("failing", func(t *testing.T) {
		free(t, 8000)
		j := l.job(t)
		j.Exercises = []string{"exit 7"}
		var exercise *ExerciseError
		if o := l.run(t, j); !errors.As(o.Failure, &exercise) || exercise.ExitCode() != 7 {
			t.Errorf("failure: %v", o.Failure)
		}
	})
	t.Run("ended with what it has started", func(t *testing.T) {
		free(t, 8000)
		j := l.job(t)
		j.For = 2 * time.Second
		j.Exercises = []string{"sleep 1h | sleep 1h"}
		if o := l.run(t, j); o.Failure != nil || !mentions(o.Warnings, "before it was through") {
			t.Errorf("failure %v, warnings %q", o.Failure, o.Warnings)
		}
	})
	t.Run("whose container ends first", func(t *testing.T) {
		free(t, 8000)
		j := l.job(t)
		j.Options.Args = []string{"-c", "import socket; socket.create_server(('127.0.0.1', 8000)).accept()"}
		j.Exercises, j.Grace = []string{"sleep 1h"}, 100*time.Millisecond
		if o := l.run(t, j); !errors.Is(o.Failure, errEndedEarly) {
			t.Errorf("failure: %v", o.Failure)
		}
	})
	t.Run("that ends the container", func(t *testing.T) {
		free(t, 8000)
		j := l.job(t)
		j.Options.Args = []string{"-c", "import socket; s = socket.create_server(('127.0.0.1', 8000)); s.accept(); s.accept()"}
		j.Exercises = []string{"curl -sS http://$LPM_HOST:$LPM_PORT/ || sleep 0.2"}
		if o := l.run(t, j); o.Failure != nil || len(o.Warnings) > 0 {
			t.Errorf("failure %v, warnings %q", o.Failure, o.Warnings)
		}
	})
	t.Run("of a container that is never ready", func(t *testing.T) {
		free(t, 8000)
		j := l.job(t, "-c", "import time; time.sleep(3600)")
		j.Exercises, j.Ready = []string{"true"}, 300*time.Millisecond
		var ready *NotReadyError
		if o := l.run(t, j); !errors.As(o.Failure, &ready) || ready.Ended || ready.At.port() != 8000 {
			t.Errorf("failure: %v", o.Failure)
		}
	})
	t.Run("of a container that ends before it is ready", func(t *testing.T) {
		free(t, 8000)
		j := l.job(t, "-c", "import sys; sys.exit(5)")
		j.Exercises = []string{"true"}
		var ready *NotReadyError
		if o := l.run(t, j); !errors.As(o.Failure, &ready) || !ready.Ended || ready.ExitCode() != 5 {
			t.Errorf("failure: %v", o.Failure)
		}
	})
	t.Run("where something else has the port", func(t *testing.T) {
		free(t, 8000)
		listener, err := net.Listen("tcp", "127.0.0.1:8000")
		if err != nil {
			t.Fatal(err)
		}
		defer listener.Close()
		j := l.job(t)
		j.Exercises = []string{"true"}
		var taken *PortTakenError
		if _, err := Run(t.Context(), l.store, j); !errors.As(err, &taken) || taken.Port != 8000 {
			t.Errorf("error: %v", err)
		}
	})
}

// TestKilledCallsAreNoLoss ends a container whose processes are in the middle
// of calls that wait for the recorder: they never took effect, so nothing is
// missing from the record.
func TestKilledCallsAreNoLoss(t *testing.T) {
	l := newLab(t, "python3")
	const busy = `
import os, signal, time
for i in range(200):
    child = os.fork()
    if not child:
        while True:
            os.stat("/etc/passwd"); open("/tmp/file", "w").close()
    time.sleep(0.002 + i % 7 * 0.0003)
    os.kill(child, signal.SIGKILL); os.waitpid(child, 0)
os._exit(0)`
	o := l.run(t, l.job(t, "-c", busy))
	if o.Failure != nil || o.Record.Lost > 0 {
		t.Fatalf("failure %v, lost %d", o.Failure, o.Record.Lost)
	}
	t.Logf("%d calls were cancelled", o.Record.Cancelled)
	propose(t, o)
}

// TestWhatIsRecorded looks at single facts of runs of the static image.
func TestWhatIsRecorded(t *testing.T) {
	l := newLab(t, "static")

	t.Run("a script with its interpreter", func(t *testing.T) {
		j := l.job(t, "/script")
		j.Options.Entrypoint = []string{}
		o := l.run(t, j)
		if p := o.Record.Programs; len(p) != 1 || p[0].Path != "/script" || p[0].Interpreter != "/static" {
			t.Errorf("programs: %+v", p)
		}
	})
	t.Run("a program that is started later", func(t *testing.T) {
		o := l.run(t, l.job(t, "spawn", "/static", "true"))
		if o.Failure != nil || callCount(o.Record, "execve") != 1 {
			t.Errorf("failure %v, %d executions", o.Failure, callCount(o.Record, "execve"))
		}
	})
	t.Run("nothing of the launch", func(t *testing.T) {
		o := l.run(t, l.job(t, "true"))
		for _, name := range []string{"execveat", "execve", "seccomp", "mount", "pivot_root", "setuid", "landlock_restrict_self"} {
			if n := callCount(o.Record, name); n > 0 {
				t.Errorf("%s was recorded %d times", name, n)
			}
		}
	})
	t.Run("a change of user", func(t *testing.T) {
		j := l.job(t, "setid", "33", "33")
		j.Identity = manifest.IdentityRange
		o := l.run(t, j)
		if o.Failure != nil || o.Record.Identity.Mode != manifest.IdentityRange {
			t.Fatalf("failure %v, identity %+v", o.Failure, o.Record.Identity)
		}
		p := propose(t, o)
		var names []string
		for _, c := range p.Manifest.Capabilities {
			names = append(names, c.Name)
		}
		if p.Manifest.Identity.Mode != manifest.IdentityRange || !slices.Contains(names, "CAP_SETUID") || !slices.Contains(names, "CAP_SETGID") {
			t.Errorf("proposed identity %+v, capabilities %q", p.Manifest.Identity, names)
		}
	})
	t.Run("a change of user that one id does not allow", func(t *testing.T) {
		j := l.job(t, "setid", "33", "33")
		j.Identity = manifest.IdentitySingle
		if o := l.run(t, j); o.Failure == nil || o.Record.Identity.Mode != manifest.IdentitySingle {
			t.Errorf("failure %v, identity %+v", o.Failure, o.Record.Identity)
		}
	})
	t.Run("the peak of memory", func(t *testing.T) {
		j := l.job(t, "allocate", "96")
		o := l.run(t, j)
		if o.Failure != nil {
			t.Fatal(o.Failure)
		}
		if o.Record.Peaks.Memory < 96<<20 {
			t.Errorf("the peak is %d bytes", o.Record.Peaks.Memory)
		}
	})
	t.Run("what was written, never on the image", func(t *testing.T) {
		o := l.run(t, l.job(t, "write", "/made", "text"))
		if o.Failure != nil || !slices.ContainsFunc(o.Record.Files, func(f evidence.File) bool { return f.Path == "/made" }) {
			t.Fatalf("failure %v, files %+v", o.Failure, o.Record.Files)
		}
		if o := l.run(t, l.job(t, "cat", "/made")); o.Failure == nil {
			t.Error("the file is there in the next run")
		}
	})
	t.Run("facts of the image, again from the store", func(t *testing.T) {
		o := l.run(t, l.job(t, "true"))
		facts, err := Facts(t.Context(), l.store, []*evidence.Record{o.Record})
		if err != nil || !reflect.DeepEqual(facts, o.Facts) {
			t.Errorf("got %+v, %v\nwant %+v", facts, err, o.Facts)
		}
	})
}

func callCount(r *evidence.Record, name string) uint64 {
	for _, c := range r.Calls {
		if c.Name == name {
			return c.Count
		}
	}
	return 0
}

func propose(t *testing.T, o *Outcome) *analyzer.Proposal {
	t.Helper()
	p, err := analyzer.Propose([]*evidence.Record{o.Record}, o.Facts)
	if err != nil {
		t.Fatal(err)
	}
	return p
}
