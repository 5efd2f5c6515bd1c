package front

import (
	"errors"
	"fmt"
	"os"
	"strconv"

	"github.com/least-privilege/lpm/cmd/render"
	"github.com/least-privilege/lpm/enforcer/container"
)

// Main runs the command line of this process and returns its exit code, unless
// another program takes the process's place.
func Main() int {
	args := os.Args[1:]
	count, _ := strconv.Atoi(os.Getenv(attempts))
	os.Unsetenv(attempts)
	if len(args) > 0 && args[0] == "run" {
		code, err := Run(args[1:])
		switch {
		case err == nil:
			return code
		case !errors.Is(err, ErrStale):
			return fail(err)
		}
	}
	if count >= maxAttempts {
		return fail(fmt.Errorf("after %d attempts: %w", count, ErrStale))
	}
	programs, err := FindPrograms()
	if err != nil {
		return fail(err)
	}
	os.Setenv(attempts, strconv.Itoa(count+1))
	return fail(programs.become(programs.Core, coreName, args))
}

// fail reports an error and returns its exit code.
func fail(err error) int {
	fmt.Fprintln(os.Stderr, "lpm: "+render.Escape(err.Error()))
	var adviser interface{ Hint() string }
	if errors.As(err, &adviser) && adviser.Hint() != "" {
		fmt.Fprintln(os.Stderr, "hint: "+render.Escape(adviser.Hint()))
	}
	return container.ExitCode(err)
}
