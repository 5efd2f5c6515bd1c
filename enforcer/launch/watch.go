package launch

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/enforcer/plan"
)

// watcher is a process that ends what its launcher, once gone, no longer can:
// it kills the container, and puts the terminal back that the launcher had in
// raw mode.
//
// The parent-death signal alone does not end a container: it can take that
// back with prctl, and the kernel does so by itself where the first process
// changes its user, as the entry scripts of many images do. The watcher has a
// session of its own, so that what ends the launcher's does not end it too, and
// no job control keeps it from the terminal.
type watcher struct {
	pid int
	// life is the pipe whose end tells the watcher to act.
	life *os.File
}

// watch starts a watcher of the container with the given pidfd, and of a
// terminal or nil. It is a fork that makes a few calls and executes nothing.
func watch(pidfd int, terminal *os.File) (*watcher, error) {
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC); err != nil {
		return nil, fmt.Errorf("making a watcher: %w", err)
	}
	life := os.NewFile(uintptr(pipe[1]), "watcher's pipe")
	defer unix.Close(pipe[0])
	opened := map[string]int{"life": pipe[0], "container": pidfd}
	var state *unix.Termios
	if terminal != nil {
		// What is no terminal has no state. It may be among the first three
		// descriptors, which the watcher fills anew.
		copied, err := unix.FcntlInt(terminal.Fd(), unix.F_DUPFD_CLOEXEC, 3)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("making a watcher: %w", err), life.Close())
		}
		defer unix.Close(copied)
		if t, err := unix.IoctlGetTermios(copied, unix.TCGETS); err == nil {
			state, opened["terminal"] = t, copied
		}
	}
	prog, err := compile(watchOps(state), opened, nil)
	if err == nil {
		var pid int
		if pid, err = fork(prog, &cloneArgs{exitSignal: uint64(unix.SIGCHLD)}, -1); err == nil {
			return &watcher{pid: pid, life: life}, nil
		}
	}
	return nil, errors.Join(fmt.Errorf("making a watcher: %w", err), life.Close())
}

// watchOps are the watcher's operations. It ends by the report of the last, to
// nobody, as every child that executes nothing does.
func watchOps(state *unix.Termios) []plan.Op {
	number := func(n int64) plan.Arg { return plan.Arg{Number: &n} }
	name := "lpm-watcher"
	keep := []string{"life", "container"}
	if state != nil {
		keep = append(keep, "terminal")
	}
	ops := []plan.Op{
		{Call: "prctl", Args: []plan.Arg{{Flags: "PR_SET_NAME"}, {Text: &name}}},
		{Call: "setsid"},
	}
	for i, fd := range keep {
		ops = append(ops, plan.Op{Call: "dup3", Args: []plan.Arg{{FD: fd}, number(int64(i)), number(0)}})
	}
	ops = append(ops,
		// The other end of the pipe, and everything else that others wait
		// to see closed.
		plan.Op{Call: "close_range", Args: []plan.Arg{number(int64(len(keep))), number(1<<32 - 1), number(0)}},
		plan.Op{Call: "read", Args: []plan.Arg{number(0), {Struct: []plan.Field{{Name: "byte", Size: 1, Value: number(0)}}}, number(1)}, Want: "0"},
		// By now the kernel may have ended it.
		plan.Op{Call: "pidfd_send_signal", Args: []plan.Arg{number(1), {Flags: "SIGKILL"}, number(0), number(0)}, Want: "any"})
	if state != nil {
		ops = append(ops, plan.Op{Call: "ioctl", Args: []plan.Arg{number(2), {Flags: "TCSETS"}, termios(state)}})
	}
	return ops
}

// termios is struct termios of asm-generic/termbits.h.
func termios(state *unix.Termios) plan.Arg {
	flags := func(name string, v uint32) plan.Field {
		n := int64(v)
		return plan.Field{Name: name, Size: 4, Value: plan.Arg{Number: &n}}
	}
	rest := string(append([]byte{state.Line}, state.Cc[:]...))
	return plan.Arg{Struct: []plan.Field{
		flags("c_iflag", state.Iflag), flags("c_oflag", state.Oflag), flags("c_cflag", state.Cflag), flags("c_lflag", state.Lflag),
		{Name: "c_line and c_cc", Size: 1 + len(state.Cc), Value: plan.Arg{Text: &rest}},
	}}
}

// end lets the watcher go and collects it. It is called when the container
// has ended, or is not to run any more.
func (w *watcher) end() {
	w.life.Close()
	for {
		if _, err := unix.Wait4(w.pid, nil, 0, nil); !errors.Is(err, unix.EINTR) {
			return
		}
	}
}
