// Package confine takes from a process what the network of a container does not
// need, for good.
//
// That process handles whatever a hostile container sends and hostile servers
// answer. If it were ever made to do another's bidding, it could then go on
// talking over sockets of TCP, UDP and echo requests, over the socket to its
// launcher and with the descriptors that it has, and nothing else: it opens no
// file and changes none, starts no process and sends no signal but to itself,
// makes no Unix socket, listens at no port of TCP but those that it was told of, and
// has no capability, even as root, but that which such a port may take.
//
// A seccomp filter is the first wall. Landlock is the second, of what the kernel
// has of it. All is in force for all threads. One exception is a program that
// links C, as a test binary may: nobody knows its threads, and the filter alone
// is in force there.
package confine

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Walls are what holds a process.
type Walls struct {
	// Threads says that every thread was reached. If not, it is only the filter
	// that holds all of them; see the package's documentation.
	Threads bool
	// LandlockABI is the version of Landlock that is in force, or 0.
	LandlockABI int
}

// Process confines this process, which goes on to bind these ports of the host. If
// one of them is root's, and this process may bind it, it keeps that one capability
// (CAP_NET_BIND_SERVICE). After an error it may be confined in part.
func Process(ports ...uint16) (Walls, error) {
	// The filter is first put on this thread, and then on the others.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var w Walls
	if err := closed(); err != nil {
		return w, err
	}
	threads, err := noNewPrivileges()
	if err != nil {
		return w, err
	}
	w.Threads = threads
	if threads {
		if w.LandlockABI, err = landlock(ports); err != nil {
			return w, fmt.Errorf("restricting with Landlock: %w", err)
		}
		if err := noCapabilities(ports); err != nil {
			return w, fmt.Errorf("dropping the capabilities: %w", err)
		}
	}
	return w, filter()
}

// closed keeps others of the same user from looking into this process, and its
// memory from being written to a file.
func closed() error {
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("making the process unreadable: %w", err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		return fmt.Errorf("forbidding core dumps: %w", err)
	}
	return nil
}

// noNewPrivileges says that this process gains none. It is false where only this
// thread was reached.
func noNewPrivileges() (threads bool, err error) {
	_, _, errno := syscall.AllThreadsSyscall6(unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0, 0)
	threads = errno == 0
	if errors.Is(errno, unix.ENOTSUP) {
		errno = 0
		err = unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
	}
	if errno != 0 {
		err = errno
	}
	if err != nil {
		return false, fmt.Errorf("setting no_new_privs: %w", err)
	}
	return threads, nil
}

// noCapabilities drops the permitted, effective and inheritable sets, and with
// them the ambient one, but for what the ports need. The bounding set is left, for
// nothing is executed.
func noCapabilities(ports []uint16) error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var had, left [2]unix.CapUserData
	if err := unix.Capget(&header, &had[0]); err != nil {
		return err
	}
	const firstOfAll = 1024 // below it may be everybody's as well
	if slices.ContainsFunc(ports, func(p uint16) bool { return p < firstOfAll }) {
		left[0].Permitted = had[0].Permitted & (1 << unix.CAP_NET_BIND_SERVICE)
		left[0].Effective = had[0].Effective & left[0].Permitted
	}
	_, _, errno := syscall.AllThreadsSyscall(unix.SYS_CAPSET, uintptr(unsafe.Pointer(&header)), uintptr(unsafe.Pointer(&left)), 0)
	if errno != 0 {
		return errno
	}
	return nil
}
