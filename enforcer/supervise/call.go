package supervise

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/enforcer/plan"
)

// Call is one system call that waits for a verdict. Its methods read the
// calling process, whose memory can change at any time: what they return is
// good for a report or a refusal, never for a grant.
type Call struct {
	// ID is the kernel's cookie for the notification.
	ID uint64
	// TID is the calling thread, in the supervisor's pid namespace.
	TID int
	// Arch is the AUDIT_ARCH_* value of the call.
	Arch uint32
	// Number is the call's number on that architecture.
	Number int
	Args   [6]uint64

	listener int
	root     int  // a descriptor of the process's root, or 0
	lent     bool // it is somebody else's
	lost     bool
	copies   *copies
	pages    *pages
}

// copies counts the copies of the container's descriptors that a supervisor
// holds.
type copies struct{ held atomic.Int32 }

// page is how much of a text is read at once: never past the end of a page, for
// the next may not be there.
const page = 4096

// pages are buffers of that size, which most calls need one of for a moment.
type pages struct{ free sync.Pool }

func (p *pages) get() *[page]byte {
	if b, ok := p.free.Get().(*[page]byte); ok {
		return b
	}
	return new([page]byte)
}

// maxCopies bounds them: see [Call.LetGo]. Whoever wants one more waits this
// many times a millisecond for another to be closed.
const (
	maxCopies    = 128
	waitsForCopy = 100
)

// take counts one more, and returns false where there cannot be one. Copies are
// closed soon after their use, unless the container holds that up, which then
// waits for itself.
func (c *copies) take() bool {
	for range waitsForCopy {
		if c.held.Add(1) <= maxCopies {
			return true
		}
		c.held.Add(-1)
		time.Sleep(time.Millisecond)
	}
	return false
}

// ErrGone is returned when the calling process no longer waits for the call,
// so that what its number now names may be another process.
var ErrGone = errors.New("the calling process is gone")

// maxLinks is the kernel's own bound on symbolic links in one path.
const maxLinks = 40

// Alive reports whether the call still waits, so that what was read was of
// the process that makes it and not of a later one with its number.
func (c *Call) Alive() bool {
	id := c.ID
	return ioctl(c.listener, unix.SECCOMP_IOCTL_NOTIF_ID_VALID, unsafe.Pointer(&id)) == 0
}

// check turns a success into ErrGone if the process ended while it was read.
func (c *Call) check(err error) error {
	if !c.Alive() {
		c.lost = true
		return ErrGone
	}
	return err
}

// proc returns the path of a file of the calling thread in /proc.
func (c *Call) proc(name string) string {
	return "/proc/" + strconv.Itoa(c.TID) + "/" + name
}

// Program returns the path, inside the container, of the program that makes
// the call, and "?" where the process is gone. It is looked up for each call,
// at about a third of what a refused call costs: a thread becomes another program
// without notice, for the execution that the supervisor lets go takes place
// after it has looked away, and its number another thread's.
func (c *Call) Program() string {
	exe, err := os.Readlink(c.proc("exe"))
	if c.check(err) != nil {
		return "?"
	}
	return exe
}

// PID returns the process (thread group) that the calling thread is of, and 0
// where it is gone.
func (c *Call) PID() int {
	pid, _ := strconv.Atoi(c.status("Tgid"))
	return pid
}

// status returns a field of the calling thread's /proc/PID/status, and "" where
// it is gone.
func (c *Call) status(field string) string {
	status, err := os.ReadFile(c.proc("status"))
	if c.check(err) != nil {
		return ""
	}
	return statusField(status, field)
}

// statusField returns a field of a file of /proc/PID/status (proc_pid_status(5)).
func statusField(status []byte, field string) string {
	_, rest, _ := bytes.Cut(status, []byte("\n"+field+":"))
	line, _, _ := bytes.Cut(rest, []byte("\n"))
	return string(bytes.TrimSpace(line))
}

// Bytes reads n bytes at addr of the calling process.
func (c *Call) Bytes(addr uint64, n int) ([]byte, error) {
	b := make([]byte, n)
	got, err := c.read(addr, b)
	if err == nil && got < n {
		err = unix.EFAULT
	}
	if err = c.check(err); err != nil {
		return nil, fmt.Errorf("reading %d bytes of the calling process: %w", n, err)
	}
	return b, nil
}

// read reads what can be read of len(b) bytes at addr.
func (c *Call) read(addr uint64, b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	local := []unix.Iovec{{Base: &b[0]}}
	local[0].SetLen(len(b))
	remote := []unix.RemoteIovec{{Base: uintptr(addr), Len: len(b)}}
	return unix.ProcessVMReadv(c.TID, local, remote, 0)
}

