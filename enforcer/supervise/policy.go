package supervise

import "golang.org/x/sys/unix"

// Policy decides the calls that the filter hands to the supervisor.
// Decide is called from one goroutine at a time.
type Policy interface {
	Decide(*Call) Verdict
}

// Verdict is the answer to a [Call]. The zero value lets the call go on.
type Verdict struct {
	// Errno refuses the call with that error.
	Errno unix.Errno
	// Done says that the supervisor has made the call itself, on a copy of
	// the caller's descriptor, and that it returned 0. Unlike a call that
	// goes on, nothing of it can change after the check.
	Done bool
}

// Stats counts what a supervisor saw.
type Stats struct {
	// Calls is the number of notifications answered.
	Calls uint64
	// Lost is the number whose process was gone before its memory could be
	// read: the call never took effect, but what it named is unknown.
	Lost uint64
}
