package link

import (
	"errors"
	"io/fs"
	"os"
	"slices"

	"golang.org/x/sys/unix"
)

// A network process opens no files. Those of the host that its resolver goes by
// the launcher opens for it, each time that they have changed: they are put in
// place by renaming, and are links to wherever the host's resolver wants them,
// so that no rule about paths would hold for the next one.

// Files are the paths that a launcher opens for its network process.
func Files() []string { return []string{"/etc/hosts", "/etc/resolv.conf"} }

// maxOpening bounds the files that are opened at a time. The network process
// reads each of them once at a time.
const maxOpening = 8

// open opens a file for the network process. An error is that of a process that
// does not keep to what it may ask.
func (p *Process) open(o open) error {
	if !slices.Contains(Files(), o.Path) {
		return errors.New("the container's network asks for a file that is not for it")
	}
	select {
	case p.opening <- struct{}{}:
	default:
		return errors.New("the container's network asks for too many files")
	}
	// The file may be on a disk that is slow.
	go func() {
		answer := opened{ID: o.ID}
		// It waits for no writer of a pipe.
		f, err := os.OpenFile(o.Path, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
		<-p.opening
		if err != nil {
			answer.Errno = uint32(number(err))
			_ = p.socket.send(encode(kindOpened, answer))
			return
		}
		defer f.Close()
		_ = p.socket.send(encode(kindOpened, answer), int(f.Fd()))
	}()
	return nil
}

func number(err error) unix.Errno {
	var errno unix.Errno
	if errors.As(err, &errno) && errno != 0 {
		return errno
	}
	return unix.EIO
}

// file is a file that was opened, or why not.
type file struct {
	file *os.File
	err  error
}

// OpenFile has the launcher open one of the files to read it. It is called while
// [Launcher.Serve] runs.
func (l *Launcher) OpenFile(path string) (*os.File, error) {
	to := make(chan file, 1)
	l.mu.Lock()
	l.last++
	id := l.last
	l.opening[id] = to
	l.mu.Unlock()
	if err := l.socket.send(encode(kindOpen, open{id, path})); err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	select {
	case f := <-to:
		if f.err != nil {
			return nil, &fs.PathError{Op: "open", Path: path, Err: f.err}
		}
		return f.file, nil
	case <-l.ended:
		return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrClosed}
	}
}

// opened takes a file that the launcher has opened.
func (l *Launcher) opened(body []byte, fd int) error {
	var f file
	if fd >= 0 {
		f.file = os.NewFile(uintptr(fd), "file of the host")
	}
	var answer opened
	if err := decode(body, &answer); err != nil {
		return err
	}
	switch {
	case answer.Errno != 0:
		f.err = unix.Errno(answer.Errno)
	case f.file == nil:
		return errors.New("a file of the host is missing")
	}
	l.mu.Lock()
	to := l.opening[answer.ID]
	delete(l.opening, answer.ID)
	l.mu.Unlock()
	if to != nil {
		to <- f
	}
	return nil
}
