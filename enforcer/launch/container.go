package launch

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/enforcer/plan"
)

// Spec is a container to start.
type Spec struct {
	Plan *plan.Plan
	// Filters are the plan's filters, compiled, in the plan's order.
	Filters [][]byte
	// Stdin, Stdout and Stderr are what the program gets. They stay the
	// caller's to close.
	Stdin, Stdout, Stderr *os.File
	// Cgroup is the folder of the cgroup (v2) to start in, or nil.
	Cgroup *os.File
	// Terminal, where not nil, is the caller's terminal. If this process is
	// killed, it is put back into the state that it has now.
	Terminal *os.File
	// MapIDs writes the maps of the child's user namespace.
	MapIDs func(pid int) error
}

// Container is a started container. It ends when the process that started it
// does.
type Container struct {
	pid   int
	pidfd *os.File
	// program is the program's process where that is not the first.
	program    *os.File
	programPID int
	listener   *os.File
	status     *os.File
	ops        []plan.Op
	watcher    *watcher

	exited chan struct{}
	result result
	// reported is the child's report, once it has been read.
	reported sync.Once
	report   error
}

type result struct {
	status Status
	err    error
}

// Status is how a container ended.
type Status struct {
	// Code is the program's exit status where Signal is 0.
	Code   int
	Signal unix.Signal
	// Usage is what all of the container's processes used.
	Usage unix.Rusage
}

// Start forks the container and returns when its filter is in place, before
// the program runs. The program's execution is the first call that waits at
// the listener: the caller serves it, or nothing runs.
//
// The container's life is bound to that of a thread of the calling process,
// which Start sets aside until the container has ended.
func Start(s Spec) (*Container, error) {
	type started struct {
		c   *Container
		err error
	}
	done := make(chan started)
	go func() {
		// PR_SET_PDEATHSIG follows the thread that forked, not its process.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		c, err := start(s)
		done <- started{c, err}
		if err == nil {
			c.wait()
		}
	}()
	r := <-done
	return r.c, r.err
}

func start(s Spec) (*Container, error) {
	if len(s.Filters) != len(s.Plan.Filters) {
		return nil, fmt.Errorf("the plan has %d filters, %d were compiled", len(s.Plan.Filters), len(s.Filters))
	}
	ch, err := newChannels(s)
	if err != nil {
		return nil, fmt.Errorf("preparing the start: %w", err)
	}
	defer ch.close()
	prog, err := compilePlan(s.Plan, ch.names(), s.Filters)
	if err != nil {
		return nil, fmt.Errorf("translating the plan: %w", err)
	}
	flags, err := constants(strings.Join(s.Plan.Namespaces, "|"))
	if err != nil {
		return nil, fmt.Errorf("translating the plan: %w", err)
	}

	pidfd := int32(-1)
	args := &cloneArgs{flags: flags | unix.CLONE_PIDFD, exitSignal: uint64(unix.SIGCHLD), pidfd: address(&pidfd)}
	if s.Cgroup != nil {
		args.flags |= unix.CLONE_INTO_CGROUP
		args.cgroup = uint64(s.Cgroup.Fd())
	}
	pid, err := fork(prog, args, ch.child["status"])
	runtime.KeepAlive(&pidfd)
	if err != nil {
		return nil, &NamespaceError{err}
	}
	c := &Container{
		pid: pid, pidfd: os.NewFile(uintptr(pidfd), "pidfd"), ops: operations(s.Plan),
		exited: make(chan struct{}), programPID: pid,
	}
	c.status, ch.status = ch.status, nil
	ch.closeChild()
	if err := c.prepare(s, ch); err != nil {
		return nil, c.abandon(err)
	}
	// The child looks at the pipe's other end to see that this process still
	// lives; it stays open until the container has ended.
	go func(alive *os.File) {
		<-c.exited
		alive.Close()
	}(ch.sync)
	ch.sync = nil
	return c, nil
}

// prepare maps the child's ids, lets it go and takes its listener.
func (c *Container) prepare(s Spec, ch *channels) error {
	if err := s.MapIDs(c.pid); err != nil {
		return fmt.Errorf("mapping the container's user ids: %w", err)
	}
	if _, err := ch.sync.Write([]byte{1}); err != nil {
		return fmt.Errorf("letting the container start: %w", err)
	}
	// While the child works; its program cannot run before this is done.
	var err error
	if c.watcher, err = watch(int(c.pidfd.Fd()), s.Terminal); err != nil {
		return err
	}
	if ch.hello == nil {
		number, err := c.announced()
		if err != nil {
			return err
		}
		return c.takeListener(c.pidfd, number)
	}
	number, pid, ok, err := ch.greeting()
	if err != nil {
		return fmt.Errorf("waiting for the program's process: %w", err)
	}
	if !ok {
		_, err := c.announced() // why there is none
		return err
	}
	// It waits for this process, so that its id is its own.
	program, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return fmt.Errorf("opening the program's process: %w", err)
	}
	c.program, c.programPID = os.NewFile(uintptr(program), "program's pidfd"), pid
	return c.takeListener(c.program, number)
}

