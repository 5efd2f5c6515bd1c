package main

import (
	"bufio"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"time"

	"golang.org/x/sys/unix"
)

// A server gets from a bound socket to one that listens, serves connections with
// it and closes it.
type server func(o options, fd int, address string) error

func servers() map[string]server {
	return map[string]server{
		"":         plainly,
		"dup":      byCopy,
		"dup-once": byCopy,
		"epoll":    whenReady,
		"fork":     childListens,
		"killed":   afterChild,
	}
}

func plainly(o options, fd int, _ string) error {
	defer unix.Close(fd)
	if err := o.listens(fd); err != nil {
		return err
	}
	return o.serveAll(fd)
}

// listens makes a socket listen, and tells of it.
func (o options) listens(fd int) error {
	if err := unix.Listen(fd, unix.SOMAXCONN); err != nil {
		return call("listen", err)
	}
	fmt.Println("listening")
	return nil
}

// serveAll serves as many connections as the flags say, one of which may be its
// own.
func (o options) serveAll(fd int) error {
	reached := make(chan error, 1)
	go func() {
		var err error
		if o.also != "" {
			err = o.reach()
		}
		if err != nil {
			err = errors.Join(err, unix.Shutdown(fd, unix.SHUT_RDWR)) // nobody is waited for
		}
		reached <- err
	}()
	for range o.count {
		if err := serve(fd); err != nil {
			return errors.Join(<-reached, err)
		}
	}
	return <-reached
}

// reach connects to the address of -also, and has an echo of it.
func (o options) reach() error {
	to, err := netip.ParseAddrPort(o.also)
	if err != nil {
		return err
	}
	o.local = ""
	fd, err := o.open(unix.SOCK_STREAM, to)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := reconnect(o, fd, to); err != nil {
		return fmt.Errorf("reaching itself: %w", err)
	}
	fmt.Printf("reached itself at %s\n", to)
	return nil
}

// byCopy listens by one descriptor, and goes on by another of the same socket.
func byCopy(o options, fd int, _ string) error {
	other, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return call("fcntl", err)
	}
	defer unix.Close(other)
	err = o.listens(fd)
	unix.Close(fd)
	if err != nil {
		return err
	}
	return o.serveAll(other)
}

// whenReady has the socket watched before it listens, and accepts when that tells
// of a connection.
func whenReady(o options, fd int, _ string) error {
	defer unix.Close(fd)
	watch, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return call("epoll_create1", err)
	}
	defer unix.Close(watch)
	if err := unix.EpollCtl(watch, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN}); err != nil {
		return call("epoll_ctl", err)
	}
	if err := o.listens(fd); err != nil {
		return err
	}
	end := time.Now().Add(o.wait)
	for range o.count {
		// A socket that does not listen yet counts as hung up.
		for events := make([]unix.EpollEvent, 1); events[0].Events&unix.EPOLLIN == 0 || events[0].Events&unix.EPOLLHUP != 0; {
			err := again(func() error { _, err := unix.EpollWait(watch, events, 100); return err })
			if err != nil {
				return call("epoll_wait", err)
			}
			if time.Now().After(end) {
				return call("epoll_wait", unix.ETIMEDOUT)
			}
		}
		if err := serve(fd); err != nil {
			return err
		}
	}
	return nil
}

// childListens has a child listen with the same socket, and accepts itself.
func childListens(o options, fd int, address string) error {
	defer unix.Close(fd)
	child := exec.Command("/netprobe", "listen", "-way", "received", address)
	copied, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return call("fcntl", err)
	}
	file := os.NewFile(uintptr(copied), "socket")
	defer file.Close()
	child.ExtraFiles = []*os.File{file}
	child.Stdout, child.Stderr = os.Stdout, os.Stderr
	if err := child.Run(); err != nil {
		return err
	}
	return o.serveAll(fd)
}

// received is what the child does.
func received(o options) error {
	const socket = 3
	return o.listens(socket)
}

// afterChild has a child serve as many connections, kills it while it listens,
// and serves as many itself.
func afterChild(o options, fd int, address string) error {
	unix.Close(fd)
	child := exec.Command("/netprobe", "listen", fmt.Sprintf("-reuse=%t", o.reuse), "-count", "1000", address)
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		return err
	}
	if err := child.Start(); err != nil {
		return err
	}
	served := 0
	for lines := bufio.NewScanner(out); served < o.count && lines.Scan(); {
		fmt.Println("child:", lines.Text())
		if lines.Text() == "served" {
			served++
		}
	}
	err = child.Process.Kill()
	_ = child.Wait() // it was killed
	if served < o.count {
		return errors.Join(errors.New("the child has ended"), err)
	}
	if fd, err = o.bound(unix.SOCK_STREAM, address); err != nil {
		return err
	}
	return plainly(o, fd, address)
}
