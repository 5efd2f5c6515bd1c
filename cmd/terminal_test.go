package cmd_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"

	"github.com/least-privilege/lpm/enforcer/container"
)

// onTerminal is the program "terminal FILE program args...": it runs the
// program on a terminal of its own, types FILE there, and prints what appears.
func onTerminal() {
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "usage: terminal FILE program args...")
		os.Exit(1)
	}
	err := typed(os.Args[1], os.Args[2], os.Args[3:]...)
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

func typed(file, program string, args ...string) error {
	text, err := os.Open(file)
	if err != nil {
		return err
	}
	defer text.Close()
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
	if err := t.Attach(context.Background(), text, os.Stdout); err != nil {
		return err
	}
	return c.Wait()
}
