package launch

import (
	"errors"
	"fmt"
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
	// hello carries the listener's number where a first process stays that
	// is not the program: a socket that says who has sent it. It is nil
	// otherwise.
	hello *os.File
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
	if s.Program.hasInit() {
		err = ch.init()
	}
	return ch, err
}

// init adds what the first process and the program's share.
func (ch *channels) init() error {
	var pair [2]int
	// Its end tells the program's process that the first has no descriptor
	// left.
	if err := unix.Pipe2(pair[:], unix.O_CLOEXEC); err != nil {
		return err
	}
	ch.child[openSealed], ch.child[openSealedEnd] = int32(pair[0]), int32(pair[1])
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	ch.hello, ch.child[openHello] = os.NewFile(uintptr(pair[0]), "hello socket"), int32(pair[1])
	return unix.SetsockoptInt(pair[0], unix.SOL_SOCKET, unix.SO_PASSCRED, 1)
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
	for _, f := range []*os.File{ch.sync, ch.reports, ch.hello} {
		if f != nil {
			f.Close()
		}
	}
}

// greeting waits for the message of the program's process. It returns that and
// the process's id, which the kernel vouches for, and false where the child ended
// without one.
func (ch *channels) greeting() (a announcement, pid int, ok bool, err error) {
	var message [announcesDevice]byte
	control := make([]byte, unix.CmsgSpace(unix.SizeofUcred))
	for {
		n, used, _, _, err := unix.Recvmsg(int(ch.hello.Fd()), message[:], control, 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil || n == 0 {
			return a, 0, false, err
		}
		list, err := unix.ParseSocketControlMessage(control[:used])
		a, ok := parseAnnouncement(message[:n])
		if err != nil || !ok || len(list) != 1 {
			return a, 0, false, errors.Join(fmt.Errorf("a message of %d bytes and %d attachments", n, len(list)), err)
		}
		from, err := unix.ParseUnixCredentials(&list[0])
		if err != nil {
			return a, 0, false, err
		}
		return a, int(from.Pid), true, nil
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
