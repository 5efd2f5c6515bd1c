package main

import (
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// all has every way of reaching something, on its own loopback. Not all of them
// work everywhere; that the calls are made is what counts.
func all(o options, _ []string) error {
	const address = "127.0.0.1:4500"
	o.reuse, o.also, o.bytes, o.wait = true, address, 0, time.Second
	server, err := o.listening(unix.SOCK_STREAM, address)
	if err != nil {
		return err
	}
	defer unix.Close(server)
	datagrams, err := o.listening(unix.SOCK_DGRAM, address)
	if err != nil {
		return err
	}
	defer unix.Close(datagrams)
	go func() {
		for errors.Is(serve(server), nil) {
			continue
		}
	}()
	go func() {
		b := make([]byte, 64<<10)
		for {
			if n, from, err := receive(datagrams, b); err == nil {
				_ = unix.Sendto(datagrams, b[:n], 0, from) // nobody may be there
			}
		}
	}()
	try := func(what string, run func(options, []string) error, o options, arg string) {
		if err := run(o, []string{arg}); err != nil {
			fmt.Printf("%s: %s\n", what, describe(err))
		}
	}
	for name := range ways() {
		w := o
		w.way = name
		try("tcp "+name, tcp, w, address)
	}
	for _, name := range []string{"sendto", "sendmsg", "connected", "other"} {
		w := o
		w.way = name
		try("udp "+name, udp, w, address)
	}
	bound, six, bulk := o, o, o
	bound.local, six.mapped, bulk.bytes, bulk.count = "127.0.0.1:0", true, 1<<20, 4
	try("bound", tcp, bound, address)
	try("mapped", tcp, six, address)
	try("transfer", tcp, bulk, address)
	try("ping", ping, o, "127.0.0.1")
	try("ping", ping, o, "::1")
	// Resolvers ask for the machine's name now and then.
	if _, err := os.Hostname(); err != nil {
		return err
	}
	try("resolve", resolve, o, "localhost")
	// Nobody may answer.
	try("resolve", resolve, o, "web.example.com")
	try("http", browse, o, "http://127.0.0.1:4501/")
	return nil
}
