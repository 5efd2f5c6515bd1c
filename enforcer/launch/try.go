package launch

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/enforcer/plan"
)

// Trial is a part of a launch, to see whether it would succeed.
type Trial struct {
	plan.Trial
	// Filters is what the operations load, as in [Filters].
	Filters []byte
	// MapIDs writes the maps of the child's user namespace. While it runs,
	// the child waits.
	MapIDs func(pid int) error
}

// Try has a child do the operations in the namespaces, and end. It returns nil
// if all of them succeeded, otherwise an error as [Start] would.
func Try(t Trial) error {
	flags := uint64(0)
	if len(t.Namespaces) > 0 {
		var err error
		if flags, err = constants(strings.Join(t.Namespaces, "|")); err != nil {
			return fmt.Errorf("translating the trial: %w", err)
		}
	}
	told, tell, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("preparing the trial: %w", err)
	}
	defer told.Close()
	defer tell.Close()
	status, report, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("preparing the trial: %w", err)
	}
	defer status.Close()
	defer report.Close()
	ops := append(waitOps(), t.Ops...)
	prog, err := compile(ops, []string{"parent", "parentEnd"}, Filters{Program: t.Filters})
	if err != nil {
		return fmt.Errorf("translating the trial: %w", err)
	}
	bound := prog.bind([]int32{int32(told.Fd()), int32(tell.Fd())}, Given{})
	pid, err := fork(bound, cloneArgs{flags: flags, exitSignal: uint64(unix.SIGCHLD)}, int(report.Fd()))
	if err != nil {
		return &NamespaceError{err}
	}
	defer collect(pid)
	report.Close()
	// Without its byte the child ends at the end of the pipe.
	if err := t.MapIDs(pid); err != nil {
		tell.Close()
		return err
	}
	if _, err := tell.Write([]byte{1}); err != nil {
		return fmt.Errorf("letting the trial begin: %w", err)
	}
	var message [8]byte
	if _, err := io.ReadFull(status, message[:]); err != nil {
		return fmt.Errorf("the trial ended without a word: %w", err)
	}
	// A child that executes nothing reports what comes after the last.
	if binary.NativeEndian.Uint32(message[:4]) == uint32(len(ops)) {
		return nil
	}
	return failed(func(i int) (plan.Op, error) { return ops[i], nil }, message)
}

// waitOps has the child wait for the id maps, as every launch begins.
func waitOps() []plan.Op {
	number := func(n int64) plan.Arg { return plan.Arg{Number: &n} }
	return []plan.Op{
		{Call: "close", Args: []plan.Arg{{FD: "parentEnd"}}},
		{Call: "read", Args: []plan.Arg{{FD: "parent"}, {Struct: []plan.Field{{Name: "byte", Size: 1, Value: number(0)}}}, number(1)}, Want: "1"},
	}
}

// collect waits for the end of a child.
func collect(pid int) {
	for {
		if _, err := unix.Wait4(pid, nil, 0, nil); !errors.Is(err, unix.EINTR) {
			return
		}
	}
}
