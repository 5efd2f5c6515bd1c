package launch

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/enforcer/plan"
)

// watcher is a process that kills a container whose launcher is gone.
//
// The parent-death signal alone does not where the container can take it back
// with prctl, or where its first process can change its user, as the entry
// scripts of many images do, upon which the kernel takes it back by itself. The
// watcher has a session of its own, so that what ends the launcher's does not
// end it too.
type watcher struct {
	pid int
	// life is the pipe whose end tells the watcher to act.
	life *os.File
}

// watch starts a watcher of the container with the given pidfd. It is a fork
// that makes a few calls and executes nothing.
func watch(pidfd int) (*watcher, error) {
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC); err != nil {
		return nil, fmt.Errorf("making a watcher: %w", err)
	}
	life := os.NewFile(uintptr(pipe[1]), "watcher's pipe")
	defer unix.Close(pipe[0])
	prog, err := compile(watchOps(), []string{"life", "container"}, nil)
	if err == nil {
		bound := prog.bind([]int32{int32(pipe[0]), int32(pidfd)}, Given{})
		var pid int
		if pid, err = fork(bound, &cloneArgs{exitSignal: uint64(unix.SIGCHLD)}, -1); err == nil {
			return &watcher{pid: pid, life: life}, nil
		}
	}
	return nil, errors.Join(fmt.Errorf("making a watcher: %w", err), life.Close())
}

// watchOps are the watcher's operations. It ends by the report of the last, to
// nobody, as every child that executes nothing does.
func watchOps() []plan.Op {
	number := func(n int64) plan.Arg { return plan.Arg{Number: &n} }
	name := "lpm-watcher"
	return []plan.Op{
		{Call: "prctl", Args: []plan.Arg{{Flags: "PR_SET_NAME"}, {Text: &name}}},
		{Call: "setsid"},
		{Call: "dup3", Args: []plan.Arg{{FD: "life"}, number(0), number(0)}},
		{Call: "dup3", Args: []plan.Arg{{FD: "container"}, number(1), number(0)}},
		// The other end of the pipe, and everything else that others wait
		// to see closed.
		{Call: "close_range", Args: []plan.Arg{number(2), number(1<<32 - 1), number(0)}},
		{Call: "read", Args: []plan.Arg{number(0), {Struct: []plan.Field{{Name: "byte", Size: 1, Value: number(0)}}}, number(1)}, Want: "0"},
		{Call: "pidfd_send_signal", Args: []plan.Arg{number(1), {Flags: "SIGKILL"}, number(0), number(0)}},
	}
}

// end lets the watcher go and collects it. It is called when the container
// has ended, or is not to run any more.
func (w *watcher) end() {
	w.life.Close()
	collect(w.pid)
}
