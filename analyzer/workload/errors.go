package workload

import (
	"errors"
	"fmt"
	"time"
)

// errEndedEarly is why an exercise fails whose container is gone.
var errEndedEarly = errors.New("the container ended before the exercise did")

// CommandError says that the container's command failed by itself.
type CommandError struct {
	// Code is its exit status, as a shell would give it.
	Code int
}

func (e *CommandError) Error() string {
	return fmt.Sprintf("the container's command failed with status %d", e.Code)
}

// ExitCode is the command's.
func (e *CommandError) ExitCode() int { return e.Code }

// ExerciseError says that the exercise failed.
type ExerciseError struct {
	Command string
	// Code is its exit status, as a shell would give it.
	Code int
	Err  error
}

func (e *ExerciseError) Error() string {
	return fmt.Sprintf("the exercise %q failed: %v", e.Command, e.Err)
}

// Unwrap returns the reason.
func (e *ExerciseError) Unwrap() error { return e.Err }

// ExitCode is the exercise's.
func (e *ExerciseError) ExitCode() int { return e.Code }

// NotReadyError says that a container to exercise was never ready for it.
type NotReadyError struct {
	At Readiness
	// After is how long it was tried. Ended tells that the container was
	// gone by then, with the exit status Code.
	After time.Duration
	Ended bool
	Code  int
}

func (e *NotReadyError) Error() string {
	does := "was ready at " + e.At.String()
	if n := e.At.port(); n != 0 && e.At.Network == "tcp" {
		does = fmt.Sprintf("accepted connections on port %d", n)
	}
	if e.At.Network == healthy {
		does = "passed its health check"
	}
	if e.Ended {
		return fmt.Sprintf("the container ended with status %d before it %s", e.Code, does)
	}
	return fmt.Sprintf("the container never %s, in %s", does, e.After)
}

// Hint tells the way out.
func (e *NotReadyError) Hint() string {
	return "it is taken for ready when the image's first TCP port (ExposedPorts) accepts connections, or without one when its health check has passed, unless --ready names something else; what it printed says more"
}

// ExitCode is the container's where it ended by itself with a failure.
func (e *NotReadyError) ExitCode() int { return max(1, e.Code) }

// PortTakenError says that something else listens on the image's port.
type PortTakenError struct{ Port int }

func (e *PortTakenError) Error() string {
	return fmt.Sprintf("port %d of this machine is in use, and the container needs it: recording uses the host's network", e.Port)
}

// Hint tells the way out.
func (e *PortTakenError) Hint() string {
	return fmt.Sprintf("end what listens there: ss -ltnp 'sport = :%d' names it", e.Port)
}
