package launch

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/enforcer/plan"
)

// JoinSpec is a process to start in a container that runs already.
type JoinSpec struct {
	// Program was compiled from a plan with a [plan.Join].
	Program *Program
	Given   Given
	// Container is a pidfd of the container's first process. It stays the
	// caller's.
	Container *os.File
	// Stdin, Stdout and Stderr are what the program gets. They stay the
	// caller's to close.
	Stdin, Stdout, Stderr *os.File
	// Op describes an operation of the program by its index, for an error.
	Op func(i int) (plan.Op, error)
}

// Joined is a process in a container that another one is the first of. The
// caller waits for it, always: the container cannot end before that.
type Joined struct{ start Container }

// Join starts a process in a container and returns, as [Start] does, when its
// filter is in place and before its program runs.
func Join(s JoinSpec) (*Joined, error) {
	ch, err := newChannels(Spec{Program: s.Program, Stdin: s.Stdin, Stdout: s.Stdout, Stderr: s.Stderr})
	if err == nil {
		defer ch.close()
		err = ch.join(s.Container)
	}
	if err != nil {
		return nil, fmt.Errorf("preparing to join: %w", err)
	}
	program := s.Program.bind(ch.numbers(), s.Given)
	// The container sees the process before it executes its program.
	if program.arguments, err = arguments(); err != nil {
		return nil, err
	}
	j := &Joined{start: Container{op: s.Op, memory: program, child: &child{}}}
	err = <-j.start.make(program, cloneArgs{}, ch.status())
	ch.closeChild()
	if err != nil {
		return nil, err
	}
	// The end of the one is what the process that stays waits for.
	j.start.alive, ch.sync = ch.sync, nil
	j.start.status, ch.reports = ch.reports, nil
	if err := j.enter(ch.hello); err != nil {
		return nil, j.abandon(err)
	}
	return j, nil
}

// join adds what the process that joins has besides.
func (ch *channels) join(container *os.File) error {
	fd, err := unix.FcntlInt(container.Fd(), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return err
	}
	ch.child[openContainer] = int32(fd)
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC); err != nil {
		return err
	}
	ch.hello, ch.child[openHello] = os.NewFile(uintptr(pipe[0]), "hello pipe"), int32(pipe[1])
	return nil
}

// enter waits for the process and takes its listener out of the one that has
// made it, which is then ended.
func (j *Joined) enter(hello *os.File) error {
	c := &j.start
	p := [...]unix.PollFd{{Fd: int32(hello.Fd()), Events: unix.POLLIN}, {Fd: int32(c.pidfd.Fd()), Events: unix.POLLIN}}
	for {
		_, err := unix.Poll(p[:], -1)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return fmt.Errorf("waiting for the process in the container: %w", err)
		}
		break
	}
	var message [4]byte
	if p[0].Revents&unix.POLLIN == 0 {
		_, err := c.announced(c.pidfd) // why there is none
		return err
	}
	if n, err := hello.Read(message[:]); err != nil || n != len(message) {
		return fmt.Errorf("waiting for the process in the container: a message of %d bytes: %w", n, err)
	}
	// It is a child that nobody has waited for, so that its id is its own.
	c.programPID = int(int32(binary.NativeEndian.Uint32(message[:])))
	pidfd, err := unix.PidfdOpen(c.programPID, 0)
	if err != nil {
		return fmt.Errorf("opening the process in the container: %w", err)
	}
	c.program = os.NewFile(uintptr(pidfd), "joined process's pidfd")
	number, err := c.announced(c.program)
	if err == nil {
		err = c.takeOver(c.pidfd, number)
	}
	if err != nil {
		return err
	}
	return j.endMaker()
}

// endMaker ends the process that has made the program's. The thread that both
// are children of goes on.
func (j *Joined) endMaker() error {
	err := unix.PidfdSendSignal(int(j.start.pidfd.Fd()), unix.SIGKILL, nil, 0)
	if errors.Is(err, unix.ESRCH) {
		err = nil
	}
	collect(j.start.pid)
	return err
}

// abandon ends a process whose start failed.
func (j *Joined) abandon(cause error) error {
	err := j.endMaker()
	if j.start.program != nil {
		err = errors.Join(err, j.Kill())
		collect(j.start.programPID)
	}
	close(j.start.unused)
	return errors.Join(cause, err, j.Close())
}

// PID returns the process's id, as the caller sees it. It is the number of the
// process's group and session too.
func (j *Joined) PID() int { return j.start.programPID }

// Listener returns the descriptor at which the calls of the process wait for their
// verdicts. It is closed by [Joined.Close], as is Process's.
func (j *Joined) Listener() *os.File { return j.start.listener }

// Process returns the process's pidfd.
func (j *Joined) Process() *os.File { return j.start.program }

// Running reports whether the program has been executed.
func (j *Joined) Running() bool { return j.start.Running() }

// Kill ends the process.
func (j *Joined) Kill() error {
	err := unix.PidfdSendSignal(int(j.start.program.Fd()), unix.SIGKILL, nil, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	return err
}

// Wait waits for the process's end and collects it. It is called once. An
// operation of the start that failed comes back as an *[OpError].
func (j *Joined) Wait() (Status, error) {
	defer close(j.start.unused)
	var s Status
	var status unix.WaitStatus
	for {
		_, err := unix.Wait4(j.start.programPID, &status, 0, &s.Usage)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return s, err
		}
		break
	}
	if status.Signaled() {
		s.Signal = status.Signal()
	}
	s.Code = status.ExitStatus()
	var message [8]byte
	if ready, _ := readable(j.start.status); ready {
		if n, _ := j.start.status.Read(message[:]); n == len(message) {
			return s, j.start.failure(message)
		}
	}
	return s, nil
}

// Close releases the descriptors of a process that was waited for.
func (j *Joined) Close() error { return j.start.Close() }
