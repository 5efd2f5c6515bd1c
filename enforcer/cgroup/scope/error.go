package scope

import (
	"context"
	"errors"
	"fmt"

	"github.com/godbus/dbus/v5"
)

var (
	// ErrUnreachable is in the chain where systemd is at none of the
	// addresses, or went away.
	ErrUnreachable = errors.New("systemd cannot be reached")
	// ErrSilent is in the chain where it does not answer in time.
	ErrSilent = errors.New("systemd does not answer")
	// ErrRefused is in the chain where it answered, and made no scope.
	ErrRefused = errors.New("systemd made no scope")
)

// Error tells which step failed, and how the host is mended.
type Error struct {
	// Doing says what was being done.
	Doing string
	Err   error
	hint  string
}

// Error implements error.
func (e *Error) Error() string { return e.Doing + ": " + e.Err.Error() }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Hint returns what would help, or "".
func (e *Error) Hint() string { return e.hint }

const (
	sessionHint  = "look at: systemctl --user status; a session of your own is kept by: loginctl enable-linger"
	delegateHint = "see systemd.resource-control(5), Delegate=, for user@.service, or run with --best-effort"
)

// failure returns the error of a conversation. ctx is that of its bound.
func failure(ctx context.Context, doing string, err error) *Error {
	var reply dbus.Error
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return &Error{Doing: doing, Err: ErrSilent, hint: sessionHint}
	case ctx.Err() != nil:
		return &Error{Doing: doing, Err: ctx.Err()}
	case errors.As(err, &reply):
		return &Error{Doing: doing, Err: fmt.Errorf("%w: %s", ErrRefused, reply.Error())}
	}
	return &Error{Doing: doing, Err: fmt.Errorf("%w: %w", ErrUnreachable, err), hint: sessionHint}
}
