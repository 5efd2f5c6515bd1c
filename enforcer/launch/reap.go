package launch

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"syscall"
	"unsafe"
)

// reaper is the part of [plan.Init] that is made again and again. The slots
// are those of the process that it waits for, and of how that has ended.
type reaper struct {
	wait, collect, pass, end boundCall
	program, ended           int32
}

// run is the life of a first process that is not the program; see [plan.Init].
// It allocates nothing and does not return.
//
//go:noinline
//go:norace
//go:nocheckptr
//go:nosplit
func (p *reaper) run(fds []int32) {
	for {
		signal, errno := p.wait.invoke(fds)
		if errno != 0 {
			continue // the process was stopped, and goes on
		}
		if signal != uintptr(syscall.SIGCHLD) {
			fds[p.wait.out] = int32(signal)
			// It may be another user's by now, as for whoever sent it.
			_, _ = p.pass.invoke(fds)
			continue
		}
		// One signal can stand for several children.
		for {
			pid, errno := p.collect.invoke(fds)
			if errno != 0 || pid == 0 {
				break
			}
			if int32(pid) != fds[p.program] {
				continue
			}
			fds[p.ended] = exitStatus(fds[p.ended])
			for {
				_, _ = p.end.invoke(fds)
			}
		}
	}
}

// exitStatus turns a wait status into an exit status as a shell has it.
//
//go:nosplit
func exitStatus(wait int32) int32 {
	const signalled = 128
	if signal := wait & 0x7f; signal != 0 {
		return signalled + signal
	}
	return wait >> 8 & 0xff
}

// arguments returns the memory of this process's command line, which a child
// has a copy of. Everyone who sees a process can read it there (proc(5)).
func arguments() ([]byte, error) {
	stat, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		return nil, fmt.Errorf("looking up the command line in memory: %w", err)
	}
	// The name may have spaces and brackets in it. The fields after it begin
	// with the third; these are arg_start and arg_end (proc_pid_stat(5)).
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	const start, end = 48 - 3, 49 - 3
	if len(fields) <= end {
		return nil, errors.New("looking up the command line in memory: /proc/self/stat has fewer fields than Linux 3.5 gives it")
	}
	from, errFrom := strconv.ParseUint(string(fields[start]), 10, 64)
	to, errTo := strconv.ParseUint(string(fields[end]), 10, 64)
	if err := errors.Join(errFrom, errTo); err != nil || from == 0 || to < from {
		return nil, fmt.Errorf("looking up the command line in memory: from %d to %d: %w", from, to, errors.Join(err, errors.ErrUnsupported))
	}
	// An address of the kernel's making and none of Go's, which a conversion
	// in one step would be taken for.
	at := *(*unsafe.Pointer)(unsafe.Pointer(&from))
	return unsafe.Slice((*byte)(at), to-from), nil
}
