package signals

import (
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Queue is a pipe with a byte for each signal, which is its number.
type Queue struct {
	read  *os.File
	write int
}

// New returns an empty queue.
func New() (*Queue, error) {
	var pipe [2]int
	// A signal handler that waits would be worse than a signal that is lost
	// behind 65536 others.
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		return nil, fmt.Errorf("making a queue for signals: %w", err)
	}
	return &Queue{read: os.NewFile(uintptr(pipe[0]), "signals"), write: pipe[1]}, nil
}

// Send adds a signal.
func (q *Queue) Send(s unix.Signal) error {
	if _, err := unix.Write(q.write, []byte{byte(s)}); err != nil {
		return fmt.Errorf("sending %s: %w", unix.SignalName(s), err)
	}
	return nil
}

// Next removes the oldest signal, for which it waits. It returns 0 after
// [Queue.Stop].
func (q *Queue) Next() unix.Signal {
	var b [1]byte
	if n, err := q.read.Read(b[:]); err != nil || n != 1 {
		return 0
	}
	return unix.Signal(b[0])
}

// Stop ends the wait of [Queue.Next], for good. The queue goes on to take
// signals.
func (q *Queue) Stop() { _ = q.read.SetReadDeadline(time.Unix(0, 1)) }

// Close ends a queue that catches nothing.
func (q *Queue) Close() error { return errors.Join(q.read.Close(), unix.Close(q.write)) }

// caught is the descriptor that the handler writes to.
var caught atomic.Int32

// Catch has the queue take what is sent to this process of the list, from now
// on and for good: a process has one queue that catches. What the process was
// started to ignore, as by nohup(1), stays so. Package os/signal must not be
// asked for the same signals.
func (q *Queue) Catch(list []unix.Signal) error {
	if !caught.CompareAndSwap(0, int32(q.write)) {
		return errors.New("catching signals: they are caught already")
	}
	for _, s := range list {
		var old sigaction
		if err := rtSigaction(s, nil, &old); err != nil {
			return err
		}
		if old.handler == ignore {
			continue
		}
		if err := rtSigaction(s, handling(), nil); err != nil {
			return err
		}
	}
	return nil
}

// sigaction is struct sigaction of linux/signal_types.h, on amd64 and arm64.
type sigaction struct {
	handler  uintptr
	flags    uint64
	restorer uintptr
	mask     uint64
}

const (
	ignore   = 1          // SIG_IGN
	onStack  = 0x08000000 // SA_ONSTACK
	restart  = 0x10000000 // SA_RESTART
	restorer = 0x04000000 // SA_RESTORER
)

// handling is the action of what is caught. The handler runs on the stack that
// Go's runtime has made for handlers, as those of Go do.
func handling() *sigaction {
	a := &sigaction{handler: handlerAddress(), flags: onStack | restart, mask: ^uint64(0)}
	if r := restorerAddress(); r != 0 {
		a.restorer = r
		a.flags |= restorer
	}
	return a
}

func rtSigaction(s unix.Signal, action, old *sigaction) error {
	_, _, errno := unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(s), uintptr(unsafe.Pointer(action)),
		uintptr(unsafe.Pointer(old)), unsafe.Sizeof(old.mask), 0, 0)
	if errno != 0 {
		return fmt.Errorf("catching signal %d: %w", int(s), errno)
	}
	return nil
}

// handlerAddress returns the address of the handler, a function that the
// kernel calls with the number of the signal: it writes that to caught.
func handlerAddress() uintptr

// restorerAddress returns the address of the function that a handler returns
// to, or 0 where the kernel brings its own.
func restorerAddress() uintptr
