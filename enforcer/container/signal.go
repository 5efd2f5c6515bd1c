package container

import (
	"bytes"
	"os"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/enforcer/launch"
	"github.com/least-privilege/lpm/enforcer/signals"
)

// Signals returns the signals that a launcher passes on to its container: all
// that mean nothing to itself. Left out are those of its own faults, limits,
// children and timers, and of its reads and writes of a terminal in the
// background, which have to stop it; SIGPIPE, which says that nobody reads its
// own output; SIGURG, by which Go's runtime interrupts its threads; and the two that
// cannot be caught and the two that C libraries keep for themselves.
func Signals() []unix.Signal {
	list := []unix.Signal{
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

// forwarder passes signals on to a container. It does not wait for the
// supervisor, whom a hostile container can keep waiting for a page of memory.
type forwarder struct {
	container *launch.Container
	queue     *signals.Queue
	// tty says that the container has a terminal of its own, whose changes of
	// size the kernel tells it of.
	tty      bool
	observer Observer
	running  sync.WaitGroup
	// instead is the signal in whose place the container was killed, or 0. It
	// is for those who have stopped the forwarder.
	instead unix.Signal
}

// start begins to pass signals on, those that have come before too.
func (f *forwarder) start() {
	if f.queue != nil {
		f.running.Go(f.forward)
	}
}

// stop ends that.
func (f *forwarder) stop() {
	if f.queue != nil {
		f.queue.Stop()
		f.running.Wait()
	}
}

func (f *forwarder) forward() {
	for s := f.queue.Next(); s != 0; s = f.queue.Next() {
		switch {
		case s == unix.SIGWINCH && f.tty:
		case s == unix.SIGTSTP && f.observer.Job != nil && f.observer.Job():
			stop(f.container)
			f.observer.Stopped()
		case deliver(f.container, s) && f.instead == 0:
			f.instead = s
		}
		if f.observer.Passed != nil {
			f.observer.Passed(s)
		}
	}
}

// deliver sends a signal as if there were no pid namespace: the kernel drops
// what the namespace's first process has no handler for, so that Ctrl-C would
// do nothing to most programs. Where its default is to end the process, the
// container is killed, which deliver then reports.
func deliver(c *launch.Container, sig unix.Signal) (killed bool) {
	if ends(sig) && !c.HasInit() && defaults(c.ProgramPID(), sig) {
		sig, killed = unix.SIGKILL, true
	}
	// A container that has just ended needs no signal.
	_ = c.Signal(sig)
	return killed
}

// stop has the program do what it does at a stop by its terminal. The default
// is done for it: the kernel drops that in sessions without a shell.
func stop(c *launch.Container) {
	sig := unix.SIGTSTP
	if defaults(c.ProgramPID(), sig) {
		sig = unix.SIGSTOP
	}
	_ = c.Signal(sig)
}

// ends reports whether a signal's default is to end a process (signal(7)).
func ends(sig unix.Signal) bool {
	switch sig {
	case unix.SIGCHLD, unix.SIGCONT, unix.SIGSTOP, unix.SIGTSTP, unix.SIGTTIN, unix.SIGTTOU, unix.SIGURG, unix.SIGWINCH:
		return false
	}
	return true
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
