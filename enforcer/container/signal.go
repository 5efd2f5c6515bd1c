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

// Signals returns the signals that a launcher passes on to its container: all
// that mean nothing to itself. Left out are those of its own faults, limits,
// children and timers, and of its reads and writes of a terminal in the
// background, which have to stop it; SIGPIPE, which says that nobody reads its
// own output; SIGURG, by which Go's runtime interrupts its threads; and the two that
// cannot be caught and the two that C libraries keep for themselves.
func Signals() []os.Signal {
	list := []os.Signal{
		unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGABRT, unix.SIGUSR1, unix.SIGUSR2, unix.SIGALRM, unix.SIGTERM,
		unix.SIGSTKFLT, unix.SIGCONT, unix.SIGTSTP, unix.SIGWINCH, unix.SIGIO, unix.SIGPWR,
	}
	for n := firstRealTime; n <= lastRealTime; n++ {
		list = append(list, n)
	}
	return list
}

// The real-time signals that programs use (signal(7)).
const firstRealTime, lastRealTime unix.Signal = 34, 64

// forward passes signals on until the container ends, and then sends the
// signal in whose place the container was killed, or 0. stopped, if not nil,
// is called when the container has been told to stop.
func forward(ctx context.Context, c *launch.Container, signals <-chan os.Signal, stopped func()) <-chan unix.Signal {
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
				sig, ok := s.(syscall.Signal)
				if ok && deliver(c, sig) {
					instead = sig
				}
				if sig == unix.SIGTSTP && stopped != nil {
					stopped()
				}
			}
		}
	}()
	return result
}

// deliver sends a signal as if there were no pid namespace: the kernel drops
// what the namespace's first process has no handler for, so that Ctrl-C would
// do nothing to most programs, and drops the stop that a terminal asks for
// where the program's session has no shell. Where its default is to end the
// process, the container is killed, which deliver then reports.
func deliver(c *launch.Container, sig unix.Signal) (killed bool) {
	switch action := defaultAction(sig); {
	case action == ends && !c.HasInit() && defaults(c.ProgramPID(), sig):
		sig, killed = unix.SIGKILL, true
	case action == stops && defaults(c.ProgramPID(), sig):
		sig = unix.SIGSTOP
	}
	// A container that has just ended needs no signal.
	_ = c.Signal(sig)
	return killed
}

// The default actions (signal(7)).
const (
	ends = iota
	stops
	nothing // or to go on
)

func defaultAction(sig unix.Signal) int {
	switch sig {
	case unix.SIGTSTP, unix.SIGTTIN, unix.SIGTTOU:
		return stops
	case unix.SIGCHLD, unix.SIGCONT, unix.SIGURG, unix.SIGWINCH, unix.SIGSTOP, unix.SIGKILL:
		return nothing
	}
	return ends
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
