package supervise

import (
	"context"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/enforcer/plan"
)

// inherited is what a socket of the host's takes over from the container's in
// whose place it is put.
type inherited struct {
	family  int
	options []option
	// flags are those of the open file, cloexec the descriptor's.
	flags   int
	cloexec bool
}

// option is a socket option with its value.
type option struct {
	plan.SocketOption
	value []byte
}

// handOver connects a socket of the host's and puts it in the place of the
// container's. It is false where that would not be the same to the program; the
// container's own socket can be connected then.
func (a *attempt) handOver(ctx context.Context) (Verdict, bool) {
	return a.handOverTo(ctx, func(int) []byte { return a.name })
}

// handOverTo does the same for an address of the host, which it is given for a
// family.
func (a *attempt) handOverTo(ctx context.Context, name func(family int) []byte) (Verdict, bool) {
	switch v, how := a.begin(name); how {
	case ended:
		return v, true
	case waits:
		return a.begun.finish(ctx, a), true
	}
	return Verdict{}, false
}

// progress is how far a connection has come.
type progress int

const (
	// unfit is one that cannot be handed over.
	unfit progress = iota
	// ended is one that is made, or has failed, or goes on without anyone
	// waiting for it.
	ended
	// waits is one that is being made while the container waits.
	waits
)

// begin begins to connect a socket of the host's. One that is still being
// connected is in the container's place already: other threads can shut it
// down, and what they open meanwhile is not mistaken for it.
func (a *attempt) begin(name func(family int) []byte) (Verdict, progress) {
	if foreign, err := a.e.foreign(a.fd); err != nil || foreign || a.e.rules.Shared {
		return Verdict{}, unfit
	}
	in, ok := a.e.describeNew(a.c, a.fd)
	if !ok {
		return Verdict{}, unfit
	}
	fd, err := in.socket()
	if err != nil {
		return Verdict{}, unfit
	}
	to, blocks := name(in.family), in.flags&unix.O_NONBLOCK == 0
	errno := setAddress(unix.SYS_CONNECT, fd, to)
	if errno == unix.EINPROGRESS && blocks {
		// On this machine's own network it is there by now.
		errno = setAddress(unix.SYS_CONNECT, fd, to)
	}
	switch {
	case errno == unix.EALREADY:
		return a.beginWaiting(in, fd, to)
	case errno != 0 && errno != unix.EINPROGRESS:
		unix.Close(fd)
		a.drop()
		return Verdict{Errno: errno}, ended
	}
	defer unix.Close(fd)
	if in.install(a.c, fd) != nil {
		return Verdict{}, unfit
	}
	a.drop()
	return Verdict{Errno: errno, Done: errno == 0}, ended
}

// beginWaiting hands a socket over that is being connected.
func (a *attempt) beginWaiting(in inherited, fd int, to []byte) (Verdict, progress) {
	b := newConnecting(fd, to, unix.EINPROGRESS)
	if in.install(a.c, fd) != nil {
		b.close()
		return Verdict{}, unfit
	}
	a.drop()
	a.begun = b
	return Verdict{}, waits
}

// socket makes a socket of the host's that has the options. What the kernel lets
// root alone set, the container does not set by way of a supervisor that is root.
func (in inherited) socket() (int, error) {
	fd, err := unix.Socket(in.family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, unix.IPPROTO_TCP)
	if err != nil {
		return -1, err
	}
	if len(in.options) == 0 {
		return fd, nil
	}
	if errno := unprivileged(func() unix.Errno { return in.setOptions(fd) }); errno != 0 {
		unix.Close(fd)
		return -1, errno
	}
	return fd, nil
}

func (in inherited) setOptions(fd int) unix.Errno {
	for _, o := range in.options {
		value := unsafe.Pointer(unsafe.SliceData(o.value))
		_, _, errno := unix.Syscall6(unix.SYS_SETSOCKOPT, uintptr(fd), uintptr(o.Level), uintptr(o.Name),
			uintptr(value), uintptr(len(o.value)), 0)
		if errno != 0 {
			return errno
		}
	}
	return 0
}

// addFD is struct seccomp_notif_addfd of linux/seccomp.h.
type addFD struct {
	id                            uint64
	flags, srcfd, newfd, newflags uint32
}

// install puts a descriptor of this process in the place of the one that the
// call is about.
func (in inherited) install(c *Call, fd int) error {
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_SETFL, in.flags); err != nil {
		return err
	}
	a := addFD{id: c.ID, flags: unix.SECCOMP_ADDFD_FLAG_SETFD, srcfd: uint32(fd), newfd: uint32(c.Args[0])}
	if in.cloexec {
		a.newflags = unix.O_CLOEXEC
	}
	if errno := ioctl(c.listener, unix.SECCOMP_IOCTL_NOTIF_ADDFD, unsafe.Pointer(&a)); errno != 0 {
		return errno
	}
	return nil
}

// The states of a TCP socket that matter here (net/tcp_states.h).
const tcpClose, tcpListen = 7, 10

// describeNew looks at a container's socket that has not been used yet, and is
// false where another could not stand in for it.
func (e *Enforcer) describeNew(c *Call, fd int) (in inherited, ok bool) {
	info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
	if err != nil || info.State != tcpClose {
		return in, false
	}
	if at, err := unix.Getsockname(fd); err != nil || portOf(at) != 0 {
		return in, false
	}
	return e.describe(c, fd)
}

// describe looks at a container's socket, and is false where it has an option
// that cannot be copied, signals tell of it, other descriptors stand for it, or
// an epoll set waits for it.
func (e *Enforcer) describe(c *Call, fd int) (in inherited, ok bool) {
	var err error
	if in.family, err = unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN); err != nil {
		return in, false
	}
	if in.flags, in.cloexec, ok = c.flags(); !ok || in.flags&unix.O_ASYNC != 0 || !c.sole(e.private.epoll.Load()) {
		return in, false
	}
	in.options, ok = e.changedOptions(in.family, fd)
	return in, ok
}
