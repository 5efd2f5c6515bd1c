package container

import (
	"errors"
	"io"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// sink is where the container's output is written.
func (o *outputs) sink(to *os.File) io.Writer {
	if o.gate == nil {
		return to
	}
	return &gatedWriter{to, o.gate}
}

// source is where the container's input is read.
func (o *outputs) source(from *os.File) io.Reader {
	if o.gate == nil {
		return from
	}
	return &gatedReader{from, o.gate}
}

type gatedWriter struct {
	to   io.Writer
	gate sync.Locker
}

func (w *gatedWriter) Write(b []byte) (int, error) {
	w.gate.Lock()
	defer w.gate.Unlock()
	return w.to.Write(b)
}

// gatedReader reads only what is there while it holds the gate: what is typed
// while another holds it is for that one.
type gatedReader struct {
	from *os.File
	gate sync.Locker
}

func (r *gatedReader) Read(b []byte) (int, error) {
	for {
		if _, err := readable(r.from, -1); err != nil {
			return 0, err
		}
		if n, done, err := r.try(b); done {
			return n, err
		}
	}
}

// try reads, if there is still something to read.
func (r *gatedReader) try(b []byte) (n int, done bool, err error) {
	r.gate.Lock()
	defer r.gate.Unlock()
	if done, err = readable(r.from, 0); err != nil || !done {
		return 0, err != nil, err
	}
	n, err = r.from.Read(b)
	return n, true, err
}

// readable waits, for milliseconds or with -1 for good, until a read returns.
func readable(f *os.File, milliseconds int) (bool, error) {
	p := []unix.PollFd{{Fd: int32(f.Fd()), Events: unix.POLLIN}}
	for {
		n, err := unix.Poll(p, milliseconds)
		if !errors.Is(err, unix.EINTR) {
			return n > 0, err
		}
	}
}
