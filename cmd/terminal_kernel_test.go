package cmd_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// TestTerminalOfRun: a container's terminal is as large as the caller's, from
// the start and when that changes, and lpm ends as the program does.
func TestTerminalOfRun(t *testing.T) {
	i := install(t, "python3", nil, "/usr/bin/python3")
	for _, flags := range [][]string{{"-it"}, {"-it", "--init"}} {
		p := newPTY(t)
		p.resize(30, 100)
		c := i.python(flags, `
import os, signal, sys, time
print(os.get_terminal_size(), flush=True)
changed = []
signal.signal(signal.SIGWINCH, lambda *_: changed.append(True))
print('ready', os.isatty(0), os.isatty(1), os.isatty(2), os.environ['TERM'], os.ttyname(0))
while not changed: time.sleep(0.01)
print(os.get_terminal_size(), flush=True)
print('you said', input())
sys.exit(7)`)
		p.start(c)
		p.expect("terminal_size(columns=100, lines=30)")
		p.expect("ready True True True xterm /dev/console")
		if !p.raw() {
			t.Error("the caller's terminal is not in raw mode")
		}
		p.resize(40, 120)
		p.expect("terminal_size(columns=120, lines=40)")
		p.typed("hello\r")
		p.expect("you said hello")
		if err := c.Wait(); code(err) != 7 {
			t.Errorf("%v: %v, want status 7", flags, err)
		}
		if p.raw() {
			t.Error("the caller's terminal has been left in raw mode")
		}
	}
}

// TestJobControl: a shell in a container has jobs, which the keys of the
// caller's terminal stop and interrupt.
func TestJobControl(t *testing.T) {
	i := install(t, "python3", nil, "/usr/bin/dash", "/usr/bin/sleep")
	for _, flags := range [][]string{{"-it"}, {"-it", "--init"}} {
		p := newPTY(t)
		c := i.run(append(flags, "-e", "PS1=prompt> "), "/usr/bin/dash", "-i")
		p.start(c)
		p.expect("prompt> ")
		p.typed("sleep 1000\r")
		// Before, its keys go to the shell, which ignores them.
		inFront := func() bool { return slices.Contains(jobsInFront(t, c.Process.Pid), "sleep") }
		eventually(t, "a job in front", inFront)
		p.typed("\x1a")
		p.expect("Stopped")
		p.expect("prompt> ")
		p.typed("fg\r")
		eventually(t, "the job in front again", inFront)
		p.typed("\x03")
		p.expect("prompt> ")
		p.typed("echo status $?\r")
		p.expect("status 130")
		p.typed("exit 3\r")
		if err := c.Wait(); code(err) != 3 {
			t.Errorf("%v: %v, want status 3", flags, err)
		}
	}
}

// TestKilledOnTerminal: whatever ends lpm, the caller's terminal is as it was,
// and the container is gone.
func TestKilledOnTerminal(t *testing.T) {
	i := install(t, "python3", nil, "/usr/bin/sleep")
	for _, test := range []struct {
		signal syscall.Signal
		code   int
	}{
		{syscall.SIGKILL, 128 + int(syscall.SIGKILL)},
		{syscall.SIGTERM, 128 + int(syscall.SIGTERM)},
		{syscall.SIGHUP, 128 + int(syscall.SIGHUP)},
		{syscall.SIGSEGV, 2}, // which is a crash of Go's runtime
	} {
		p := newPTY(t)
		// The shell's end would reset the terminal by itself.
		run := i.run([]string{"-it"}, "/usr/bin/sleep", "1000")
		c := exec.Command("bash", append([]string{"-c", `(exec -a lpm "$@"); echo "status $?"; sleep 1000`, "bash", executable(t)}, run.Args[1:]...)...)
		c.Env = i.env
		p.start(c)
		eventually(t, "raw mode", p.raw)
		lpm := childrenOf(t, c.Process.Pid)[0]
		children := childrenOf(t, lpm)
		if err := syscall.Kill(lpm, test.signal); err != nil {
			t.Fatal(err)
		}
		p.expect(fmt.Sprintf("status %d", test.code))
		eventually(t, fmt.Sprintf("the terminal's old mode after %s", test.signal), func() bool { return !p.raw() })
		for _, pid := range children {
			eventually(t, "the end of the container and its watcher", func() bool { return !alive(pid) })
		}
		c.Process.Kill()
		c.Wait()
	}
}

