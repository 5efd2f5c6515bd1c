package workload

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
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

// exercise waits for the port, if there is one, and runs the command. When
// ctx is done it ends the command with all it has started. ended is closed
// when the container is gone, after which there is nothing to wait for.
func exercise(ctx context.Context, j Job, ports []port, ended <-chan struct{}) error {
	if first := firstTCP(ports); first != 0 {
		j.Progress(fmt.Sprintf("waiting for port %d", first))
		if err := accepts(ctx, first, j.Ready, ended); err != nil {
			return err
		}
	} else {
		j.Progress("the image exposes no TCP port to wait for; exercising it at once")
	}
	j.Progress("exercising: " + j.Exercise)

	cmd := exec.CommandContext(ctx, "sh", "-c", j.Exercise)
	cmd.Env = append(os.Environ(), environment(ports)...)
	cmd.Stdout, cmd.Stderr = j.Streams.Err, j.Streams.Err
	// A group of its own, so that all of a pipeline can be ended.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = time.Second
	err := cmd.Run()
	if ctx.Err() != nil {
		if cmd.Process != nil {
			// Whoever did not heed the first signal; mostly nobody is left.
			_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		}
		return ctx.Err()
	}
	if err == nil {
		return nil
	}
	return &ExerciseError{Command: j.Exercise, Code: exitCode(err), Err: err}
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

// accepts waits until a TCP port accepts a connection.
func accepts(ctx context.Context, number int, within time.Duration, ended <-chan struct{}) error {
	ctx, cancel := context.WithTimeoutCause(ctx, within, &NotReadyError{Port: number, After: within})
	defer cancel()
	for !open(ctx, number) {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-ended:
			return &NotReadyError{Port: number, Ended: true}
		case <-time.After(20 * time.Millisecond):
		}
	}
	return nil
}

// open reports whether a TCP port accepts a connection.
func open(ctx context.Context, number int) bool {
	d := net.Dialer{Timeout: time.Second}
	c, err := d.DialContext(ctx, "tcp", net.JoinHostPort(loopback, strconv.Itoa(number)))
	if err != nil {
		return false
	}
	c.Close()
	return true
}
