// Memcached loads a memcached server as its own benchmarks do: several
// connections, each with one set to nine gets of values of several sizes.
//
//	memcached -a ADDRESS [-n REQUESTS] [-c CONNECTIONS]
//
// It prints the requests per second, and fails where an answer is not the
// protocol's (memcached's doc/protocol.txt).
package main

import (
	"bufio"
	"bytes"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"time"
)

func main() {
	address := flag.String("a", "127.0.0.1:11211", "the server's `address`")
	requests := flag.Int("n", 10000, "`requests` of each connection")
	connections := flag.Int("c", 4, "`connections`")
	flag.Parse()
	start := time.Now()
	results := make(chan error)
	for c := range *connections {
		go func() { results <- load(*address, c, *requests) }()
	}
	failed := false
	for range *connections {
		if err := <-results; err != nil {
			fmt.Fprintln(os.Stderr, "memcached:", err)
			failed = true
		}
	}
	if failed {
		os.Exit(1)
	}
	fmt.Printf("%.0f\n", float64(*connections**requests)/time.Since(start).Seconds())
}

// load makes the requests of one connection.
func load(address string, connection, requests int) error {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return err
	}
	defer conn.Close()
	r := bufio.NewReader(conn)
	for i := range requests {
		key := fmt.Sprintf("key-%d-%d", connection, i/10)
		value := bytes.Repeat([]byte{'v'}, 32<<(i/10%8))
		if i%10 == 0 {
			err = set(conn, r, key, value)
		} else {
			err = get(conn, r, key, value)
		}
		if err != nil {
			return fmt.Errorf("request %d: %w", i, err)
		}
	}
	return nil
}

func set(w io.Writer, r *bufio.Reader, key string, value []byte) error {
	if _, err := fmt.Fprintf(w, "set %s 0 0 %d\r\n%s\r\n", key, len(value), value); err != nil {
		return err
	}
	return expect(r, "STORED")
}

func get(w io.Writer, r *bufio.Reader, key string, value []byte) error {
	if _, err := fmt.Fprintf(w, "get %s\r\n", key); err != nil {
		return err
	}
	if err := expect(r, "VALUE "+key+" 0 "+strconv.Itoa(len(value))); err != nil {
		return err
	}
	if err := expect(r, string(value)); err != nil {
		return err
	}
	return expect(r, "END")
}

func expect(r *bufio.Reader, want string) error {
	line, err := r.ReadString('\n')
	if err != nil {
		return err
	}
	if got := strings.TrimRight(line, "\r\n"); got != want {
		return fmt.Errorf("the server said %.60q, not %.60q", got, want)
	}
	return nil
}
