package launch

import (
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/enforcer/plan"
)

// OpenMemory opens /proc/TID/mem of a container's thread for writing, for the
// caller to close. The file belongs to the user that the thread is, which can be
// a subordinate id of the caller's that has no right but in the container's user
// namespace: a child goes there for it. The error is [*OpError] where the kernel
// refuses that.
func OpenMemory(tid int) (*os.File, error) {
	about := func(err error) error { return fmt.Errorf("opening the memory of thread %d: %w", tid, err) }
	proc := "/proc/" + strconv.Itoa(tid)
	namespace, err := os.Open(proc + "/ns/user")
	if err != nil {
		return nil, about(err)
	}
	defer namespace.Close()
	// The child shares the table of descriptors, and puts the memory in the
	// place of this one.
	place, err := os.Open(os.DevNull)
	if err != nil {
		return nil, about(err)
	}
	if err := childOpens(proc+"/mem", namespace, place); err != nil {
		place.Close()
		return nil, about(err)
	}
	return place, nil
}

// childOpens has a child in a user namespace open a file, in the place of another.
func childOpens(path string, namespace, place *os.File) error {
	text := func(s string) plan.Arg { return plan.Arg{Text: &s} }
	ops := []plan.Op{
		{Call: "setns", Args: []plan.Arg{{FD: "namespace"}, {Flags: "CLONE_NEWUSER"}}},
		{Call: "openat", Args: []plan.Arg{{Flags: "AT_FDCWD"}, text(path), {Flags: "O_WRONLY|O_CLOEXEC"}}, Out: "opened"},
		{Call: "dup3", Args: []plan.Arg{{FD: "opened"}, {FD: "place"}, {Flags: "O_CLOEXEC"}}},
		{Call: "close", Args: []plan.Arg{{FD: "opened"}}},
	}
	prog, err := compile(ops, []string{"namespace", "place"}, Filters{})
	if err != nil {
		return err
	}
	status, report, err := os.Pipe()
	if err != nil {
		return err
	}
	defer status.Close()
	bound := prog.bind([]int32{int32(namespace.Fd()), int32(place.Fd())}, Given{})
	pid, err := fork(bound, cloneArgs{flags: unix.CLONE_FILES, exitSignal: uint64(unix.SIGCHLD)}, int(report.Fd()))
	if err != nil {
		report.Close()
		return err
	}
	// The child has written before it ends, if it could; the writing end is
	// this process's too.
	collect(pid)
	report.Close()
	var message [8]byte
	if _, err := io.ReadFull(status, message[:]); err != nil {
		return fmt.Errorf("the child ended without a word: %w", err)
	}
	if binary.NativeEndian.Uint32(message[:4]) == uint32(len(ops)) {
		return nil
	}
	return failed(func(i int) (plan.Op, error) { return ops[i], nil }, message)
}
