package gateway

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"

	"golang.org/x/sys/unix"
)

// memoryLimit is where the collector begins to work harder, in bytes. All
// connections that a container may have can hold 424 MiB in each direction (package
// stack), and the rest of the process takes some ten. At the collector's usual pace
// there could be as much garbage again.
const memoryLimit = 900 << 20

// Main is the program: it returns the exit code.
func Main() int {
	// Of a packet's way from one side to the other each step waits for the one
	// before. With a second processor the runtime would wake it for each, which
	// takes longer than the step.
	runtime.GOMAXPROCS(1)
	debug.SetMemoryLimit(memoryLimit)
	// What a terminal sends to all of its processes is the container's.
	signal.Ignore(unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGQUIT, unix.SIGPIPE)
	if err := Run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "lpm: the container's network:", err)
		return 1
	}
	return 0
}
