package launch

import (
	"fmt"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// cloneArgs is struct clone_args of linux/sched.h, the version of Linux 5.7.
type cloneArgs struct {
	flags, pidfd                 uint64
	_, _                         uint64 // child_tid, parent_tid
	exitSignal, stack, stackSize uint64
	_, _, _                      uint64 // tls, set_tid, set_tid_size
	cgroup                       uint64
}

// report is what the child writes to the status pipe before it ends: the
// operation that failed and its error. A listener's number alone is shorter.
type report struct {
	op, errno int32
}

// childStack is the size of a child's stack in bytes. What runs on it cannot
// grow it; the linker sees to it that less than 800 are needed.
const childStack = 4096

// fork makes a child with the given clone flags, which executes p and never
// returns. status is where the child writes its report.
//
// With CLONE_VM the child works in this process's memory, as after vfork(2),
// while this process goes on: neither has to copy what the other writes to. p
// must then be kept until the child has executed a program. It is for children
// that do: one that stays would hand this memory to whoever takes it over.
func fork(p *bound, args cloneArgs, status int) (pid int, err error) {
	stack := p.words(childStack)
	args.stack, args.stackSize = uint64(uintptr(unsafe.Pointer(unsafe.SliceData(stack)))), childStack
	// A handler of this process has no place in the child.
	args.flags |= unix.CLONE_CLEAR_SIGHAND
	p.status = uintptr(status)
	// No other thread may open a descriptor between a non-atomic pair of
	// open and close-on-exec, or the child would hand it on.
	syscall.ForkLock.Lock()
	n := cloneChild(&args, unsafe.Sizeof(args), p)
	syscall.ForkLock.Unlock()
	runtime.KeepAlive(p)
	if n < 0 {
		return 0, fmt.Errorf("clone3: %w", syscall.Errno(-n))
	}
	return n, nil
}

// cloneChild is clone3(2), which returns the error as a negative number. In the
// child it does not return but continues with runChild on the new stack, where
// no goroutine is: neither may allocate, grow the stack, take a lock or be
// called back by Go's runtime.
//
//go:noescape
func cloneChild(args *cloneArgs, size uintptr, p *bound) int

// No Go calls it.
var _ = runChild

// runChild makes the calls. A child that is held waits for them.
//
//go:norace
//go:nocheckptr
//go:nosplit
func runChild(p *bound) {
	var (
		c        *boundCall
		r        uintptr
		errno    syscall.Errno
		i, j, to int
		rep      report
	)
	if p.held && !p.awaitCalls() {
		goto end
	}
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
	syscall.RawSyscall6(unix.SYS_WRITE, p.status, uintptr(unsafe.Pointer(&rep)), unsafe.Sizeof(rep), 0, 0, 0)
	if p.reap != nil && p.fds[p.reap.program] > 0 {
		// The first process. Its descriptors are closed before its end ends
		// all others, and the program's waits for just that.
		syscall.RawSyscall6(unix.SYS_KILL, uintptr(p.fds[p.reap.program]), uintptr(syscall.SIGKILL), 0, 0, 0, 0)
	}
end:
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
