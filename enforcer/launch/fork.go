package launch

import (
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The runtime's hooks around a fork, which package syscall uses too. They are
// kept for users outside the standard library (go.dev/issue/67401).

//go:linkname beforeFork syscall.runtime_BeforeFork
func beforeFork()

//go:linkname afterFork syscall.runtime_AfterFork
func afterFork()

//go:linkname afterForkInChild syscall.runtime_AfterForkInChild
func afterForkInChild()

// cloneArgs is struct clone_args of linux/sched.h, the version of Linux 5.7.
type cloneArgs struct {
	flags, pidfd, childTID, parentTID, exitSignal     uint64
	stack, stackSize, tls, setTID, setTIDSize, cgroup uint64
}

// report is what the child writes to the status pipe before it ends: the
// operation that failed and its error. A listener's number alone is shorter.
type report struct {
	op, errno int32
}

// fork makes a child with the given clone flags, which executes p and never
// returns. status is where the child writes its report.
func fork(p *bound, args *cloneArgs, status int) (pid int, err error) {
	// No other thread may open a descriptor between a non-atomic pair of
	// open and close-on-exec, or the child would hand it on.
	syscall.ForkLock.Lock()
	n, errno := forkAndRun(p, args, uintptr(status))
	syscall.ForkLock.Unlock()
	runtime.KeepAlive(p)
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}

// forkAndRun forks; the child makes the calls. Nothing here may allocate,
// grow the stack or take a lock once beforeFork has been called.
//
//go:noinline
//go:norace
//go:nocheckptr
//go:nosplit
func forkAndRun(p *bound, args *cloneArgs, status uintptr) (pid uintptr, errno syscall.Errno) {
	var (
		c        *boundCall
		r        uintptr
		i, j, to int
		rep      report
	)
	beforeFork()
	pid, _, errno = syscall.RawSyscall6(unix.SYS_CLONE3, uintptr(unsafe.Pointer(args)), unsafe.Sizeof(*args), 0, 0, 0, 0)
	if errno != 0 || pid != 0 {
		afterFork()
		return pid, errno
	}

	afterForkInChild()
	for i = 0; i < len(p.arguments); i++ {
		p.arguments[i] = 0
	}
	to = p.first
	for i = 0; i < to; i++ {
		c = &p.calls[i]
		r, errno = c.invoke(p.fds)
		switch c.want {
		case wantSuccess:
			if errno != 0 {
				goto fail
			}
		case wantValue:
			if errno != 0 || r != c.value {
				goto fail
			}
		case wantErrno:
			if uintptr(errno) != c.value {
				goto fail
			}
		}
		if c.out >= 0 {
			p.fds[c.out] = int32(r)
			for j = 0; j < len(c.patches); j++ {
				*c.patches[j] = int32(r)
			}
		}
		if c.forks && r != 0 {
			// The first process, which goes on with its own.
			i, to = p.first-1, len(p.calls)
		}
	}
	if p.reap != nil && p.fds[p.reap.program] > 0 {
		p.reap.run(p.fds)
	}
	// The last operation executes the program and does not return.
	errno = syscall.ENOEXEC

fail:
	rep.op, rep.errno = int32(i), int32(errno)
	syscall.RawSyscall6(unix.SYS_WRITE, status, uintptr(unsafe.Pointer(&rep)), unsafe.Sizeof(rep), 0, 0, 0)
	if p.reap != nil && p.fds[p.reap.program] > 0 {
		// The first process. Its descriptors are closed before its end ends
		// all others, and the program's waits for just that.
		syscall.RawSyscall6(unix.SYS_KILL, uintptr(p.fds[p.reap.program]), uintptr(syscall.SIGKILL), 0, 0, 0, 0)
	}
	for {
		syscall.RawSyscall6(unix.SYS_EXIT_GROUP, 125, 0, 0, 0, 0, 0)
	}
}

// invoke makes the call with the descriptors that it names.
//
//go:noinline
//go:norace
//go:nocheckptr
//go:nosplit
func (c *boundCall) invoke(fds []int32) (r uintptr, errno syscall.Errno) {
	var a [6]uintptr
	for j := 0; j < len(a); j++ {
		a[j] = c.args[j]
		if c.fdArgs[j] >= 0 {
			a[j] = uintptr(fds[c.fdArgs[j]])
		}
	}
	r, _, errno = syscall.RawSyscall6(c.number, a[0], a[1], a[2], a[3], a[4], a[5])
	return r, errno
}
