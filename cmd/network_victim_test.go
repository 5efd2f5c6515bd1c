package cmd_test

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/enforcer/network/networktest"
)

// endsEarly is the command
//
//	victim ADDRESS:PORT lpm|lpm-net kill|starve|confined|within MIB
//
// which waits until the program that runs in the background, an lpm, has had its
// container connect to the address, and then kills it or its network process, or
// has that open no more descriptors, or looks whether it is confined, or fails if
// it has ever had more memory.
func endsEarly(t *testing.T, w *networktest.World) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, neg bool, args []string) {
		if neg || len(args) < 3 || (args[2] == "within") != (len(args) == 4) {
			ts.Fatalf("usage: victim ADDRESS:PORT lpm|lpm-net kill|starve|confined|within MIB")
		}
		running := ts.BackgroundCmds()
		if len(running) != 1 {
			ts.Fatalf("%d programs run in the background, want one", len(running))
		}
		to, err := netip.ParseAddrPort(args[0])
		ts.Check(err)
		w.Eventually("a connection to "+args[0], func() bool {
			sent, err := w.Sent("tcp", to.Addr().String(), to.Port())
			return sent && err == nil
		})
		pid := running[0].Process.Pid
		if args[1] != "lpm" {
			pid = childNamed(t, pid, args[1])
		}
		if pid == 0 {
			ts.Fatalf("there is no %s", args[1])
		}
		switch args[2] {
		case "kill":
			ts.Check(unix.Kill(pid, unix.SIGKILL))
		case "within":
			most, err := strconv.Atoi(args[3])
			ts.Check(err)
			if got := mostMemory(ts, pid) >> 10; got > most {
				ts.Fatalf("%s has had %d MiB", args[1], got)
			}
		case "starve":
			ts.Check(unix.Prlimit(pid, unix.RLIMIT_NOFILE, &unix.Rlimit{}, nil))
		case "confined":
			ts.Check(confined(pid))
		}
	}
}

// mostMemory returns the most that a process has had, in KiB.
func mostMemory(ts *testscript.TestScript, pid int) int {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	ts.Check(err)
	_, rest, _ := strings.Cut(string(b), "\nVmHWM:")
	text, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
	size, err := strconv.Atoi(text)
	ts.Check(err)
	return size
}

// confined reports what a network process is not held by. The programs of a test
// link C, so that of the walls only the filter reaches all threads there; see
// package confine, which tests the others.
func confined(pid int) error {
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
	if err != nil || len(threads) < 2 {
		return fmt.Errorf("threads %v: %w", threads, err)
	}
	for _, thread := range threads {
		b, err := os.ReadFile(thread)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ESRCH) {
			continue // it has ended
		}
		if err != nil {
			return err
		}
		for _, line := range []string{"\nNoNewPrivs:\t1\n", "\nSeccomp:\t2\n"} {
			if !strings.Contains(string(b), line) {
				return fmt.Errorf("%s has no line %q", thread, line)
			}
		}
	}
	// What nobody may look into belongs to root, whoever runs it (proc(5)).
	var owner unix.Stat_t
	if err := unix.Stat(fmt.Sprintf("/proc/%d/environ", pid), &owner); err != nil {
		return err
	}
	var limit unix.Rlimit
	if err := unix.Prlimit(pid, unix.RLIMIT_CORE, nil, &limit); err != nil {
		return err
	}
	if limit != (unix.Rlimit{}) || os.Getuid() != 0 && owner.Uid == uint32(os.Getuid()) {
		return fmt.Errorf("core dumps of %+v bytes, owner %d", limit, owner.Uid)
	}
	return nil
}

// childNamed finds a child by the name that it was started with, or returns 0.
func childNamed(t *testing.T, parent int, name string) int {
	for _, pid := range childrenOf(t, parent) {
		b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if first, _, _ := strings.Cut(string(b), "\x00"); first == name {
			return pid
		}
	}
	return 0
}
