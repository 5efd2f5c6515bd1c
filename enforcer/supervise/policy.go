package supervise

import (
	"context"

	"golang.org/x/sys/unix"
)

// Policy decides the calls that the filter hands to the supervisor. Each mode
// of supervision is one:
//
//	record   the recorder of package analyzer/record notes a call and lets it go on
//	enforce  an [Enforcer] refuses what is not granted, and notes that
//	ask      an [Enforcer] with an [Asker] asks a person before it refuses
//
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
	// Later, if not nil, decides instead. It runs on a goroutine of its own,
	// while the caller waits and other calls are served; its context ends
	// with the supervision. The verdict that it returns has no Later.
	Later func(context.Context) Verdict
	// Unbounded says that the policy itself bounds how many of those wait.
	Unbounded bool
}

// Stats counts what a supervisor saw.
type Stats struct {
	// Calls is the number of notifications answered.
	Calls uint64
	// Lost is the number whose process was gone before its memory could be
	// read: the call never took effect, but what it named is unknown.
	Lost uint64
}
