package ablation

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/analyzer/prove"
	"github.com/least-privilege/lpm/analyzer/workload"
	"github.com/least-privilege/lpm/manifest"
)

// Runs on the host's network can meet though one ends before the next begins:
// the kernel keeps a connection that the server closed first for a minute
// (TIME_WAIT), in which its port can be bound again only if both the old and
// the new socket have SO_REUSEADDR (tcp(7), socket(7)). A run that may not set
// it would make the next ones fail, whatever they leave out. So each waits
// until the ports are free to it.
const (
	portWait = 75 * time.Second
	portPoll = 100 * time.Millisecond
)

// awaitPorts waits until a run that leaves some candidates out can bind the
// TCP ports of the manifest.
func (r *runner) awaitPorts(ctx context.Context, left []prove.Candidate) error {
	if r.Manifest.Network.Mode != manifest.NetworkHost {
		return nil
	}
	// What cannot set the option needs a port without any remains.
	reuse := 1
	if slices.ContainsFunc(left, func(c prove.Candidate) bool { return prove.CallOf(c.Permission) == "setsockopt" }) {
		reuse = 0
	}
	for _, l := range r.Manifest.Network.Listen {
		if l.Protocol != manifest.TCP {
			continue
		}
		for begun := time.Now(); !bindable(ctx, int(l.Port), reuse); {
			if time.Since(begun) > portWait {
				return &workload.PortTakenError{Port: int(l.Port)}
			}
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(portPoll):
			}
		}
	}
	return nil
}

// bindable reports whether a port can be bound, with or without SO_REUSEADDR.
// One that this account may not bind at all is taken to be.
func bindable(ctx context.Context, port, reuse int) bool {
	config := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		var err error
		return errors.Join(c.Control(func(fd uintptr) {
			err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEADDR, reuse)
		}), err)
	}}
	l, err := config.Listen(ctx, "tcp4", fmt.Sprintf(":%d", port))
	if err != nil {
		return !errors.Is(err, unix.EADDRINUSE)
	}
	l.Close()
	return true
}
