package launch

import (
	"encoding/binary"
	"errors"
	"fmt"
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
	// hello carries the listener's number where a first process stays that
	// is not the program: a socket that says who has sent it. It is nil
	// otherwise.
	hello *os.File
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
	if s.Plan.Init == nil {
		return ch, nil
	}
	// Its end tells the program's process that the first has no descriptor
	// left.
	if err = unix.Pipe2(pipe[:], unix.O_CLOEXEC); err != nil {
		return nil, err
	}
	ch.child["sealed"], ch.child["sealedEnd"] = pipe[0], pipe[1]
	if pipe, err = unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0); err != nil {
		return nil, err
	}
	ch.hello, ch.child["hello"] = os.NewFile(uintptr(pipe[0]), "hello socket"), pipe[1]
	return ch, unix.SetsockoptInt(pipe[0], unix.SOL_SOCKET, unix.SO_PASSCRED, 1)
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
	for _, f := range []*os.File{ch.sync, ch.status, ch.hello} {
		if f != nil {
			f.Close()
		}
	}
}

// greeting waits for the message of the program's process. It returns the
// listener's number and the process's id, which the kernel vouches for, and
// false where the child ended without one.
func (ch *channels) greeting() (listener, pid int, ok bool, err error) {
	var message [4]byte
	control := make([]byte, unix.CmsgSpace(unix.SizeofUcred))
	for {
		n, used, _, _, err := unix.Recvmsg(int(ch.hello.Fd()), message[:], control, 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil || n == 0 {
			return 0, 0, false, err
		}
		list, err := unix.ParseSocketControlMessage(control[:used])
		if err != nil || n != len(message) || len(list) != 1 {
			return 0, 0, false, fmt.Errorf("a message of %d bytes and %d attachments: %w", n, len(list), errors.Join(err, errors.ErrUnsupported))
		}
		from, err := unix.ParseUnixCredentials(&list[0])
		if err != nil {
			return 0, 0, false, err
		}
		return int(int32(binary.NativeEndian.Uint32(message[:]))), int(from.Pid), true, nil
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
