package container

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// outputs are the container's standard streams.
//
// None is the caller's own, for each is good for more than it is there for.
// Whoever has a descriptor of a file or a pipe can open it anew through /proc,
// for reading and for writing: a container that shares the caller's id could
// read and cut the log that its output goes to, read what others have written
// to the same pipe, and change what others will read from its input. A socket
// belongs to the caller's network, whatever the container's is: it can be
// disconnected and connected anew. And of a device that the caller owns, as
// root owns /dev/null, the mode could be changed.
//
// So the container gets pipes that end here. Every id can open them, for many
// images have their program open /dev/stdout or /dev/stderr as another user.
type outputs struct {
	in, out, err *os.File
	gate         sync.Locker
	pipes        []*os.File // the container's ends
	copying      sync.WaitGroup
	mu           sync.Mutex
	failure      error
}

// outputs returns pipes to the caller's streams. A terminal that was made for
// the container is its own.
func (l *Launch) outputs(s Streams) (_ *outputs, err error) {
	if l.Plan.Process.TTY {
		return &outputs{in: s.In, out: s.Out, err: s.Err}, nil
	}
	o := &outputs{in: s.In, out: s.Out, err: s.Err, gate: s.Gate}
	defer func() {
		if err != nil {
			err = errors.Join(err, o.wait())
		}
	}()
	if !harmless(s.In) {
		if o.in, err = o.input(s.In); err != nil {
			return nil, err
		}
	}
	if !harmless(s.Out) {
		if o.out, err = o.pipe(s.Out); err != nil {
			return nil, err
		}
	}
	// One pipe keeps the order of what goes to one file.
	if sameFile(s.Out, s.Err) {
		o.err = o.out
		return o, nil
	}
	if !harmless(s.Err) {
		if o.err, err = o.pipe(s.Err); err != nil {
			return nil, err
		}
	}
	return o, nil
}

// harmless reports whether a stream is /dev/null of a caller who could not
// change it. It leads nowhere, and spares a pipe.
func harmless(f *os.File) bool {
	info, err := f.Stat()
	if err != nil || info.Mode()&os.ModeCharDevice == 0 || os.Geteuid() == 0 {
		return false
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && stat.Rdev == unix.Mkdev(1, 3)
}

// newPipe returns a pipe that every id can open.
func newPipe() (from, to *os.File, err error) {
	if from, to, err = os.Pipe(); err != nil {
		return nil, nil, fmt.Errorf("making a pipe for the container: %w", err)
	}
	if err := from.Chmod(0o666); err != nil {
		return nil, nil, errors.Join(fmt.Errorf("making a pipe for the container: %w", err), from.Close(), to.Close())
	}
	return from, to, nil
}

// input returns the reading end of a pipe from a file. A read of the file that
// waits when the container ends is left behind.
func (o *outputs) input(from *os.File) (*os.File, error) {
	end, to, err := newPipe()
	if err != nil {
		return nil, err
	}
	o.pipes = append(o.pipes, end)
	go func() {
		defer to.Close()
		// The container may stop reading. What cannot be read is the end of
		// input to it, as a terminal's is that has been hung up.
		_, _ = io.Copy(to, o.source(from))
	}()
	return end, nil
}

func sameFile(a, b *os.File) bool {
	x, errX := a.Stat()
	y, errY := b.Stat()
	return errX == nil && errY == nil && os.SameFile(x, y)
}

// pipe returns the writing end of a pipe to a file.
func (o *outputs) pipe(to *os.File) (*os.File, error) {
	to, err := another(to)
	if err != nil {
		return nil, fmt.Errorf("making a pipe for the container: %w", err)
	}
	from, end, err := newPipe()
	if err != nil {
		return nil, errors.Join(err, to.Close())
	}
	o.pipes = append(o.pipes, end)
	o.copying.Go(func() {
		defer from.Close()
		_, err := io.Copy(o.sink(to), from)
		// Whoever reads the output may stop; so does the container then. A
		// socket has several words for it.
		if errors.Is(err, unix.EPIPE) || errors.Is(err, unix.ECONNRESET) {
			err = nil
		}
		if err = errors.Join(err, to.Close()); err != nil {
			o.mu.Lock()
			defer o.mu.Unlock()
			o.failure = errors.Join(o.failure, fmt.Errorf("passing the container's output on: %w", err))
		}
	})
	return end, nil
}

// another returns a second descriptor of a file. Through the standard ones, Go
// ends a process whose output nobody reads any more (package os/signal).
func another(f *os.File) (*os.File, error) {
	conn, err := f.SyscallConn()
	if err != nil {
		return nil, err
	}
	var fd int
	controlErr := conn.Control(func(of uintptr) { fd, err = unix.FcntlInt(of, unix.F_DUPFD_CLOEXEC, 3) })
	if err = errors.Join(controlErr, err); err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), f.Name()), nil
}

// started lets the container's ends go, so that the pipes end with it.
func (o *outputs) started() {
	for _, p := range o.pipes {
		p.Close()
	}
	o.pipes = nil
}

// wait waits until everything has been copied.
func (o *outputs) wait() error {
	o.started()
	o.copying.Wait()
	return o.failure
}
