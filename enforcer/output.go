package enforcer

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/enforcer/plan"
)

// outputs are the container's standard output and standard error.
//
// Many images have their program open /dev/stdout or /dev/stderr, which opens
// the caller's file anew, by the container's rights: another user than the
// caller's own may not. Such a container gets pipes that every id can open,
// and what comes out of them is copied.
type outputs struct {
	out, err *os.File
	pipes    []*os.File // the container's ends
	copying  sync.WaitGroup
	mu       sync.Mutex
	failure  error
}

// outputs returns the caller's streams as they are, or pipes to them.
func (p *Prepared) outputs(s Streams) (*outputs, error) {
	o := &outputs{out: s.Out, err: s.Err}
	id := p.Plan.Identity
	if !id.Setgroups || p.Plan.Process.TTY || p.Plan.Mode == plan.Enforce && id.UID == 0 {
		return o, nil
	}
	var err error
	if o.out, err = o.pipe(s.Out); err != nil {
		return nil, errors.Join(err, o.wait())
	}
	// One pipe keeps the order of what goes to one file.
	if sameFile(s.Out, s.Err) {
		o.err = o.out
		return o, nil
	}
	if o.err, err = o.pipe(s.Err); err != nil {
		return nil, errors.Join(err, o.wait())
	}
	return o, nil
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
		if _, err := io.Copy(to, from); err != nil && !errors.Is(err, unix.EPIPE) {
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