// announced reads the listener's number, or else the report of what failed.
func (c *Container) announced() (number int, err error) {
	var message [8]byte
	n, err := c.status.Read(message[:])
	switch {
	case err != nil:
		return 0, fmt.Errorf("waiting for the container's start: it ended without a word: %w", err)
	case n == len(message):
		return 0, c.failure(message)
	case n != 4:
		return 0, fmt.Errorf("waiting for the container's start: a message of %d bytes", n)
	}
	return int(int32(binary.NativeEndian.Uint32(message[:4]))), nil
}

// takeListener copies the seccomp listener out of the process that is about to
// execute the program. It has said under which number it will appear, and
// makes one call before it does; it then waits in the execution of the program
// for the listener's answer, so that there is time.
func (c *Container) takeListener(holder *os.File, number int) error {
	for wait := time.Duration(0); ; wait = min(wait+5*time.Microsecond, time.Millisecond) {
		fd, err := unix.PidfdGetfd(int(holder.Fd()), number, 0)
		if err == nil {
			c.listener = os.NewFile(uintptr(fd), "seccomp listener")
			return nil
		}
		if !errors.Is(err, unix.EBADF) {
			return fmt.Errorf("taking the seccomp listener: %w", err)
		}
		var message [8]byte
		if ready, _ := readable(c.status); ready {
			if n, _ := c.status.Read(message[:]); n == len(message) {
				return c.failure(message)
			}
			return errors.New("taking the seccomp listener: the container ended")
		}
		time.Sleep(wait)
	}
}

// abandon ends a child whose start failed.
func (c *Container) abandon(cause error) error {
	kill := unix.PidfdSendSignal(int(c.pidfd.Fd()), unix.SIGKILL, nil, 0)
	var status unix.WaitStatus
	_, wait := unix.Wait4(c.pid, &status, 0, nil)
	if c.watcher != nil {
		c.watcher.end()
	}
	c.Close()
	if kill != nil && !errors.Is(kill, unix.ESRCH) {
		return errors.Join(cause, kill)
	}
	return errors.Join(cause, wait)
}

// wait collects the child. It runs on the thread that forked it.
func (c *Container) wait() {
	var status unix.WaitStatus
	for {
		_, err := unix.Wait4(c.pid, &status, 0, &c.result.status.Usage)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		c.result.err = err
		break
	}
	if status.Signaled() {
		c.result.status.Signal = status.Signal()
	}
	c.result.status.Code = status.ExitStatus()
	c.watcher.end()
	close(c.exited)
}

// PID returns the id of the container's first process, as the caller sees it.
func (c *Container) PID() int { return c.pid }

// Listener returns the descriptor at which the container's calls wait for
// their verdicts. It is closed by [Container.Close].
func (c *Container) Listener() *os.File { return c.listener }

// Running reports whether the program has been executed. It is certain: the
// kernel closes the child's end of a pipe before the program's first
// instruction.
func (c *Container) Running() bool {
	ready, hangup := readable(c.status)
	return hangup && !ready
}

// Exited is closed when the container has ended.
func (c *Container) Exited() <-chan struct{} { return c.exited }

// ProgramPID returns the id of the program's process: that of the first, unless
// the container has an init.
func (c *Container) ProgramPID() int { return c.programPID }

// HasInit reports whether the container's first process is lpm's own, so that
// signals do to the program what they do to every other.
func (c *Container) HasInit() bool { return c.program != nil }

// Signal sends a signal to the program. SIGKILL goes to the container's first
// process, with which all others end.
func (c *Container) Signal(sig unix.Signal) error {
	to := c.pidfd
	if c.program != nil && sig != unix.SIGKILL {
		to = c.program
	}
	err := unix.PidfdSendSignal(int(to.Fd()), sig, nil, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	return err
}

// Wait waits for the container's end. An operation of the start that failed
// comes back as an *[OpError].
func (c *Container) Wait() (Status, error) {
	<-c.exited
	c.reported.Do(func() {
		var message [8]byte
		if n, _ := c.status.Read(message[:]); n == len(message) {
			c.report = c.failure(message)
		}
	})
	if c.report != nil {
		return c.result.status, c.report
	}
	return c.result.status, c.result.err
}

// Close releases the container's descriptors.
func (c *Container) Close() error {
	var errs []error
	for _, f := range []*os.File{c.pidfd, c.program, c.listener, c.status} {
		if f != nil {
			errs = append(errs, f.Close())
		}
	}
	return errors.Join(errs...)
}

// failure turns the child's report into an error.
func (c *Container) failure(message [8]byte) error {
	i := int(int32(binary.NativeEndian.Uint32(message[:4])))
	errno := unix.Errno(binary.NativeEndian.Uint32(message[4:]))
	if i < 0 || i >= len(c.ops) {
		return fmt.Errorf("the container's start failed at operation %d: %w", i, errno)
	}
	return &OpError{Op: c.ops[i], Errno: errno}
}
