package container

import (
	"bytes"
	"context"
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/enforcer/launch"
)

// forward passes signals on until the container ends, and then sends the
// signal in whose place the container was killed, or 0.
func forward(ctx context.Context, c *launch.Container, signals <-chan os.Signal) <-chan unix.Signal {
	result := make(chan unix.Signal, 1)
	go func() {
		var instead unix.Signal
		defer func() { result <- instead }()
		done := ctx.Done()
		for {
			select {
			case <-c.Exited():
				return
			case <-done:
				_ = c.Signal(unix.SIGKILL)
				done = nil
			case s := <-signals:
				if sig, ok := s.(syscall.Signal); ok && deliver(c, sig) {
					instead = sig
				}
			}
		}
	}()
	return result
}

// deliver sends a signal as if there were no pid namespace: the kernel drops
// what the namespace's first process has no handler for, so that Ctrl-C would
// do nothing to most programs. Where its default is to end the process, the
// container is killed, which deliver then reports.
func deliver(c *launch.Container, sig unix.Signal) (killed bool) {
	switch sig {
	case unix.SIGTERM, unix.SIGINT, unix.SIGHUP, unix.SIGQUIT, unix.SIGUSR1, unix.SIGUSR2, unix.SIGALRM:
		if !c.HasInit() && defaults(c.PID(), sig) {
			sig, killed = unix.SIGKILL, true
		}
	}
	// A container that has just ended needs no signal.
	_ = c.Signal(sig)
	return killed
}

// defaults reports whether a process neither handles nor ignores a signal.
func defaults(pid int, sig unix.Signal) bool {
	status, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return false
	}
	for _, field := range []string{"\nSigCgt:", "\nSigIgn:"} {
		_, rest, _ := bytes.Cut(status, []byte(field))
		line, _, _ := bytes.Cut(rest, []byte("\n"))
		mask, err := strconv.ParseUint(string(bytes.TrimSpace(line)), 16, 64)
		if err != nil || mask&(1<<(sig-1)) != 0 {
			return false
		}
	}
	return true
}
