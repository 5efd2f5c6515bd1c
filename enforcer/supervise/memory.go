package supervise

import (
	"bufio"
	"bytes"
	"errors"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// piece is what is to be written at an address of the calling process.
type piece struct {
	at uint64
	b  []byte
}

// write writes to the calling process's memory what the kernel would have by the
// call, and returns EFAULT where that could not.
//
// The memory is opened before the call is known to wait still, so that it is that
// of the process which makes it, and of no other that has its number later. A
// descriptor writes to what the process itself could only read (FOLL_FORCE),
// which is looked for first. Whoever changes that meanwhile had the right to
// write there before.
func (e *Enforcer) write(c *Call, pieces ...piece) unix.Errno {
	memory, err := e.memory(c)
	if err != nil {
		return errnoOf(err)
	}
	defer memory.Close()
	maps, err := os.Open(c.proc("maps"))
	if err != nil {
		return errnoOf(err)
	}
	defer maps.Close()
	if err := c.check(nil); err != nil {
		return errnoOf(err)
	}
	if writable(maps, pieces) != nil {
		return unix.EFAULT
	}
	for _, p := range pieces {
		if _, err := memory.WriteAt(p.b, int64(p.at)); err != nil {
			return unix.EFAULT
		}
	}
	return 0
}

// memory opens the calling process's memory for writing. The file is for the user
// that the process is.
func (e *Enforcer) memory(c *Call) (*os.File, error) {
	f, err := os.OpenFile(c.proc("mem"), os.O_WRONLY, 0)
	if errors.Is(err, unix.EACCES) && e.options.Memory != nil {
		return e.options.Memory(c.TID)
	}
	return f, err
}

// errNotWritable is returned by [writable].
var errNotWritable = errors.New("the process cannot write there")

// writable returns an error where a process's maps, as proc_pid_maps(5) has them,
// do not have all of the pieces in what it may write to.
func writable(maps interface{ Read([]byte) (int, error) }, pieces []piece) error {
	next := make([]uint64, len(pieces)) // all before that is writable
	for i, p := range pieces {
		next[i] = p.at
	}
	missing := func() bool {
		for i, p := range pieces {
			if end := p.at + uint64(len(p.b)); end < p.at || next[i] < end {
				return true
			}
		}
		return false
	}
	lines := bufio.NewScanner(maps)
	for missing() && lines.Scan() {
		start, end, write, err := parseMap(lines.Bytes())
		if err != nil {
			return err
		}
		for i := range next {
			if write && start <= next[i] && next[i] < end {
				next[i] = end
			}
		}
	}
	if missing() {
		return errors.Join(errNotWritable, lines.Err())
	}
	return nil
}

// parseMap reads a line as "7f00a000-7f00c000 rw-p …".
func parseMap(line []byte) (start, end uint64, write bool, err error) {
	span, rest, _ := bytes.Cut(line, []byte(" "))
	first, last, _ := bytes.Cut(span, []byte("-"))
	if start, err = strconv.ParseUint(string(first), 16, 64); err != nil {
		return 0, 0, false, err
	}
	end, err = strconv.ParseUint(string(last), 16, 64)
	return start, end, len(rest) > 1 && rest[1] == 'w', err
}

// errnoOf is what a call fails with whose process could not be read or written.
func errnoOf(err error) unix.Errno {
	var errno unix.Errno
	if errors.As(err, &errno) {
		return errno
	}
	return unix.EINTR // nobody waits for it any more
}
