package launch

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// channels are the descriptors that parent and child share at the fork.
type channels struct {
	// child has the numbers of the descriptors, in the order of [opened];
	// all are above the standard three, so that a plan can put them in place
	// in any order.
	child [opens]int32
	// sync is written once when the ids are mapped and then kept open: its
	// end tells the child that the parent is gone.
	sync *os.File
	// reports carries the child's messages: the listener's number (4 bytes),
	// then a report (8 bytes) or the end of the file when the program runs.
	reports *os.File
	// gate, where not nil, closes what a held child has waited at.
	gate func()
}

func newChannels(s Spec) (_ *channels, err error) {
	ch := &channels{}
	defer func() {
		if err != nil {
			ch.close()
		}
	}()
	for i, f := range []*os.File{openStdin: s.Stdin, openStdout: s.Stdout, openStderr: s.Stderr} {
		if f == nil {
			return nil, errors.New("a standard descriptor is missing")
		}
		fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 3)
		if err != nil {
			return nil, err
		}
		ch.child[i] = int32(fd)
	}
	var pipe [2]int
	if err = unix.Pipe2(pipe[:], unix.O_CLOEXEC); err != nil {
		return nil, err
	}
	ch.child[openParent], ch.sync = int32(pipe[0]), os.NewFile(uintptr(pipe[1]), "sync pipe")
	ch.child[openParentEnd] = int32(pipe[1])
	if err = unix.Pipe2(pipe[:], unix.O_CLOEXEC); err != nil {
		return nil, err
	}
	ch.reports, ch.child[openStatus] = os.NewFile(uintptr(pipe[0]), "status pipe"), int32(pipe[1])
	return ch, nil
}

// numbers returns the descriptors that exist in the child from the start. The
// child closes its copy of the parent's end, or it would never see it close.
func (ch *channels) numbers() []int32 { return ch.child[:] }

// status is where the child writes its report.
func (ch *channels) status() int { return int(ch.child[openStatus]) }

// closeChild closes the parent's copies of what the child uses.
func (ch *channels) closeChild() {
	for i, fd := range ch.child {
		if fd > 0 && i != openParentEnd {
			unix.Close(int(fd))
		}
		ch.child[i] = 0
	}
	if ch.gate != nil {
		ch.gate()
		ch.gate = nil
	}
}

func (ch *channels) close() {
	ch.closeChild()
	for _, f := range []*os.File{ch.sync, ch.reports} {
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
