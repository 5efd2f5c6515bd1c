package workload

import (
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
)

// loopback is where the container is reached: it has the host's network.
const loopback = "127.0.0.1"

// environment tells an exercise where the container's ports are:
//
//	LPM_HOST=127.0.0.1
//	LPM_PORT=6379            the first TCP port
//	LPM_PORTS=6379/tcp 53/udp
//	LPM_PORT_6379_TCP=6379   where the container's port is on the host
func environment(ports []port) []string {
	env := []string{"LPM_HOST=" + loopback}
	if first := firstTCP(ports); first != 0 {
		env = append(env, "LPM_PORT="+strconv.Itoa(first))
	}
	var all []string
	for _, p := range ports {
		all = append(all, p.String())
		env = append(env, fmt.Sprintf("LPM_PORT_%d_%s=%d", p.number, strings.ToUpper(p.protocol), p.number))
	}
	return append(env, "LPM_PORTS="+strings.Join(all, " "))
}

// exitCode is a command's status as a shell gives it.
func exitCode(err error) int {
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return 127
	}
	if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal())
	}
	return exit.ExitCode()
}
