package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

func exit(args []string) error {
	if len(args) != 1 {
		return errUsage
	}
	code, err := strconv.Atoi(args[0])
	if err != nil {
		return errUsage
	}
	os.Exit(code)
	return nil
}

func execute(args []string) error {
	if len(args) == 0 {
		return errUsage
	}
	return syscall.Exec(args[0], args, os.Environ())
}

func spawn(args []string) error {
	if len(args) == 0 {
		return errUsage
	}
	return run(args[0], args)
}

func run(program string, args []string) error {
	cmd := exec.Command(program)
	cmd.Args = args
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	err := cmd.Run()
	var ended *exec.ExitError
	if errors.As(err, &ended) && ended.Exited() {
		os.Exit(ended.ExitCode())
	}
	return err
}

// memfdExecute runs a program that no path names: a copy in anonymous memory.
func memfdExecute(args []string) error {
	if len(args) == 0 {
		return errUsage
	}
	data, err := os.ReadFile(args[0])
	if err != nil {
		return err
	}
	fd, err := unix.MemfdCreate("copy", unix.MFD_CLOEXEC)
	if err != nil {
		return err
	}
	f := os.NewFile(uintptr(fd), "copy")
	defer f.Close()
	if _, err := f.Write(data); err != nil {
		return err
	}
	return run(fmt.Sprintf("/proc/self/fd/%d", fd), args)
}

// fork reports how many processes could be started before one was refused.
func fork(args []string) error {
	if len(args) != 1 {
		return errUsage
	}
	count, err := strconv.Atoi(args[0])
	if err != nil {
		return errUsage
	}
	var started []*exec.Cmd
	var refused error
	for range count {
		cmd := exec.Command("/proc/self/exe", "sleep", "1m")
		if refused = cmd.Start(); refused != nil {
			break
		}
		started = append(started, cmd)
	}
	for _, cmd := range started {
		cmd.Process.Kill() //nolint:errcheck // Wait tells what became of it.
		cmd.Wait()         //nolint:errcheck // It was killed on purpose.
	}
	fmt.Println(len(started))
	return refused
}

// orphan leaves zombies to whoever adopts them: each child starts a
// grandchild and ends at once, and nobody here waits for the grandchild.
func orphan(args []string) error {
	if len(args) != 1 {
		return errUsage
	}
	count, err := strconv.Atoi(args[0])
	if err != nil {
		return errUsage
	}
	for range count {
		if os.Getenv("ORPHAN") != "" {
			return exec.Command("/proc/self/exe", "true").Start()
		}
		cmd := exec.Command("/proc/self/exe", "orphan", "1")
		cmd.Env = append(os.Environ(), "ORPHAN=1")
		if err := cmd.Run(); err != nil {
			return err
		}
	}
	return nil
}

// scatter does what a program can to outlive its launcher. Its children have
// dead parents and sessions of their own, and like itself they ignore every
// signal that can be; where prctl is granted, it takes back the signal that
// the launcher's death sends. Then it says "ready", and sleeps.
func scatter(args []string) error {
	if len(args) != 2 {
		return errUsage
	}
	count, err := strconv.Atoi(args[0])
	if err != nil {
		return errUsage
	}
	apart := func(args ...string) *exec.Cmd {
		cmd := exec.Command("/proc/self/exe", args...)
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		return cmd
	}
	if os.Getenv("SCATTER") != "" {
		return apart("ignore-signals", args[1]).Start()
	}
	// It is refused where prctl is not granted.
	_ = unix.Prctl(unix.PR_SET_PDEATHSIG, 0, 0, 0, 0)
	for range count {
		cmd := apart("scatter", "1", args[1])
		cmd.Env = append(os.Environ(), "SCATTER=1")
		if err := cmd.Run(); err != nil {
			return err
		}
	}
	return ignore(args[1:])
}

func sleep(args []string) error {
	if len(args) != 1 {
		return errUsage
	}
	d, err := time.ParseDuration(args[0])
	if err != nil {
		return errUsage
	}
	time.Sleep(d)
	return nil
}

// wait says "ready" once signals reach it.
func wait([]string) error {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals)
	fmt.Println("ready")
	for s := range signals {
		// The Go runtime uses SIGURG, and SIGCHLD and SIGWINCH end nothing.
		number := s.(syscall.Signal)
		if number == syscall.SIGURG || number == syscall.SIGCHLD || number == syscall.SIGWINCH {
			continue
		}
		fmt.Println(unix.SignalName(number))
		os.Exit(128 + int(number))
	}
	return nil
}

func ignore(args []string) error {
	signal.Ignore()
	fmt.Println("ready")
	return sleep(args)
}

func kill(args []string) error {
	numbers, err := integers(args, 2)
	if err != nil {
		return err
	}
	return syscall.Kill(numbers[0], syscall.Signal(numbers[1]))
}

// integers reads exactly count numbers.
func integers(args []string, count int) ([]int, error) {
	if len(args) != count {
		return nil, errUsage
	}
	numbers := make([]int, count)
	for i, arg := range args {
		n, err := strconv.ParseInt(arg, 0, 0)
		if err != nil {
			return nil, errUsage
		}
		numbers[i] = int(n)
	}
	return numbers, nil
}
