package container

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// Terminal is a pseudo-terminal for one container. The container never gets
// the caller's own: whoever has that can type commands into it.
type Terminal struct {
	master *os.File
	// Slave is the container's side, for all of its standard streams.
	Slave *os.File
	// Path is the slave's path on the host, for plan.Options.
	Path string

	mu sync.Mutex
	// raw is the caller's terminal while it is in raw mode.
	raw *os.File
}

// OpenTerminal makes a pseudo-terminal. The caller closes it.
func OpenTerminal() (*Terminal, error) {
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("making a terminal: %w", err)
	}
	t := &Terminal{master: master}
	err = t.control(func(fd int) error {
		if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
			return err
		}
		n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
		if err != nil {
			return err
		}
		t.Path = "/dev/pts/" + strconv.Itoa(n)
		// The peer by descriptor: its path could be another's by now.
		const how = unix.O_RDWR | unix.O_NOCTTY | unix.O_CLOEXEC
		slave, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.TIOCGPTPEER, how)
		if errno != 0 {
			return errno
		}
		t.Slave = os.NewFile(slave, t.Path)
		return nil
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("making a terminal: %w", err), master.Close())
	}
	return t, nil
}

// control calls f with the master's descriptor, which stays in the runtime's
// poller, so that a read of it ends when it is closed.
func (t *Terminal) control(f func(fd int) error) error {
	conn, err := t.master.SyscallConn()
	if err != nil {
		return err
	}
	var inner error
	if err := conn.Control(func(fd uintptr) { inner = f(int(fd)) }); err != nil {
		return err
	}
	return inner
}

// Fit gives the terminal the size of another one, where that is one that has a
// size.
func (t *Terminal) Fit(like *os.File) {
	size, err := unix.IoctlGetWinsize(int(like.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return
	}
	// A terminal without a size is an ugly one, and no reason to fail.
	_ = t.control(func(master int) error { return unix.IoctlSetWinsize(master, unix.TIOCSWINSZ, size) })
}

// Attach connects the terminal with the caller's streams until the container
// has closed its side. Where in is a terminal it is switched to raw mode, and
// its size is passed on, until Attach returns. A read of in that waits for
// input is left behind.
func (t *Terminal) Attach(ctx context.Context, in, out *os.File) error {
	// The container has copies of its own; the last one's end is the end.
	if err := t.Slave.Close(); err != nil {
		return err
	}
	if fd := int(in.Fd()); term.IsTerminal(fd) {
		state, err := term.MakeRaw(fd)
		if err != nil {
			return errors.Join(fmt.Errorf("switching the terminal to raw mode: %w", err), t.master.Close())
		}
		t.Fit(in)
		t.follow(in)
		defer func() {
			t.follow(nil)
			_ = term.Restore(fd, state)
		}()
	}
	go func() {
		if _, err := io.Copy(t.master, in); err == nil {
			// The end of input is a character on a terminal. In the middle
			// of a line it ends only that.
			_, _ = t.master.Write([]byte{endOfTransmission, endOfTransmission})
		}
	}()
	_, err := io.Copy(out, t.master)
	switch {
	// The kernel says EIO where the other side is closed (pty(7)).
	case errors.Is(err, unix.EIO), errors.Is(err, os.ErrClosed):
		return ctx.Err()
	case errors.Is(err, unix.EPIPE):
		err = nil
	}
	// Nobody takes the output any more. The container is told by its
	// terminal, or would wait for ever.
	return errors.Join(err, t.master.Close(), ctx.Err())
}

const endOfTransmission = 4

// follow says which terminal of the caller's is in raw mode.
func (t *Terminal) follow(raw *os.File) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.raw = raw
}

// Changed is to be called when the process has had a signal. It passes a new
// size of the caller's terminal on, and keeps that in raw mode when the process
// has been stopped: a shell takes that back.
func (t *Terminal) Changed(s unix.Signal) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.raw == nil || s != unix.SIGWINCH && s != unix.SIGCONT {
		return
	}
	if s == unix.SIGCONT {
		_, _ = term.MakeRaw(int(t.raw.Fd()))
	}
	t.Fit(t.raw)
}

// Close closes the caller's side.
func (t *Terminal) Close() error {
	var errs []error
	for _, f := range []*os.File{t.Slave, t.master} {
		if err := f.Close(); !errors.Is(err, os.ErrClosed) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
