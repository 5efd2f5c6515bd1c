// Static is the only program of the static test image: one subcommand for
// each thing that a test wants tried inside a container.
//
// A subcommand that tries something exits 0 when it worked. When the kernel
// refused, it prints "NAME: ERRNO" (such as "connect: EACCES") to standard
// error and exits 1, so that a test can tell which refusal it met.
package main

import (
	"errors"
	"fmt"
	"os"
	"sort"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// A command does one thing; args are those after its name.
type command struct {
	usage string
	about string
	run   func(args []string) error
}

// errUsage is returned for missing or malformed arguments.
var errUsage = errors.New("wrong arguments")

func commands() map[string]command {
	return map[string]command{
		"true":           {"", "exits 0", func([]string) error { return nil }},
		"hello":          {"", "prints a greeting", hello},
		"echo":           {"WORD…", "prints the words", echo},
		"exit":           {"CODE", "exits with the code", exit},
		"env":            {"", "prints the environment, sorted", environment},
		"cat":            {"FILE", "prints a file", cat},
		"write":          {"FILE TEXT", "writes a file", write},
		"remove":         {"FILE", "removes a file", remove},
		"list":           {"FOLDER", "prints the names in a folder", list},
		"allocate":       {"MIB", "fills that much memory", allocate},
		"exec":           {"PROGRAM ARG…", "becomes another program", execute},
		"spawn":          {"PROGRAM ARG…", "runs a program and exits as it does", spawn},
		"memfd-exec":     {"PROGRAM ARG…", "runs a copy of a program from anonymous memory", memfdExecute},
		"fork":           {"COUNT", "starts that many processes at once, prints how many started", fork},
		"orphan":         {"COUNT", "leaves that many dead children of dead parents behind", orphan},
		"scatter":        {"COUNT DURATION", "leaves that many processes in sessions of their own, deaf to signals, and is deaf itself", scatter},
		"sleep":          {"DURATION", "sleeps", sleep},
		"wait":           {"", "prints the name of the first signal that arrives, exits 128+n", wait},
		"ignore-signals": {"DURATION", "ignores every signal that can be, while it sleeps", ignore},
		"kill":           {"PID SIGNAL", "sends a signal, by number", kill},
		"status":         {"", "prints identity, capabilities, limits and mounts as JSON", status},
		"terminal":       {"", "prints whether it has one, and its size", terminal},
		"setid":          {"UID GID", "changes all its ids", setid},
		"syscall":        {"NUMBER ARG…", "makes a system call; an argument is a number or s:TEXT", call},
		"socket":         {"FAMILY TYPE PROTOCOL", "makes a socket, all by number", socket},
		"connect":        {"NETWORK ADDRESS", "connects, as in tcp 127.0.0.1:80", connect},
		"flood":          {"COUNT", "connects to that many addresses from many threads and processes, prints how often it was refused", flood},
		"listen":         {"NETWORK ADDRESS", "listens, and stops", listen},
		"serve":          {"ADDRESS", "serves HTTP until it is told to end", serve},
		"get":            {"URL", "prints what HTTP answers", get},
	}
}

func main() {
	if len(os.Args) < 2 || os.Args[1] == "help" {
		help()
		return
	}
	c, ok := commands()[os.Args[1]]
	if !ok {
		fmt.Fprintf(os.Stderr, "static: no command %q\n", os.Args[1])
		os.Exit(2)
	}
	err := c.run(os.Args[2:])
	var errno syscall.Errno
	switch {
	case err == nil:
	case errors.Is(err, errUsage):
		fmt.Fprintf(os.Stderr, "usage: static %s %s\n", os.Args[1], c.usage)
		os.Exit(2)
	case errors.As(err, &errno):
		fmt.Fprintf(os.Stderr, "%s: %s\n", os.Args[1], unix.ErrnoName(errno))
		os.Exit(1)
	default:
		fmt.Fprintf(os.Stderr, "%s: %v\n", os.Args[1], err)
		os.Exit(1)
	}
}

func help() {
	all := commands()
	names := make([]string, 0, len(all))
	for name := range all {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		usage := strings.TrimSpace(name + " " + all[name].usage)
		fmt.Printf("%-32s %s\n", usage, all[name].about)
	}
}
