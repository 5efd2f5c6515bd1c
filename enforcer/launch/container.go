package launch

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/enforcer/plan"
)

// Spec is a container to start.
type Spec struct {
	Program *Program
	Given   Given
	// Held, where not nil, is a child to use, if it has the program's
	// namespaces; if not it is ended. It is Start's in any case.
	Held *Held
	// Stdin, Stdout and Stderr are what the program gets. They stay the
	// caller's to close.
	Stdin, Stdout, Stderr *os.File
	// Cgroup is the folder of the cgroup (v2) to start in, or nil.
	Cgroup *os.File
	// Attach, where not nil, puts the child, which waits, into control
	// groups that it cannot be started in.
	Attach func(pid int) error
	// MapIDs writes the maps of the child's user namespace. It is nil where
	// the program does that itself.
	MapIDs func(pid int) error
	// Watch starts a process that ends the container when this one is gone.
	Watch bool
	// Terminal, where not nil, is the caller's terminal. If this process is
	// killed, it is put back into the state that it has now.
	Terminal *os.File
	// Meanwhile is called while the child works, and may be nil. The
	// container's program does not run before it has returned nil.
	Meanwhile func() error
	// Op describes an operation of the program by its index, for an error.
	Op func(i int) (plan.Op, error)
}

// Container is a started container. It ends with the process that started it.
type Container struct {
	*child
	// programPID and program are the program's process where that is not the
	// first.
	programPID int
	program    *os.File
	// memory is what the child works with, in this process's memory.
	memory   *bound
	listener *os.File
	// device is the other end of the container's network, or nil.
	device  *os.File
	status  *os.File
	op      func(i int) (plan.Op, error)
	watcher *watcher
	// alive is the end of a pipe at which the child sees that this process
	// still lives. It stays open until the container has ended.
	alive *os.File
}

// Status is how a container ended.
type Status struct {
	// Code is the program's exit status where Signal is 0.
	Code   int
	Signal unix.Signal
	// Usage is what all of the container's processes used.
	Usage unix.Rusage
}

// Start starts the container and returns when its filter is in place, before
// the program runs. The program's execution is the first call that waits at
// the listener: the caller serves it, or nothing runs.
func Start(s Spec) (*Container, error) {
	ch, err := newChannels(s)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("preparing the start: %w", err), s.letGo())
	}
	defer ch.close()
	c := &Container{op: s.Op}
	if err := c.begin(s, ch); err != nil {
		return nil, err
	}
	c.status, ch.reports = ch.reports, nil
	if err := c.prepare(s, ch); err != nil {
		return nil, c.abandon(err)
	}
	c.alive, ch.sync = ch.sync, nil
	return c, nil
}

// letGo ends the child that is held and not used.
func (s *Spec) letGo() error {
	if s.Held == nil {
		return nil
	}
	return s.Held.End()
}

// begin has a child make the program's calls: the one that is held, or another.
func (c *Container) begin(s Spec, ch *channels) error {
	program := s.Program.bind(ch.numbers(), s.Given)
	// A first process that stays has to have its own memory from the start.
	stays := s.Program.hasInit()
	if h := s.Held; h != nil && h.namespaces == s.Program.namespaces && s.Cgroup == nil && !stays {
		// What has kept it from being made is an error of the next attempt.
		if h.wait() == nil {
			return c.take(h, program, ch)
		}
	} else if err := s.letGo(); err != nil {
		return fmt.Errorf("ending a child that is not used: %w", err)
	}
	args := cloneArgs{flags: uint64(s.Program.namespaces)}
	if stays {
		var err error
		if program.arguments, err = arguments(); err != nil {
			return err
		}
	} else if sharing {
		args.flags |= unix.CLONE_VM
	}
	if s.Cgroup != nil {
		args.flags |= unix.CLONE_INTO_CGROUP
		args.cgroup = uint64(s.Cgroup.Fd())
	}
	c.memory, c.child = program, &child{}
	err := <-c.child.make(program, args, ch.status())
	ch.closeChild()
	return err
}

// take makes a held child the container's.
func (c *Container) take(h *Held, program *bound, ch *channels) error {
	ch.gate = h.program.closeGate
	c.memory, c.child = h.program, &h.child
	if err := h.release(program, ch.status()); err != nil {
		return c.abandon(fmt.Errorf("letting the container begin: %w", err))
	}
	return nil
}

