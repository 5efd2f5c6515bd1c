// Gofloor TREE PROGRAM ARG... takes the steps of ../floor/floor.c as a Go program that
// forks: the floor of launchers in Go that start so.
//
// Without arguments it does nothing, and takes what Go itself does.
//
// The child has a copy of a process in which Go's other threads are missing. It makes
// a list of raw system calls and nothing else.
package main

import (
	"fmt"
	"os"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

const namespaces = unix.CLONE_NEWUSER | unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWIPC |
	unix.CLONE_NEWUTS | unix.CLONE_NEWCGROUP | unix.CLONE_NEWNET

// call is a system call. Where file is set, its first argument is the result of the
// call before.
type call struct {
	number uintptr
	args   [5]uintptr
	file   bool
}

// steps is the list, and what its arguments point to.
type steps struct {
	calls []call
	kept  []any
}

func (s *steps) do(number uintptr, args ...any) {
	c := call{number: number}
	for i, a := range args {
		switch a := a.(type) {
		case int:
			c.args[i] = uintptr(a)
		case string:
			p, err := unix.BytePtrFromString(a)
			if err != nil {
				fail(err)
			}
			s.kept = append(s.kept, p)
			c.args[i] = uintptr(unsafe.Pointer(p))
		case unsafe.Pointer:
			s.kept = append(s.kept, a)
			c.args[i] = uintptr(a)
		}
	}
	s.calls = append(s.calls, c)
}

func (s *steps) write(path, text string) {
	s.do(unix.SYS_OPENAT, unix.AT_FDCWD, path, unix.O_WRONLY|unix.O_CLOEXEC)
	s.do(unix.SYS_WRITE, 0, text, len(text))
	s.calls[len(s.calls)-1].file = true
}

// filter is floor.c's.
func filter() *unix.SockFprog {
	const (
		load   = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS
		equal  = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
		end    = unix.BPF_RET | unix.BPF_K
		number = 0 // in struct seccomp_data
		arch   = 4
	)
	architecture := uint32(unix.AUDIT_ARCH_X86_64)
	if runtime.GOARCH == "arm64" {
		architecture = unix.AUDIT_ARCH_AARCH64
	}
	code := []unix.SockFilter{
		{Code: load, K: arch},
		{Code: equal, Jt: 1, K: architecture},
		{Code: end, K: unix.SECCOMP_RET_KILL_PROCESS},
		{Code: load, K: number},
		{Code: equal, Jf: 1, K: unix.SYS_PTRACE},
		{Code: end, K: unix.SECCOMP_RET_ERRNO | 1},
		{Code: end, K: unix.SECCOMP_RET_ALLOW},
	}
	return &unix.SockFprog{Len: uint16(len(code)), Filter: &code[0]}
}

func plan(tree string, args []string) *steps {
	s := &steps{}
	s.write("/proc/self/setgroups", "deny")
	s.write("/proc/self/uid_map", fmt.Sprintf("%d %[1]d 1\n", os.Getuid()))
	s.write("/proc/self/gid_map", fmt.Sprintf("%d %[1]d 1\n", os.Getgid()))
	s.do(unix.SYS_MOUNT, 0, "/", 0, unix.MS_SLAVE|unix.MS_REC)
	s.do(unix.SYS_MOUNT, tree, tree, 0, unix.MS_BIND|unix.MS_REC)
	s.do(unix.SYS_CHDIR, tree)
	s.do(unix.SYS_MOUNT, "proc", "proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC)
	s.do(unix.SYS_MOUNT, "tmpfs", "tmp", "tmpfs", unix.MS_NOSUID|unix.MS_NODEV)
	s.do(unix.SYS_MOUNT, 0, tree, 0, unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY|unix.MS_NOSUID|unix.MS_NODEV)
	s.do(unix.SYS_PIVOT_ROOT, ".", ".")
	s.do(unix.SYS_UMOUNT2, ".", unix.MNT_DETACH)
	s.do(unix.SYS_CHDIR, "/")
	s.do(unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1)
	s.do(unix.SYS_PRCTL, unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, unsafe.Pointer(filter()))
	argv, err := pointers(args)
	if err != nil {
		fail(err)
	}
	envp, err := pointers(os.Environ())
	if err != nil {
		fail(err)
	}
	s.do(unix.SYS_EXECVE, args[0], unsafe.Pointer(&argv[0]), unsafe.Pointer(&envp[0]))
	return s
}

func pointers(all []string) (p []*byte, err error) {
	for _, a := range all {
		b, err := unix.BytePtrFromString(a)
		if err != nil {
			return nil, err
		}
		p = append(p, b)
	}
	return append(p, nil), nil
}

// start makes the child. It must not need more of the stack than there is, nor be
// instrumented.
//
//go:norace
//go:nosplit
func start(calls []call) (uintptr, unix.Errno) {
	pid, _, errno := unix.RawSyscall6(unix.SYS_CLONE, namespaces|uintptr(unix.SIGCHLD), 0, 0, 0, 0, 0)
	if pid != 0 || errno != 0 {
		return pid, errno
	}
	last := uintptr(0)
	for i := range calls {
		c := &calls[i]
		if c.file {
			c.args[0] = last
		}
		if last, _, errno = unix.RawSyscall6(c.number, c.args[0], c.args[1], c.args[2], c.args[3], c.args[4], 0); errno != 0 {
			break
		}
	}
	for {
		_, _, _ = unix.RawSyscall(unix.SYS_EXIT_GROUP, 125, 0, 0)
	}
}

func main() {
	if len(os.Args) == 1 {
		return
	}
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "usage: gofloor [TREE PROGRAM ARG...]")
		os.Exit(125)
	}
	runtime.LockOSThread()
	s := plan(os.Args[1], os.Args[2:])
	pid, errno := start(s.calls)
	runtime.KeepAlive(s)
	if errno != 0 {
		fail(errno)
	}
	var status unix.WaitStatus
	for {
		_, err := unix.Wait4(int(pid), &status, 0, nil)
		if err == nil {
			break
		}
		if err != unix.EINTR {
			fail(err)
		}
	}
	if status.Exited() {
		os.Exit(status.ExitStatus())
	}
	os.Exit(128 + int(status.Signal()))
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "gofloor:", err)
	os.Exit(125)
}