// String reads a NUL-terminated string of at most max bytes at addr.
func (c *Call) String(addr uint64, max int) (string, error) {
	buffer := c.pages.get()
	defer c.pages.free.Put(buffer)
	var text []byte
	for len(text) <= max {
		b := buffer[:page-int(addr%page)]
		n, err := c.read(addr, b)
		if err = c.check(err); err != nil {
			return "", fmt.Errorf("reading a string of the calling process: %w", err)
		}
		if end := bytes.IndexByte(b[:n], 0); end >= 0 {
			if len(text) == 0 && end <= max {
				return string(b[:end]), nil
			}
			if text = append(text, b[:end]...); len(text) <= max {
				return string(text), nil
			}
			break
		}
		text = append(text, b[:n]...)
		addr += uint64(n)
	}
	return "", fmt.Errorf("reading a string of the calling process: longer than %d bytes: %w", max, unix.ENAMETOOLONG)
}

// FD returns what descriptor fd of the calling process is, as the link in
// /proc/PID/fd says: a path, "socket:[…]", "anon_inode:…". The link itself is
// only the process's own to read, whose id may be another than the caller's:
// then a copy of the descriptor is looked at.
func (c *Call) FD(fd int32) (string, error) {
	link, err := os.Readlink(c.proc("fd/" + strconv.Itoa(int(fd))))
	if errors.Is(err, unix.EACCES) {
		return c.linkOfCopy(fd)
	}
	if errors.Is(err, unix.ENOENT) {
		err = unix.EBADF // or the process is gone
	}
	if err = c.check(err); err != nil {
		return "", fmt.Errorf("looking up descriptor %d of the calling process: %w", fd, err)
	}
	return link, nil
}

func (c *Call) linkOfCopy(fd int32) (string, error) {
	copied, err := c.TakeFD(fd)
	if err != nil {
		return "", err
	}
	defer c.LetGo(copied)
	link, err := os.Readlink("/proc/self/fd/" + strconv.Itoa(copied))
	if err != nil {
		return "", fmt.Errorf("looking up descriptor %d of the calling process: %w", fd, err)
	}
	return link, nil
}

// TakeFD returns a copy of the calling process's descriptor fd, for the caller
// to hand to [Call.LetGo]. It is a bare number, since an *os.File would switch
// the open file, which the two share, between blocking and not.
func (c *Call) TakeFD(fd int32) (int, error) {
	if !c.copies.take() {
		return -1, fmt.Errorf("copying descriptor %d of the calling process: %w", fd, unix.EMFILE)
	}
	copied, err := c.takeFD(fd)
	if err != nil {
		c.copies.held.Add(-1)
	}
	return copied, err
}

func (c *Call) takeFD(fd int32) (int, error) {
	pidfd, err := c.pidfd()
	if err != nil {
		return -1, fmt.Errorf("opening the calling process: %w", err)
	}
	defer unix.Close(pidfd)
	copied, err := unix.PidfdGetfd(pidfd, int(fd), 0)
	if err != nil {
		return -1, fmt.Errorf("copying descriptor %d of the calling process: %w", fd, err)
	}
	if err := c.check(nil); err != nil {
		unix.Close(copied)
		return -1, err
	}
	return copied, nil
}

// LetGo closes a copy of a descriptor. If the container has closed its own
// meanwhile, and asked the kernel to wait for what is still to be sent
// (SO_LINGER), closing blocks as long as it has asked for: nobody waits here.
// Of copies that cannot be closed there are only so many, each with a thread.
func (c *Call) LetGo(fd int) {
	held := &c.copies.held
	go func() {
		_ = unix.Close(fd)
		held.Add(-1)
	}()
}

// pidfd opens the calling thread, whose descriptors need not be those of its
// process's first thread, where the kernel can do that (Linux 6.9), and
// otherwise the process.
func (c *Call) pidfd() (int, error) {
	fd, err := unix.PidfdOpen(c.TID, unix.PIDFD_THREAD)
	if !errors.Is(err, unix.EINVAL) {
		return fd, err
	}
	pid := c.PID()
	if pid == 0 {
		return -1, ErrGone
	}
	return unix.PidfdOpen(pid, 0)
}

// matches reports whether the call's arguments pass all of the comparisons.
func (c *Call) matches(list []plan.Compare) bool {
	return !slices.ContainsFunc(list, func(cmp plan.Compare) bool { return c.Args[cmp.Arg]&cmp.Mask != cmp.Value })
}

func (c *Call) close() {
	if c.root != 0 && !c.lent {
		unix.Close(c.root)
	}
}
