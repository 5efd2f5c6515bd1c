package supervise

import (
	"bytes"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

// flags reads the flags of the descriptor that the call is about: those of the
// open file, and whether executing a program closes it. Whoever uses them checks
// that the call still waits.
func (c *Call) flags() (file int, cloexec, ok bool) {
	fd, err := unix.Open(c.proc("fdinfo/"+strconv.Itoa(int(int32(c.Args[0])))), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0, false, false
	}
	defer unix.Close(fd)
	var b [512]byte // the flags are in the second line
	n, err := unix.Read(fd, b[:])
	if err != nil {
		return 0, false, false
	}
	return parseFlags(b[:n])
}

// parseFlags reads the flags of a file of /proc/PID/fdinfo (proc_pid_fdinfo(5)).
func parseFlags(b []byte) (file int, cloexec, ok bool) {
	for line := range bytes.Lines(b) {
		value, found := bytes.CutPrefix(line, []byte("flags:"))
		if !found {
			continue
		}
		flags, err := strconv.ParseInt(string(bytes.TrimSpace(value)), 8, 32)
		return int(flags) &^ unix.O_CLOEXEC, flags&unix.O_CLOEXEC != 0, err == nil
	}
	return 0, false, false
}

// maxDescriptors bounds those that are looked at for one call, each of which
// takes a microsecond.
const maxDescriptors = 512

// Types of kcmp(2).
const (
	kcmpFile     = 0
	kcmpEpollTFD = 7
)

// sole reports whether the descriptor that the call is about is the only one of
// its process for that file, and no epoll set of the process waits for it, if it
// has any.
func (c *Call) sole(epoll bool) bool {
	others, ok := descriptors(c.TID)
	if !ok {
		return false
	}
	own := uint32(c.Args[0])
	for _, other := range others {
		if other != own && !c.apart(own, other, epoll) {
			return false
		}
	}
	return c.Alive()
}

// descriptors returns those of a thread, and is false where they cannot be told
// or are too many.
func descriptors(tid int) ([]uint32, bool) {
	dir, err := unix.Open("/proc/"+strconv.Itoa(tid)+"/fdinfo", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, false
	}
	defer unix.Close(dir)
	// Each takes 24 bytes or 32; a directory that does not fit has too many.
	var room [maxDescriptors * 32]byte
	n, err := unix.ReadDirent(dir, room[:])
	if err != nil {
		return nil, false
	}
	_, _, names := unix.ParseDirent(room[:max(n, 0)], -1, nil)
	// A signal to this thread can cut the list short.
	if more, err := unix.ReadDirent(dir, make([]byte, 64)); err != nil || more > 0 {
		return nil, false
	}
	list := make([]uint32, len(names))
	for i, name := range names {
		number, err := strconv.ParseUint(name, 10, 32)
		if err != nil {
			return nil, false
		}
		list[i] = uint32(number)
	}
	return list, true
}

// apart reports whether another descriptor of the calling thread is certainly of
// another file, and, where there are epoll sets, not one that waits for it.
func (c *Call) apart(own, other uint32, epoll bool) bool {
	// What was closed meanwhile is no other descriptor; what cannot be
	// compared may be one.
	order, errno := c.kcmp(c.TID, kcmpFile, own, uintptr(other))
	if errno == unix.EBADF {
		return true
	}
	if errno != 0 || order == 0 {
		return false
	}
	if !epoll {
		return true
	}
	// struct kcmp_epoll_slot of linux/kcmp.h. EINVAL is no epoll set, and
	// ENOENT one that does not wait for the socket.
	slot := [3]uint32{other, own, 0}
	switch _, errno := c.kcmp(c.TID, kcmpEpollTFD, own, uintptr(unsafe.Pointer(&slot))); errno {
	case unix.EBADF, unix.EINVAL, unix.ENOENT:
		return true
	}
	return false
}

// kcmp compares a descriptor of the calling thread with something of that one or
// another; the result is 0 where the two are one.
func (c *Call) kcmp(tid, kind int, fd uint32, with uintptr) (int, unix.Errno) {
	order, _, errno := unix.Syscall6(unix.SYS_KCMP, uintptr(c.TID), uintptr(tid), uintptr(kind), uintptr(fd), with, 0)
	return int(order), errno
}
