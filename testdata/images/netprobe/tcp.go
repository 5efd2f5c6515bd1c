package main

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// writable waits until a socket is connected, or has failed to be.
func writable(fd int) error {
	_, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}, -1)
	return err
}

func tcp(o options, args []string) error {
	to, err := netip.ParseAddrPort(args[0])
	if err != nil {
		return err
	}
	if o.way == "" {
		o.way = "blocking"
	}
	how, ok := ways()[o.way]
	if !ok {
		return errUsage
	}
	fd, err := o.open(unix.SOCK_STREAM, to)
	if err != nil {
		return err
	}
	fd, err = how(o, fd, o.sockaddr(to))
	defer func() { unix.Close(fd) }()
	if err != nil {
		return err
	}
	if o.way == "fastopen" {
		o.send = ""
	}
	if o.bytes > 0 {
		return o.transfer(stream(fd))
	}
	if _, err := io.WriteString(stream(fd), o.send); err != nil {
		return err
	}
	// What the kernel says of both ends, once there is a connection in every
	// way of making one, and before the server has ended it.
	if err := again(func() error { return writable(fd) }); err != nil {
		return err
	}
	peer, err := unix.Getpeername(fd)
	if err != nil {
		return call("getpeername", err)
	}
	if err := unix.Shutdown(fd, unix.SHUT_WR); err != nil {
		return call("shutdown", err)
	}
	fmt.Fprintf(os.Stderr, "connected to %s\n", text(peer))
	_, err = io.Copy(os.Stdout, stream(fd))
	return err
}

// stream reads and writes a connected socket.
type stream int

func (s stream) Read(b []byte) (int, error) {
	var n int
	err := again(func() (err error) { n, err = unix.Read(int(s), b); return err })
	if err != nil {
		return 0, call("read", err)
	}
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

func (s stream) Write(b []byte) (int, error) {
	done := 0
	for done < len(b) {
		var n int
		err := again(func() (err error) { n, err = unix.SendmsgN(int(s), b[done:], nil, nil, unix.MSG_NOSIGNAL); return err })
		if err != nil {
			return done, call("sendmsg", err)
		}
		done += n
	}
	return done, nil
}

// transfer sends bytes while it receives: an echo has to return the same.
func (o options) transfer(s stream) error {
	data := make([]byte, o.bytes)
	source := rand.NewChaCha8([32]byte{1})
	_, _ = source.Read(data)
	failed := make(chan error, 1)
	go func() {
		_, err := io.Copy(s, bytes.NewReader(data))
		if err == nil {
			err = call("shutdown", unix.Shutdown(int(s), unix.SHUT_WR))
		}
		failed <- err
	}()
	sum := sha256.New()
	n, err := io.Copy(sum, s)
	if err != nil {
		return err
	}
	if err := <-failed; err != nil {
		return err
	}
	want := sha256.Sum256(data)
	if n != int64(len(data)) || !bytes.Equal(sum.Sum(nil), want[:]) {
		return fmt.Errorf("%d bytes came back of %d, and they are not the same", n, len(data))
	}
	fmt.Printf("%d bytes the same\n", n)
	return nil
}

// many has connections at once.
func many(o options, args []string) error {
	var mu sync.Mutex
	var done sync.WaitGroup
	var errs []error
	var open []net.Conn
	limit := make(chan struct{}, 64) // of threads that look for one at a time
	for range o.count {
		limit <- struct{}{}
		done.Go(func() {
			c, err := o.once(args[0])
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				errs = append(errs, err)
			} else {
				open = append(open, c)
			}
			<-limit
		})
	}
	done.Wait()
	fmt.Printf("%d of %d\n", len(open), o.count)
	for _, c := range open {
		c.Close()
	}
	if len(errs) > 0 {
		return errs[0]
	}
	return nil
}

// once connects, and has an echo on it.
func (o options) once(address string) (net.Conn, error) {
	c, err := net.DialTimeout("tcp", address, o.wait)
	if err != nil {
		return nil, err
	}
	b := make([]byte, len(o.send))
	_, err = io.WriteString(c, o.send)
	if err == nil {
		_, err = io.ReadFull(c, b)
	}
	if err == nil && string(b) != o.send {
		err = errors.New("another echo")
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}
