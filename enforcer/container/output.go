package container

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/enforcer/plan"
)

// outputs are the container's standard streams.
//
// Whoever has a descriptor of a file can open the file anew through /proc, for
// reading and writing whatever the descriptor is for, as far as the file's
// mode lets it: a container that shares the caller's id could read and cut the
// log that its output goes to, change the file that its input comes from, and
// read what is typed at a terminal that it only prints to. So it gets pipes,
// unless the caller's stream is one already or a socket, which lead nowhere
// else, or is /dev/null.
//
// Many images have their program open /dev/stdout or /dev/stderr. A container
// whose user is not the caller may only open pipes that every id can, so that
// it gets them in any case.
type outputs struct {
	in, out, err *os.File
	gate         sync.Locker
	pipes        []*os.File // the container's ends
	copying      sync.WaitGroup
	mu           sync.Mutex
	failure      error
}

// outputs returns the caller's streams as they are, or pipes to them.
func (l *Launch) outputs(s Streams) (_ *outputs, err error) {
	o := &outputs{in: s.In, out: s.Out, err: s.Err, gate: s.Gate}
	if l.Plan.Process.TTY {
		return o, nil
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, o.wait())
		}
	}()
	id := l.Plan.Identity
	foreign := id.Setgroups && (l.Plan.Mode != plan.Enforce || id.UID != 0)
	if reopens(s.In) {
		if o.in, err = o.input(s.In); err != nil {
			return nil, err
		}
	}
	if foreign || reopens(s.Out) {
		if o.out, err = o.pipe(s.Out); err != nil {
			return nil, err
		}
	}
	// One pipe keeps the order of what goes to one file.
	if o.out != s.Out && sameFile(s.Out, s.Err) {
		o.err = o.out
		return o, nil
	}
	if foreign || reopens(s.Err) {
		if o.err, err = o.pipe(s.Err); err != nil {
			return nil, err
		}
	}
	return o, nil
}

// reopens reports whether a stream could be opened anew for more than it is
// for.
func reopens(f *os.File) bool {
	info, err := f.Stat()
	if err != nil {
		return true
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok && info.Mode()&os.ModeCharDevice != 0 {
		return stat.Rdev != unix.Mkdev(1, 3) // /dev/null
	}
	return info.Mode()&(os.ModeNamedPipe|os.ModeSocket) == 0
}

// input returns the reading end of a pipe from a file. A read of the file that
// waits when the container ends is left behind.
func (o *outputs) input(from *os.File) (*os.File, error) {
	end, to, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("making a pipe for the container: %w", err)
	}
	if err := end.Chmod(0o666); err != nil {
		return nil, errors.Join(fmt.Errorf("making a pipe for the container: %w", err), end.Close(), to.Close())
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
	from, end, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("making a pipe for the container: %w", err)
	}
	if err := end.Chmod(0o666); err != nil {
		return nil, errors.Join(fmt.Errorf("making a pipe for the container: %w", err), from.Close(), end.Close())
	}
	o.pipes = append(o.pipes, end)
	o.copying.Go(func() {
		defer from.Close()
		// Whoever reads the output may stop; so does the container then.
		if _, err := io.Copy(o.sink(to), from); err != nil && !errors.Is(err, unix.EPIPE) {
			o.mu.Lock()
			defer o.mu.Unlock()
			o.failure = errors.Join(o.failure, fmt.Errorf("passing the container's output on: %w", err))
		}
	})
	return end, nil
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