// awaitApart returns when a child that was held has descriptors of its own, or
// has ended. Until then it could take a copy of a pipe along whose end others
// wait for, as package os/exec does, and they would wait for the child.
func (c *Container) awaitApart() {
	for c.memory.held && !c.memory.apart.Load() {
		if ended, _ := readable(c.pidfd); ended {
			return
		}
		time.Sleep(20 * time.Microsecond)
	}
}

// prepare attaches the child, maps its ids, lets it go and takes its listener.
func (c *Container) prepare(s Spec, ch *channels) error {
	if s.Attach != nil || s.MapIDs != nil || s.Watch || s.Terminal != nil {
		c.awaitApart()
	}
	if s.Attach != nil {
		if err := s.Attach(c.pid); err != nil {
			return err
		}
	}
	if s.MapIDs != nil {
		if err := s.MapIDs(c.pid); err != nil {
			return fmt.Errorf("mapping the container's user ids: %w", err)
		}
	}
	if s.Attach != nil || s.MapIDs != nil {
		if _, err := ch.sync.Write([]byte{1}); err != nil {
			return fmt.Errorf("letting the container start: %w", err)
		}
	}
	// While the child works; its program cannot run before this is done.
	var err error
	if s.Watch || s.Terminal != nil {
		if c.watcher, err = watch(int(c.pidfd.Fd()), s.Terminal); err != nil {
			return err
		}
	}
	if s.Meanwhile != nil {
		if err := s.Meanwhile(); err != nil {
			return err
		}
	}
	if ch.hello == nil {
		numbers, err := c.announced(c.pidfd)
		if err != nil {
			return err
		}
		// By now the child has descriptors of its own.
		ch.closeChild()
		return c.takeOver(c.pidfd, numbers)
	}
	numbers, pid, ok, err := ch.greeting()
	if err != nil {
		return fmt.Errorf("waiting for the program's process: %w", err)
	}
	if !ok {
		_, err := c.announced(c.pidfd) // why there is none
		return err
	}
	// It waits for this process, so that its id is its own.
	program, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return fmt.Errorf("opening the program's process: %w", err)
	}
	c.programPID, c.program = pid, os.NewFile(uintptr(program), "program's pidfd")
	return c.takeOver(c.program, numbers)
}

// announcement is what a child says of itself before it executes the program:
// the numbers of its listener and of its network device, or 0.
type announcement struct{ listener, device int }

// The messages of a child by their lengths. A report is of another.
const (
	announcesListener = 4
	announcesDevice   = 12 // the two, and four bytes of nothing
)

// parseAnnouncement reads the message, and is false for what is none.
func parseAnnouncement(message []byte) (a announcement, ok bool) {
	switch len(message) {
	case announcesDevice:
		a.device = int(int32(binary.NativeEndian.Uint32(message[4:])))
	case announcesListener:
	default:
		return a, false
	}
	a.listener = int(int32(binary.NativeEndian.Uint32(message)))
	return a, true
}

// announced waits for what the child that a pidfd stands for has to say, which
// is its announcement unless something failed.
func (c *Container) announced(child *os.File) (a announcement, err error) {
	// This process may have the pipe's other end too.
	p := [...]unix.PollFd{{Fd: int32(c.status.Fd()), Events: unix.POLLIN}, {Fd: int32(child.Fd()), Events: unix.POLLIN}}
	for {
		_, err := unix.Poll(p[:], -1)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return a, fmt.Errorf("waiting for the container's start: %w", err)
		}
		break
	}
	// It may have said something just before it ended.
	if ready, _ := readable(c.status); !ready {
		return a, errors.New("waiting for the container's start: it ended without a word")
	}
	var message [announcesDevice]byte
	n, err := c.status.Read(message[:])
	if err != nil {
		return a, fmt.Errorf("waiting for the container's start: %w", err)
	}
	if n == 8 {
		return a, c.failure([8]byte(message[:]))
	}
	a, ok := parseAnnouncement(message[:n])
	if !ok {
		return a, fmt.Errorf("waiting for the container's start: a message of %d bytes", n)
	}
	return a, nil
}

// takeOver copies out of the process that is about to execute the program what
// it has announced.
func (c *Container) takeOver(holder *os.File, a announcement) error {
	if a.device != 0 {
		fd, err := unix.PidfdGetfd(int(holder.Fd()), a.device, 0)
		if err != nil {
			return &AccessError{err}
		}
		c.device = os.NewFile(uintptr(fd), "network device")
	}
	return c.takeListener(holder, a.listener)
}

