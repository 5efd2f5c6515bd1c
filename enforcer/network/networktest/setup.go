package networktest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// setUp makes the world of the namespaces that this process was started in,
// starts the test in there, and returns what that exits with.
func setUp(folder string) (int, error) {
	mapped := os.NewFile(mappedFD, "mapped")
	if os.Geteuid() != 0 {
		if _, err := mapped.Read(make([]byte, 1)); err != nil {
			return 0, fmt.Errorf("waiting for ids: %w", err)
		}
	}
	mapped.Close()
	for _, step := range []func() error{
		func() error { return furnish(folder) },
		network,
		letPing,
	} {
		if err := step(); err != nil {
			return 0, err
		}
	}
	return hostTest()
}

// letPing lets the user make sockets for ICMP echo, as distributions do.
func letPing() error {
	gid := os.Getgid()
	if err := os.WriteFile("/proc/sys/net/ipv4/ping_group_range", fmt.Appendf(nil, "%d %d", gid, gid), 0); err != nil {
		return fmt.Errorf("allowing ICMP echo: %w", err)
	}
	return nil
}

// hostTest starts the test, and opens sockets for it until it ends.
func hostTest() (int, error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	theirs := os.NewFile(uintptr(pair[1]), "opener")
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Args[0] = os.Args[0]
	cmd.Env = append(os.Environ(), stageVariable+"="+stageTest)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.ExtraFiles = []*os.File{theirs}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	// Capabilities are a thread's, and a new process has those of the thread
	// that starts it. This one stays as it is until the process ends.
	runtime.LockOSThread()
	if err := dropAmbient(); err != nil {
		return 0, err
	}
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	theirs.Close()
	go openAll(pair[0])
	err = cmd.Wait()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.Exited() {
		return exit.ExitCode(), nil
	}
	return 0, err
}

// dropAmbient sees to it that an ordinary user's next program has no
// capabilities, and none that are inheritable. Root's has all.
func dropAmbient() error {
	if os.Geteuid() == 0 {
		return nil
	}
	if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); err != nil {
		return fmt.Errorf("dropping ambient capabilities: %w", err)
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return fmt.Errorf("reading capabilities: %w", err)
	}
	data[0].Inheritable, data[1].Inheritable = 0, 0
	if err := unix.Capset(&header, &data[0]); err != nil {
		return fmt.Errorf("dropping inheritable capabilities: %w", err)
	}
	return nil
}
