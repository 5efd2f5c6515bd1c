// Netprobe is the only program of the test image of that name: it reaches for
// the network in every way that a program can.
//
// A command exits 0 when it worked, and prints what came back. When the kernel
// refused, it prints "CALL: ERRNO" (such as "connect: ECONNREFUSED") to
// standard error and exits 1, so that a test can tell which refusal it met.
// Nothing waits longer than -wait.
package main

import (
	"errors"
	"flag"
	"fmt"
	"maps"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// options are what flags say. Each command has all flags, and heeds those that
// its usage names.
type options struct {
	local, way, also, send, server, ca, to, kind, name string
	reuse, mapped, overTCP                             bool
	bytes, count, rounds                               int
	wait                                               time.Duration
}

// A command does one thing; args are those after the flags.
type command struct {
	usage, about string
	args         int
	run          func(o options, args []string) error
}

func commands() map[string]command {
	return map[string]command{
		"tcp": {"[-way W] [-local A] [-reuse] [-mapped] [-also A] [-send T | -bytes N] ADDRESS:PORT",
			"connects, sends, ends its direction, prints what comes back; W is one of " + strings.Join(slices.Sorted(maps.Keys(ways())), ", "), 1, tcp},
		"udp": {"[-way sendto|sendmsg|connected|other] [-local A] [-reuse] [-mapped] [-also A] [-send T] ADDRESS:PORT",
			"sends a datagram, prints the one that comes back; other is a connected socket that sends to the address of -also", 1, udp},
		"ping":    {"ADDRESS", "sends an ICMP echo request by a datagram socket, waits for the reply", 1, ping},
		"resolve": {"[-kind ip4|ip6|ip] [-server A] [-tcp] NAME", "prints a name's addresses, sorted", 1, resolve},
		"http":    {"[-ca FILE] [-to A] URL", "prints what a server answers; -to connects elsewhere than the URL says", 1, browse},
		"listen": {"[-way dup|dup-once|epoll|fork|killed] [-rounds R] [-count N] [-also A] [-reuse] ADDRESS:PORT",
			"R times prints \"listening\", accepts N connections, prints each peer's address, and echoes; it connects to A itself, which counts", 1, listen},
		"listen-udp": {"[-count N] [-reuse] ADDRESS:PORT", "prints \"listening\", prints each sender's address, and echoes N datagrams", 1, listenUDP},
		"many":       {"[-count N] ADDRESS:PORT", "has N connections at once, echoes on each, prints how many worked", 1, many},
		"attack":     {"[-also A] [-count N] [-name N] [-server A] NAME ADDRESS:PORT", "tries to reach what is not granted, -also being what is; NAME is one of " + attackNames(), 2, runAttack},
		"give":       {"-name PATH ADDRESS:PORT", "hands whoever connects to the path a socket that is connected to the address", 1, give},
		"interfaces": {"[-also A]", "prints the interfaces that it has, as a socket connected to A has them where there is one", 0, interfaces},
		"all":        {"", "does each of these within itself, so that a recorder sees the calls", 0, all},
	}
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, describe(err))
		os.Exit(1)
	}
}

var errUsage = errors.New("wrong arguments: see netprobe help")

func run(args []string) error {
	if len(args) == 0 {
		return errUsage
	}
	c, ok := commands()[args[0]]
	if !ok {
		for _, name := range slices.Sorted(maps.Keys(commands())) {
			fmt.Printf("netprobe %s %s\n\t%s\n", name, commands()[name].usage, commands()[name].about)
		}
		if args[0] == "help" {
			return nil
		}
		return errUsage
	}
	var o options
	f := flag.NewFlagSet(args[0], flag.ContinueOnError)
	f.StringVar(&o.local, "local", "", "`address:port` to send from")
	f.StringVar(&o.way, "way", "", "how")
	f.StringVar(&o.also, "also", "", "another `address:port`")
	f.StringVar(&o.send, "send", "hello", "`text` to send")
	f.StringVar(&o.server, "server", "", "`address:port` of a name server")
	f.StringVar(&o.ca, "ca", "", "`file` with an authority's certificate, or its text")
	f.StringVar(&o.to, "to", "", "`address:port` to connect to")
	f.StringVar(&o.name, "name", "", "a host name, or the `path` of a socket")
	f.StringVar(&o.kind, "kind", "ip", "kind of addresses")
	f.BoolVar(&o.reuse, "reuse", false, "set SO_REUSEADDR and SO_REUSEPORT")
	f.BoolVar(&o.mapped, "mapped", false, "reach an IPv4 address by an IPv6 socket")
	f.BoolVar(&o.overTCP, "tcp", false, "ask over TCP")
	f.IntVar(&o.bytes, "bytes", 0, "`number` of bytes to send, which have to come back the same")
	f.IntVar(&o.count, "count", 1, "how many")
	f.IntVar(&o.rounds, "rounds", 1, "how often")
	f.DurationVar(&o.wait, "wait", 10*time.Second, "how long to wait for anything")
	if err := f.Parse(args[1:]); err != nil || f.NArg() != c.args {
		return errUsage
	}
	return c.run(o, f.Args())
}

// describe says which call was refused how.
func describe(err error) string {
	var call *os.SyscallError
	var errno syscall.Errno
	var name *net.DNSError
	switch {
	case errors.As(err, &name) && name.IsNotFound:
		return "resolve: not found"
	case errors.As(err, &name) && name.IsTimeout:
		return "resolve: timeout"
	case errors.As(err, &call) && errors.As(call.Err, &errno):
		return call.Syscall + ": " + unix.ErrnoName(errno)
	case errors.As(err, &errno):
		return "error: " + unix.ErrnoName(errno)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return "error: timeout"
	}
	return err.Error()
}