// takeListener copies the seccomp listener out of the process that is about to
// execute the program. It has said under which number it will appear, and makes
// one call before it does; it then waits in the execution of the program for
// the listener's answer, so that there is time. That call takes some ten
// microseconds, and any sleep would take longer.
func (c *Container) takeListener(holder *os.File, number int) error {
	const yields = 200
	for try := 0; ; try++ {
		fd, err := unix.PidfdGetfd(int(holder.Fd()), number, 0)
		if err == nil {
			c.listener = os.NewFile(uintptr(fd), "seccomp listener")
			return nil
		}
		if !errors.Is(err, unix.EBADF) {
			return &AccessError{err}
		}
		var message [8]byte
		if ready, _ := readable(c.status); ready {
			if n, _ := c.status.Read(message[:]); n == len(message) {
				return c.failure(message)
			}
			return errors.New("taking the seccomp listener: the container ended")
		}
		if try < yields {
			_, _, _ = unix.RawSyscall(unix.SYS_SCHED_YIELD, 0, 0, 0)
		} else {
			time.Sleep(time.Millisecond)
		}
	}
}

// abandon ends a child whose start failed.
func (c *Container) abandon(cause error) error {
	err := c.end()
	if c.watcher != nil {
		c.watcher.end()
	}
	c.Close()
	return errors.Join(cause, err)
}

// PID returns the id of the container's first process, as the caller sees it.
func (c *Container) PID() int { return c.pid }

// HasInit reports whether the container's first process is lpm's own, so that
// signals do to the program what they do to every other.
func (c *Container) HasInit() bool { return c.program != nil }

// ProgramPID returns the id of the program's process, as the caller sees it.
func (c *Container) ProgramPID() int {
	if c.HasInit() {
		return c.programPID
	}
	return c.pid
}

// Listener returns the descriptor at which the container's calls wait for
// their verdicts. It is closed by [Container.Close].
func (c *Container) Listener() *os.File { return c.listener }

// TakeDevice returns the other end of the container's network, or nil, for the
// caller to close.
func (c *Container) TakeDevice() *os.File {
	device := c.device
	c.device = nil
	return device
}

// Process returns the first process's pidfd (pidfd_open(2)). It is closed by
// [Container.Close].
func (c *Container) Process() *os.File { return c.pidfd }

// Running reports whether the program has been executed. It is certain: the
// kernel closes the child's end of a pipe before the program's first
// instruction.
func (c *Container) Running() bool {
	ready, hangup := readable(c.status)
	return hangup && !ready
}

// Signal sends a signal to the program. SIGKILL goes to the container's first
// process, with which all others end.
func (c *Container) Signal(sig unix.Signal) error {
	to := c.pidfd
	if c.HasInit() && sig != unix.SIGKILL {
		to = c.program
	}
	err := unix.PidfdSendSignal(int(to.Fd()), sig, nil, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	return err
}

// Wait waits for the container's end and collects it. It is called once. An operation of the start that failed comes
// back as an *[OpError].
func (c *Container) Wait() (Status, error) {
	var s Status
	status, err := c.collect(&s.Usage)
	if status.Signaled() {
		s.Signal = status.Signal()
	}
	s.Code = status.ExitStatus()
	if c.watcher != nil {
		c.watcher.end()
	}
	var message [8]byte
	if n, _ := c.status.Read(message[:]); n == len(message) {
		err = c.failure(message)
	}
	return s, err
}

// Close releases the container's descriptors.
func (c *Container) Close() error {
	var errs []error
	for _, f := range []*os.File{c.pidfd, c.program, c.listener, c.device, c.status, c.alive} {
		if f != nil {
			errs = append(errs, f.Close())
		}
	}
	return errors.Join(errs...)
}

// failure turns the child's report into an error.
func (c *Container) failure(message [8]byte) error { return failed(c.op, message) }

// failed turns the report of a child into an error. describe returns an
// operation by its index.
func failed(describe func(i int) (plan.Op, error), message [8]byte) error {
	i := int(int32(binary.NativeEndian.Uint32(message[:4])))
	errno := unix.Errno(binary.NativeEndian.Uint32(message[4:]))
	op, err := describe(i)
	if err != nil {
		return fmt.Errorf("the container's start failed at operation %d: %w", i, errors.Join(errno, err))
	}
	return &OpError{Op: op, Errno: errno}
}
