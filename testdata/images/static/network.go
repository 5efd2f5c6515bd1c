package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
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
