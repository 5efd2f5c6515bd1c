package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A command is something whose start to end is timed.
type command struct {
	args []string
	// env are additions to the environment.
	env []string
	// within is the command that the starter is started by, where the
	// command has to run somewhere else.
	within []string
	// input is a file that is opened anew for each run, as descriptor 3.
	input string
	// terminal is the path of a terminal for the standard streams, which
	// otherwise are /dev/null.
	terminal string
}

// try runs the command once, and returns what it says where it fails.
func (c command) try(ctx context.Context) error {
	args := append(slices.Clone(c.within), c.args...)
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Env = append(os.Environ(), c.env...)
	if c.input != "" {
		f, err := os.Open(c.input)
		if err != nil {
			return err
		}
		defer f.Close()
		cmd.ExtraFiles = []*os.File{f}
	}
	out, err := cmd.CombinedOutput()
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %s", err, gist(string(out)))
}

// A starter is a process that runs one command whenever it is asked to, and
// times it. So a command can be timed inside of namespaces, a cgroup or a
// session that it takes time to make, and what measures is a small process with
// nothing else to do.
type starter struct {
	cmd     *exec.Cmd
	ask     io.WriteCloser
	answers *bufio.Reader
	said    bytes.Buffer
}

// starterVerb makes this program a starter.
const starterVerb = "start"

// turn is a starter's answer.
type turn struct {
	// Wall is from before the start to after the end, and Processor what all
	// processes of the command used, both in nanoseconds.
	Wall, Processor int64
	Status          uint32
}

// start makes a starter. It ends with ctx, or when it is closed.
func (c command) start(ctx context.Context) (*starter, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	args := append(slices.Clone(c.within), self, starterVerb, "-stdio", c.terminal, "-input", c.input, "--")
	args = append(args, c.args...)
	s := &starter{cmd: exec.CommandContext(ctx, args[0], args[1:]...)}
	s.cmd.Env = append(os.Environ(), c.env...)
	s.cmd.Stderr = &s.said
	if s.ask, err = s.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	answers, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	s.answers = bufio.NewReader(answers)
	return s, s.cmd.Start()
}

// measure has the command run once. It returns the wall and the processor
// time, in milliseconds.
func (s *starter) measure(context.Context) ([]float64, error) {
	var t turn
	_, err := s.ask.Write([]byte{1})
	if err == nil {
		err = binary.Read(s.answers, binary.NativeEndian, &t)
	}
	if err != nil {
		// What it said is complete once it has been waited for.
		return nil, errors.Join(err, s.close())
	}
	if t.Status != 0 {
		return nil, fmt.Errorf("the command ended with status %#x", t.Status)
	}
	return []float64{float64(t.Wall) / 1e6, float64(t.Processor) / 1e6}, nil
}

func (s *starter) close() error {
	s.ask.Close()
	if err := s.cmd.Wait(); err != nil {
		return fmt.Errorf("%w: %s", err, bytes.TrimSpace(s.said.Bytes()))
	}
	return nil
}

// starterMain is the starter itself. Between the two looks at the clock it
// does nothing but start and wait: no pipes, no goroutines, no memory.
func starterMain(args []string) error {
	set := flag.NewFlagSet(starterVerb, flag.ContinueOnError)
	stdio := set.String("stdio", "", "`path` of the command's standard streams")
	input := set.String("input", "", "`file` to hand over as descriptor 3")
	if err := set.Parse(args); err != nil {
		return err
	}
	args = set.Args()
	path, err := exec.LookPath(args[0])
	if err != nil {
		return err
	}
	if *stdio == "" {
		*stdio = os.DevNull
	}
	streams, err := syscall.Open(*stdio, syscall.O_RDWR|syscall.O_NOCTTY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("opening %s: %w", *stdio, err)
	}
	files := []uintptr{uintptr(streams), uintptr(streams), uintptr(streams)}
	if *input != "" {
		files = append(files, 0)
	}
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("becoming the reaper: %w", err)
	}
	attr := &syscall.ProcAttr{Env: os.Environ(), Files: files}
	runtime.LockOSThread()
	for {
		if _, err := os.Stdin.Read(make([]byte, 1)); err != nil {
			return nil
		}
		if *input != "" {
			fd, err := syscall.Open(*input, syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
			if err != nil {
				return fmt.Errorf("opening %s: %w", *input, err)
			}
			files[3] = uintptr(fd)
		}
		t, err := once(path, args, attr)
		if err != nil {
			return fmt.Errorf("running %s: %w", strings.Join(args, " "), err)
		}
		if *input != "" {
			syscall.Close(int(files[3]))
		}
		if err := binary.Write(os.Stdout, binary.NativeEndian, t); err != nil {
			return err
		}
	}
}

// once runs the command. Processes that it leaves behind, as bwrap does with
// the container's first, are this one's to collect.
func once(path string, args []string, attr *syscall.ProcAttr) (turn, error) {
	var status syscall.WaitStatus
	started := time.Now()
	pid, err := syscall.ForkExec(path, args, attr)
	if err != nil {
		return turn{}, err
	}
	used, err := collect(pid, &status)
	took := time.Since(started)
	for err == nil {
		var more int64
		more, err = collect(-1, nil)
		used += more
	}
	if !errors.Is(err, syscall.ECHILD) {
		return turn{}, err
	}
	return turn{Wall: int64(took), Processor: used, Status: uint32(status)}, nil
}

// collect waits for a child, or any, and returns the processor time that it
// and those that it has collected itself used.
func collect(pid int, status *syscall.WaitStatus) (int64, error) {
	for {
		var usage syscall.Rusage
		_, err := syscall.Wait4(pid, status, 0, &usage)
		if !errors.Is(err, syscall.EINTR) {
			return usage.Utime.Nano() + usage.Stime.Nano(), err
		}
	}
}
