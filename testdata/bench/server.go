package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// patience is how long something is waited for that is late or hangs.
const patience = 10 * time.Second

// A server is a command that serves at a port until it is told to end.
type server struct {
	command []string
	env     []string
	port    string
	log     string // the file that its output goes to, or os.DevNull
	// fails says that the command's status is 1 when it was told to end, as
	// iperf3's is.
	fails bool
	// load puts it to work, and returns how much of that it gets done.
	load func(context.Context) ([]float64, error)
	// look, if not nil, is called with the command's process id after that.
	look func(pid int) error
}

// measure runs the server for one load.
func (s server) measure(ctx context.Context) ([]float64, error) {
	log, err := os.OpenFile(s.log, os.O_WRONLY|os.O_APPEND|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd := exec.Command(s.command[0], s.command[1:]...)
	cmd.Env = append(os.Environ(), s.env...)
	cmd.Stdout, cmd.Stderr = log, log
	// Not every command passes on the signal that tells it to end, so that
	// its whole group is told. Nothing survives this program.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	values, err := s.work(ctx, cmd.Process.Pid)
	if ended := s.end(cmd); err == nil {
		err = ended
	}
	if err != nil {
		said, _ := os.ReadFile(s.log)
		return nil, fmt.Errorf("%w: %s", err, bytes.TrimSpace(said))
	}
	return values, nil
}

func (s server) work(ctx context.Context, pid int) ([]float64, error) {
	if err := s.wait(ctx, true); err != nil {
		return nil, err
	}
	values, err := s.load(ctx)
	if err == nil && s.look != nil {
		err = s.look(pid)
	}
	return values, err
}

// end tells the server to end, kills it if it does not, and waits until its
// port is free again.
func (s server) end(cmd *exec.Cmd) error {
	tell := func(sig syscall.Signal) { _ = syscall.Kill(-cmd.Process.Pid, sig) }
	late := time.AfterFunc(patience, func() { tell(syscall.SIGKILL) })
	defer late.Stop()
	tell(syscall.SIGTERM)
	err := cmd.Wait()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		status, ok := exit.Sys().(syscall.WaitStatus)
		if ok && (status.Signaled() && status.Signal() == syscall.SIGTERM || status.ExitStatus() == 128+int(syscall.SIGTERM) ||
			s.fails && status.ExitStatus() == 1) {
			err = nil
		}
	}
	return errors.Join(err, s.wait(context.Background(), false))
}

// wait waits until somebody serves at the port, or nobody does, as long as
// patience lasts.
func (s server) wait(ctx context.Context, served bool) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var dialer net.Dialer
	for {
		conn, err := dialer.DialContext(ctx, "tcp", "127.0.0.1:"+s.port)
		if err == nil {
			conn.Close()
		}
		if (err == nil) == served && ctx.Err() == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for port %s: %w", s.port, errors.Join(ctx.Err(), err))
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// inTree is a command in an image's tree, in a container of the same kind that
// nothing is refused or watched in. It has one user, who is not root there: a
// server that is root wants to become another.
func inTree(tree, dir string, command ...string) []string {
	return append([]string{
		"bwrap", "--unshare-user", "--uid", "1000", "--gid", "1000", "--unshare-pid", "--die-with-parent",
		"--bind", tree, "/", "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--chdir", dir,
	}, command...)
}

// approved returns a server's image, approved as lpm proposes it.
func (b *bench) approved(ctx context.Context, image string) (*launchable, error) {
	m, err := b.propose(ctx, image)
	if err != nil {
		return nil, err
	}
	if err := free(image); err != nil {
		return nil, err
	}
	l, err := b.approve(ctx, image, image, m)
	if err != nil {
		return nil, err
	}
	return l, l.anyway(ctx)
}

// serve compares what a server gets done under lpm run with what it gets done
// natively. Of the server the commands are still missing; look is for lpm.
func (c *comparison) serve(ctx context.Context, l *launchable, native []string, s server) error {
	under, free := s, s
	under.command, under.env = l.run, l.env
	free.command, free.look = native, nil
	c.all = []*alternative{{name: "lpm run", measure: under.measure}, {name: "native", measure: free.measure}}
	return c.run(ctx)
}
