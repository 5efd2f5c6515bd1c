package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"syscall"
	"time"
)

func socket(args []string) error {
	n, err := integers(args, 3)
	if err != nil {
		return err
	}
	fd, err := syscall.Socket(n[0], n[1], n[2])
	if err != nil {
		return err
	}
	return syscall.Close(fd)
}

func connect(args []string) error {
	if len(args) != 2 {
		return errUsage
	}
	conn, err := net.DialTimeout(args[0], args[1], 5*time.Second)
	if err != nil {
		return err
	}
	if args[0] == "udp" {
		if _, err := conn.Write([]byte("hello")); err != nil {
			return err
		}
	}
	return conn.Close()
}

func listen(args []string) error {
	if len(args) != 2 {
		return errUsage
	}
	if args[0] == "udp" {
		conn, err := net.ListenPacket(args[0], args[1])
		if err != nil {
			return err
		}
		return conn.Close()
	}
	l, err := net.Listen(args[0], args[1])
	if err != nil {
		return err
	}
	return l.Close()
}

// flood connects to ever new addresses, none of which is local.
func flood(args []string) error {
	numbers, err := integers(args, 1)
	if err != nil {
		return err
	}
	const processes, threads = 4, 8
	if share := os.Getenv("FLOOD"); share != "" {
		first, err := strconv.Atoi(share)
		if err != nil {
			return errUsage
		}
		return floodFrom(first, numbers[0], threads)
	}
	children := make([]*exec.Cmd, processes)
	for i := range children {
		children[i] = exec.Command("/proc/self/exe", "flood", strconv.Itoa(numbers[0]/processes))
		children[i].Env = append(os.Environ(), "FLOOD="+strconv.Itoa(i*(numbers[0]/processes)))
		children[i].Stderr = os.Stderr
		if err := children[i].Start(); err != nil {
			return err
		}
	}
	for _, c := range children {
		if err := c.Wait(); err != nil {
			return err
		}
	}
	fmt.Println(numbers[0] / processes * processes)
	return nil
}

// floodFrom connects to count addresses from the first on.
func floodFrom(first, count, threads int) error {
	failed := make(chan error, threads)
	for t := range threads {
		go func() {
			fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
			for n := t; n < count && err == nil; n += threads {
				address := first + n
				to := &syscall.SockaddrInet4{Port: 1, Addr: [4]byte{10, byte(address >> 16), byte(address >> 8), byte(address)}}
				if e := syscall.Connect(fd, to); e != syscall.ENETUNREACH {
					err = fmt.Errorf("connecting to address %d: %w", address, e)
				}
			}
			failed <- err
		}()
	}
	var errs []error
	for range threads {
		errs = append(errs, <-failed)
	}
	return errors.Join(errs...)
}

func serve(args []string) error {
	if len(args) != 1 {
		return errUsage
	}
	l, err := net.Listen("tcp", args[0])
	if err != nil {
		return err
	}
	server := &http.Server{
		ReadHeaderTimeout: 10 * time.Second,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprintf(w, "%s %s\n", r.Method, r.URL.Path)
		}),
	}
	fmt.Println("serving", l.Addr())
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(l) }()
	select {
	case err := <-failed:
		return err
	case <-signals:
		return server.Close()
	}
}

func get(args []string) error {
	if len(args) != 1 {
		return errUsage
	}
	client := http.Client{Timeout: 10 * time.Second}
	answer, err := client.Get(args[0])
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	_, err = io.Copy(os.Stdout, answer.Body)
	return err
}
