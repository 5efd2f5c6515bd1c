// Package stacktest makes network namespaces for tests: one in which the test
// runs, which stands for the host, and containers' beside it.
//
// An ordinary user gets a user namespace first. Nothing leaves the machine: no
// namespace has an interface that leads anywhere.
package stacktest

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/enforcer/network/subnet"
)

// inside tells the test program that it runs in the namespaces.
const inside = "LPM_TEST_NETWORK"

// loopback is the number of a namespace's loopback device.
const loopback = 1

// Hosts are addresses of the namespace that the test runs in, from the blocks
// for documentation.
func Hosts() []netip.Addr {
	return []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")}
}

// Main runs the tests in a network namespace that has the hosts' addresses.
func Main(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "making a network namespace for the tests:", err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (int, error) {
	if fuzzing() {
		return m.Run(), nil
	}
	if os.Getenv(inside) == "" {
		return again()
	}
	if err := up(loopback, 0); err != nil {
		return 0, fmt.Errorf("turning on the loopback device: %w", err)
	}
	for _, a := range Hosts() {
		if err := address(loopback, netip.PrefixFrom(a, a.BitLen())); err != nil {
			return 0, fmt.Errorf("adding the address %s: %w", a, err)
		}
	}
	return m.Run(), nil
}

// fuzzing says whether go test looks for new inputs: it talks to the program by
// descriptors of its own, and runs no test that takes a network.
func fuzzing() bool {
	return slices.ContainsFunc(os.Args[1:], func(a string) bool {
		return strings.HasPrefix(a, "-test.fuzz=") || strings.HasPrefix(a, "-test.fuzzworker")
	})
}

// again runs the test program anew, in the namespaces.
func again() (int, error) {
	c := exec.Command("/proc/self/exe", os.Args[1:]...)
	c.Stdin, c.Stdout, c.Stderr = os.Stdin, os.Stdout, os.Stderr
	c.Env = append(os.Environ(), inside+"=1")
	c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET, Pdeathsig: unix.SIGKILL}
	if os.Geteuid() != 0 {
		c.SysProcAttr.Cloneflags |= unix.CLONE_NEWUSER
		c.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}
		c.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}}
	}
	runtime.LockOSThread() // The signal is for the thread's end.
	err := c.Run()
	var exited *exec.ExitError
	if errors.As(err, &exited) {
		return max(exited.ExitCode(), 1), nil
	}
	return 0, err
}

// Container is a network namespace with an interface that is set up as in a
// container.
type Container struct {
	t         testing.TB
	namespace int
	// Device is the packet socket at the interface's other end.
	Device *os.File
}

// New makes a container's network, whose device leaves checksums out with
// offload.
func New(t testing.TB, offload bool) *Container {
	t.Helper()
	return NewFor(t, offload, func() error { return nil })
}

// NewFor does so too, and calls a function in the container's namespace as soon as
// that is set up.
func NewFor(t testing.TB, offload bool, first func() error) *Container {
	t.Helper()
	c := &Container{t: t}
	done := make(chan error)
	go func() {
		// The thread ends with the goroutine, for it stays in the namespace.
		runtime.LockOSThread()
		err := c.make(offload)
		if err == nil {
			err = first()
		}
		done <- err
	}()
	if err := <-done; err != nil {
		t.Fatal("making a container's network: ", err)
	}
	t.Cleanup(func() { unix.Close(c.namespace) })
	return c
}

func (c *Container) make(offload bool) error {
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return err
	}
	fd, err := unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	c.namespace = fd
	if err := pair(subnet.Device, index, other); err != nil {
		return err
	}
	if c.Device, err = packets(other, offload); err != nil {
		return err
	}
	return c.configure()
}

// The numbers of the container's interface and of its other end.
const index, other = 64, 65

func (c *Container) configure() error {
	for _, err := range []error{
		up(loopback, 0),
		up(other, 0),
		up(index, 0),
		address(index, netip.PrefixFrom(subnet.Container4(), subnet.IPv4().Bits())),
		address(index, netip.PrefixFrom(subnet.Container6(), subnet.IPv6().Bits())),
		ownRoute(index, subnet.Container6()),
		defaultRoute(index, subnet.Gateway4()),
		defaultRoute(index, subnet.Gateway6()),
	} {
		if err != nil {
			return err
		}
	}
	return nil
}

// Do runs the function in the container's namespace. Sockets that it makes
// itself stay there; those that a goroutine of its own makes are not.
func (c *Container) Do(f func()) {
	c.t.Helper()
	var err error
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		if err = unix.Setns(c.namespace, unix.CLONE_NEWNET); err == nil {
			f()
		}
	}()
	<-done
	if err != nil {
		c.t.Fatal("entering the container's network: ", err)
	}
}