// TestStopped: a stop of lpm as a shell's job stops the program, which then
// goes on with it.
func TestStopped(t *testing.T) {
	i := install(t, "python3", nil, "/usr/bin/python3")
	for _, flags := range [][]string{nil, {"--init"}, {"-it"}} {
		p := newPTY(t)
		run := i.python(flags, `
import time
print('ready', flush=True)
while True: time.sleep(0.01)`)
		c := exec.Command("bash", append([]string{"-c", `set -m
(exec -a lpm "$@"); echo "stopped $?"
read line; fg; echo "ended $?"`, "bash", executable(t)}, run.Args[1:]...)...)
		c.Env = i.env
		p.start(c)
		p.expect("ready")
		lpm := childrenOf(t, c.Process.Pid)[0]
		program := below(t, lpm, "python3")
		if p.raw() {
			// The keys are the container's.
			if err := syscall.Kill(lpm, unix.SIGTSTP); err != nil {
				t.Fatal(err)
			}
		} else {
			p.typed("\x1a")
		}
		p.expect(fmt.Sprintf("stopped %d", 128+int(unix.SIGTSTP)-1))
		stopped := func(pid int) bool { return strings.HasPrefix(field(t, pid, "State"), "T") }
		for _, pid := range []int{lpm, program} {
			eventually(t, "a stopped process", func() bool { return stopped(pid) })
		}
		p.typed("\n")
		for _, pid := range []int{lpm, program} {
			eventually(t, "a process that goes on", func() bool { return !stopped(pid) })
		}
		if slices.Contains(flags, "-it") {
			eventually(t, "raw mode again", p.raw)
		}
		if err := syscall.Kill(lpm, unix.SIGTERM); err != nil {
			t.Fatal(err)
		}
		p.expect(fmt.Sprintf("ended %d", 128+int(unix.SIGTERM)))
		c.Wait()
	}
}

// TestNoJob: where there is no shell to go on with what Ctrl-Z stops, nothing
// is stopped.
func TestNoJob(t *testing.T) {
	i := install(t, "python3", nil, "/usr/bin/python3")
	p := newPTY(t)
	c := i.python(nil, `
import time
print('ready', flush=True)
for n in range(300): time.sleep(0.01)
print('done', flush=True)`)
	p.start(c)
	p.expect("ready")
	p.typed("\x1a")
	p.expect("done")
	if err := c.Wait(); err != nil {
		t.Error(err)
	}
}

// TestUnreadTerminal: a container whose terminal nobody looks at any more is
// told so, and does not wait for ever. The first process of a pid namespace
// hears of it by an error alone.
func TestUnreadTerminal(t *testing.T) {
	i := install(t, "python3", nil, "/usr/bin/python3")
	for flags, want := range map[string]int{"-it": 1, "-it --init": 128 + int(unix.SIGHUP)} {
		p := newPTY(t)
		reading, writing, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		c := i.python(strings.Fields(flags), "while True: print('y' * 1000)")
		c.Stdout = writing
		p.start(c)
		writing.Close()
		if _, err := reading.Read(make([]byte, 1000)); err != nil {
			t.Fatal(err)
		}
		reading.Close()
		if got := code(c.Wait()); got != want {
			t.Errorf("%s: status %d, want %d", flags, got, want)
		}
		if p.raw() {
			t.Errorf("%s: the caller's terminal has been left in raw mode", flags)
		}
	}
}

// below finds a process below another by the beginning of its name.
func below(t *testing.T, pid int, name string) int {
	t.Helper()
	for _, child := range childrenOf(t, pid) {
		if strings.HasPrefix(field(t, child, "Name"), name) {
			return child
		}
		if found := below(t, child, name); found != 0 {
			return found
		}
	}
	return 0
}

// jobsInFront are the names of those processes below another whose group is in
// front of their terminal.
func jobsInFront(t *testing.T, pid int) []string {
	t.Helper()
	var names []string
	for _, child := range childrenOf(t, pid) {
		names = append(names, jobsInFront(t, child)...)
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", child))
		if err != nil {
			continue
		}
		// State, parent, group, session, terminal, its group in front.
		fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
		if fields[2] == fields[5] {
			names = append(names, field(t, child, "Name"))
		}
	}
	return names
}

func childrenOf(t *testing.T, pid int) []int {
	t.Helper()
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil {
		t.Fatal(err)
	}
	var list []int
	for _, task := range tasks {
		b, _ := os.ReadFile(task)
		for text := range strings.FieldsSeq(string(b)) {
			if n, err := strconv.Atoi(text); err == nil {
				list = append(list, n)
			}
		}
	}
	return list
}

// field is a line of a process's status, and empty where it is gone.
func field(t *testing.T, pid int, name string) string {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return ""
	}
	_, rest, _ := strings.Cut(string(status), name+":\t")
	line, _, _ := strings.Cut(rest, "\n")
	return line
}

// alive reports whether a process is there and no zombie.
func alive(pid int) bool {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	return err == nil && !strings.Contains(string(status), "State:\tZ")
}
