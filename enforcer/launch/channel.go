package launch

import (
	"errors"
	"maps"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// channels are the descriptors that parent and child share at the fork.
type channels struct {
	// child maps the names that plans use to numbers above the standard
	// three, so that a plan can put them in place in any order.
	child map[string]int
	// sync is written once when the ids are mapped and then kept open: its
	// end tells the child that the parent is gone.
	sync *os.File
	// status carries the child's messages: the listener's number (4 bytes),
	// then a report (8 bytes) or the end of the file when the program runs.
	status *os.File
}

func newChannels(s Spec) (_ *channels, err error) {
	ch := &channels{child: map[string]int{}}
	defer func() {
		if err != nil {
			ch.close()
		}
	}()
	for name, f := range map[string]*os.File{"stdin": s.Stdin, "stdout": s.Stdout, "stderr": s.Stderr} {
		if f == nil {
			return nil, errors.New("a standard descriptor is missing")
		}
		if ch.child[name], err = unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 3); err != nil {
			return nil, err
		}
	}
	var pipe [2]int
	if err = unix.Pipe2(pipe[:], unix.O_CLOEXEC); err != nil {
		return nil, err
	}
	ch.child["parent"], ch.sync = pipe[0], os.NewFile(uintptr(pipe[1]), "sync pipe")
	if err = unix.Pipe2(pipe[:], unix.O_CLOEXEC); err != nil {
		return nil, err
	}
	ch.status, ch.child["status"] = os.NewFile(uintptr(pipe[0]), "status pipe"), pipe[1]
	return ch, nil
}

// names returns the descriptors that exist in the child from the start. The
// child closes its copy of the parent's end, or it would never see it close.
func (ch *channels) names() map[string]int {
	names := maps.Clone(ch.child)
	names["parentEnd"] = int(ch.sync.Fd())
	return names
}

// closeChild closes the parent's copies of what the child uses.
func (ch *channels) closeChild() {
	for _, fd := range ch.child {
		unix.Close(fd)
	}
	ch.child = nil
}

func (ch *channels) close() {
	ch.closeChild()
	for _, f := range []*os.File{ch.sync, ch.status} {
		if f != nil {
			f.Close()
		}
	}
}

// readable reports whether there is something to read, and whether the other
// end is closed.
func readable(f *os.File) (ready, hangup bool) {
	p := []unix.PollFd{{Fd: int32(f.Fd()), Events: unix.POLLIN}}
	for {
		_, err := unix.Poll(p, 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		return p[0].Revents&unix.POLLIN != 0, p[0].Revents&unix.POLLHUP != 0
	}
}

// address is where the kernel may write the number at p.
func address(p *int32) uint64 { return uint64(uintptr(unsafe.Pointer(p))) }
