package link

import (
	"errors"
	"syscall"
)

// failure is an error of the network process, as its launcher has it: what it
// says, what can be done about it, and the system's error that it is about.
type failure struct {
	text, hint string
	errno      syscall.Errno
}

func (f *failure) Error() string { return f.text }

// Hint is what to do about the error, or nothing.
func (f *failure) Hint() string { return f.hint }

// Unwrap returns the system's error, or nil.
func (f *failure) Unwrap() error {
	if f.errno == 0 {
		return nil
	}
	return f.errno
}

// failed is the reply about something that has failed, or not.
func failed(err error) ready {
	if err == nil {
		return ready{}
	}
	r := ready{Error: err.Error()}
	var adviser interface{ Hint() string }
	if errors.As(err, &adviser) {
		r.Hint = adviser.Hint()
	}
	var errno syscall.Errno
	if errors.As(err, &errno) {
		r.Errno = int32(errno)
	}
	return r
}

// failure returns the error that a reply tells of, or nil.
func (r ready) failure() error {
	if r.Error == "" {
		return nil
	}
	return &failure{r.Error, r.Hint, syscall.Errno(r.Errno)}
}
