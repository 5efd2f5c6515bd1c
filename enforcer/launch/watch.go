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
// The parent-death signal alone does not end a container that can take it back
// with prctl, or whose first process can change its user, as the entry scripts
// of many images do, upon which the kernel takes it back by itself. The watcher
// has a session of its own, so that what ends the launcher's does not end it
// too, and no job control keeps it from the terminal.
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
	names, opened := []string{"life", "container"}, []int32{int32(pipe[0]), int32(pidfd)}
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
			state, names, opened = t, append(names, "terminal"), append(opened, int32(copied))
		}
	}
	prog, err := compile(watchOps(names, state), names, Filters{})
	if err == nil {
		bound := prog.bind(opened, Given{})
		var pid int
		if pid, err = fork(bound, cloneArgs{exitSignal: uint64(unix.SIGCHLD)}, -1); err == nil {
			return &watcher{pid: pid, life: life}, nil
		}
	}
	return nil, errors.Join(fmt.Errorf("making a watcher: %w", err), life.Close())
}

// watchOps are the watcher's operations, which has the named descriptors, and
// the state of a terminal or nil. It ends by the report of the last, to nobody,
// as every child that executes nothing does.
func watchOps(names []string, state *unix.Termios) []plan.Op {
	number := func(n int64) plan.Arg { return plan.Arg{Number: &n} }
	name := "lpm-watcher"
	ops := []plan.Op{
		{Call: "prctl", Args: []plan.Arg{{Flags: "PR_SET_NAME"}, {Text: &name}}},
		{Call: "setsid"},
	}
	for i, name := range names {
		ops = append(ops, plan.Op{Call: "dup3", Args: []plan.Arg{{FD: name}, number(int64(i)), number(0)}})
	}
	ops = append(ops,
		// The other end of the pipe, and everything else that others wait
		// to see closed.
		plan.Op{Call: "close_range", Args: []plan.Arg{number(int64(len(names))), number(1<<32 - 1), number(0)}},
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
	var fields []plan.Field
	add := func(name string, size int, v uint32) {
		n := int64(v)
		fields = append(fields, plan.Field{Name: name, Size: size, Value: plan.Arg{Number: &n}})
	}
	add("c_iflag", 4, state.Iflag)
	add("c_oflag", 4, state.Oflag)
	add("c_cflag", 4, state.Cflag)
	add("c_lflag", 4, state.Lflag)
	add("c_line", 1, uint32(state.Line))
	for _, c := range state.Cc {
		add("c_cc", 1, uint32(c))
	}
	return plan.Arg{Struct: fields}
}

// end lets the watcher go and collects it. It is called when the container
// has ended, or is not to run any more.
func (w *watcher) end() {
	w.life.Close()
	collect(w.pid)
}
