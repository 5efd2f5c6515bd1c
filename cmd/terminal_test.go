package cmd_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"

	"github.com/least-privilege/lpm/enforcer/container"
)

// onTerminal is the program "terminal [-at TEXT] FILE program args...": it runs
// the program on a terminal of its own, types FILE there, and prints what
// appears. With -at it types a line of FILE each time TEXT appears, and at the
// end of FILE the end of input; "^C" in FILE is that key.
func onTerminal() {
	args, at := os.Args[1:], ""
	if len(args) > 2 && args[0] == "-at" {
		at, args = args[1], args[2:]
	}
	if len(args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: terminal [-at TEXT] FILE program args...")
		os.Exit(1)
	}
	err := typed(at, args[0], args[1], args[2:]...)
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		os.Exit(exit.ExitCode())
	case err != nil:
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

func typed(at, file, program string, args ...string) error {
	text, err := os.Open(file)
	if err != nil {
		return err
	}
	defer text.Close()
	if at == "" {
		return onPty(text, os.Stdout, program, args...)
	}
	in, answers, err := os.Pipe()
	if err != nil {
		return err
	}
	defer in.Close()
	screen, out, err := os.Pipe()
	if err != nil {
		return err
	}
	lines, err := io.ReadAll(text)
	if err != nil {
		return err
	}
	done := make(chan error, 1)
	go func() { done <- answer(at, string(lines), screen, answers) }()
	err = onPty(in, out, program, args...)
	out.Close()
	if failed := <-done; err == nil {
		err = failed
	}
	return err
}

// answer types a line each time the question appears on the screen.
func answer(question, text string, screen io.Reader, keys io.WriteCloser) error {
	defer keys.Close()
	lines := strings.SplitAfter(strings.ReplaceAll(text, "^C\n", "\x03"), "\n")
	seen, from := "", bufio.NewReader(screen)
	for {
		c, err := from.ReadByte()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if _, err := os.Stdout.Write([]byte{c}); err != nil {
			return err
		}
		if seen += string(rune(c)); !strings.HasSuffix(seen, question) {
			continue
		}
		seen = ""
		if lines[0] == "" { // the end of input is a key as well
			lines[0] = "\x04"
		}
		if _, err := io.WriteString(keys, lines[0]); err != nil {
			return err
		}
		if lines = lines[1:]; len(lines) == 0 {
			lines = []string{""}
		}
	}
}

// onPty runs a program on a terminal of its own.
func onPty(in, out *os.File, program string, args ...string) error {
	t, err := container.OpenTerminal()
	if err != nil {
		return err
	}
	defer t.Close()
	slave, err := os.OpenFile(t.Path, os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		return err
	}
	c := exec.Command(program, args...)
	c.Env = append(os.Environ(), "TERM=xterm")
	c.Stdin, c.Stdout, c.Stderr = slave, slave, slave
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	err = c.Start()
	slave.Close() // the program's copies are the last
	if err != nil {
		return err
	}
	if err := t.Attach(context.Background(), in, out); err != nil {
		return err
	}
	return c.Wait()
}
