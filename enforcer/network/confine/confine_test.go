package confine

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/enforcer/plan"
)

// wallVariable says what a child of the tests confines itself with, and
// portVariable where something listens.
const (
	wallVariable = "LPM_TEST_WALL"
	portVariable = "LPM_TEST_PORT"
)

// walls are what a child confines itself with, by the variable.
func walls(name string) (func() error, bool) {
	f, ok := map[string]func() error{
		"none": func() error { return nil },
		"all": func() error {
			_, err := Process()
			return err
		},
		"ports": func() error {
			_, err := Process(1)
			return err
		},
		"filter": func() error {
			if _, err := noNewPrivileges(); err != nil {
				return err
			}
			return filter()
		},
		"landlock": func() error {
			if _, err := noNewPrivileges(); err != nil {
				return err
			}
			_, err := landlock(nil)
			return err
		},
		"closed": closed,
	}[name]
	return f, ok
}

// TestMain also plays the child, which tries everything and tells how that went.
func TestMain(m *testing.M) {
	name := os.Getenv(wallVariable)
	if name == "" {
		os.Exit(m.Run())
	}
	wall, ok := walls(name)
	if !ok {
		os.Exit(2)
	}
	if err := child(wall); err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
}

// threads are how many there are before the confinement that try everything, and
// as many are made after it.
const threads = 3

// child confines itself and has all threads try. It waits for its parent to look
// at it.
func child(wall func() error) error {
	var out sync.Mutex
	try := func() {
		for _, a := range append(attempts(), privileged("udp"), privileged("tcp"), listening()) {
			errno := a.try()
			out.Lock()
			fmt.Println(a.name + "\t" + text(errno))
			out.Unlock()
		}
	}
	confined := make(chan struct{})
	var trying, started sync.WaitGroup
	for range threads {
		started.Add(1)
		trying.Go(func() {
			runtime.LockOSThread() // and ends with the goroutine
			started.Done()
			<-confined
			try()
		})
	}
	started.Wait()
	if err := wall(); err != nil {
		return err
	}
	close(confined)
	trying.Wait()
	for range threads {
		trying.Go(func() {
			runtime.LockOSThread()
			try()
		})
	}
	trying.Wait()
	runtime.GC()
	fmt.Println("done")
	_, err := os.Stdin.Read(make([]byte, 1)) // until the parent has looked
	return err
}

func text(err error) string {
	if err == nil {
		return "OK"
	}
	var errno unix.Errno
	if errors.As(err, &errno) {
		return unix.ErrnoName(errno)
	}
	return err.Error()
}

// result is what a child told: what came of each attempt, of each thread.
type result map[string][]string

// run has a child try everything behind a wall, and lets the parent look at it.
func run(t *testing.T, wall string, look func(pid int)) result {
	t.Helper()
	needThreads(t)
	c := exec.Command("/proc/self/exe")
	c.Dir = t.TempDir()
	c.Env = append(os.Environ(), wallVariable+"="+wall, portVariable+"="+listen(t))
	var errs bytes.Buffer
	c.Stderr = &errs
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	got := result{}
	lines := bufio.NewScanner(out)
	for lines.Scan() && lines.Text() != "done" {
		name, errno, ok := strings.Cut(lines.Text(), "\t")
		if !ok {
			t.Errorf("the child said %q", lines.Text())
		}
		got[name] = append(got[name], errno)
	}
	if look != nil {
		look(c.Process.Pid)
	}
	in.Write([]byte{1})
	in.Close()
	if err := c.Wait(); err != nil {
		t.Fatalf("the child: %v\n%s", err, &errs)
	}
	for _, a := range attempts() {
		if len(got[a.name]) != 2*threads {
			t.Errorf("%s: %d threads tried, want %d", a.name, len(got[a.name]), 2*threads)
		}
	}
	return got
}

// needThreads skips a test in a binary whose threads cannot be reached.
func needThreads(t *testing.T) {
	t.Helper()
	if raceDetector {
		t.Skip("the race detector links C, whose threads nobody knows")
	}
}

// listen returns the port of the loopback at which something listens until the
// test ends.
func listen(t *testing.T) string {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	if err := unix.Bind(fd, loopback(0)); err != nil {
		t.Fatal(err)
	}
	if err := unix.Listen(fd, 64); err != nil {
		t.Fatal(err)
	}
	at, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(at.(*unix.SockaddrInet4).Port)
}

func loopback(port int) *unix.SockaddrInet4 {
	return &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}, Port: port}
}

// TestAttempts: what a network process does not need it cannot do any more, in
// any thread, old or new, whether it has Landlock or not; and what it needs it
// can. Without a wall all of it is possible.
func TestAttempts(t *testing.T) {
	free := run(t, "none", nil)
	for _, wall := range []string{"all", "filter"} {
		t.Run(wall, func(t *testing.T) {
			got := run(t, wall, nil)
			for _, a := range attempts() {
				want := "ENOSYS"
				if a.needed {
					want = "OK"
				}
				for i, errno := range got[a.name] {
					if errno != want {
						t.Errorf("%s: %s, want %s", a.name, errno, want)
					}
					if before := free[a.name][i]; a.free != "" && before != a.free || before == "ENOSYS" {
						t.Errorf("%s: %s without a wall, want %s", a.name, before, a.free)
					}
				}
			}
		})
	}
}

// TestLandlock: the second wall holds by itself, as far as this kernel has it.
func TestLandlock(t *testing.T) {
	version, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if errno != 0 {
		t.Skip("no Landlock: ", errno)
	}
	errata, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_ERRATA)
	scoped := errno == 0 && errata&signalErratum != 0
	got := run(t, "landlock", nil)
	for _, a := range attempts() {
		want := a.free
		if a.abi != 0 && int(version) >= a.abi && (a.name != "signal the parent" || scoped) {
			want = a.landlock
		}
		for _, errno := range got[a.name] {
			if want != "" && errno != want {
				t.Errorf("%s: %s, want %s with ABI %d", a.name, errno, want, version)
			}
		}
	}
}

// TestCapabilities: root has no privilege any more.
func TestCapabilities(t *testing.T) {
	first, err := os.ReadFile("/proc/sys/net/ipv4/ip_unprivileged_port_start")
	if err != nil {
		t.Fatal(err)
	}
	if string(bytes.TrimSpace(first)) == "0" {
		t.Skip("every port is everybody's here")
	}
	free := "EACCES"
	if os.Geteuid() == 0 {
		free = "OK"
	}
	for wall, want := range map[string]string{"none": free, "filter": free, "all": "EACCES", "ports": free} {
		got := run(t, wall, nil)
		for _, kind := range []string{"udp", "tcp"} {
			name := privileged(kind).name
			for _, errno := range got[name] {
				if errno != want {
					t.Errorf("%s: %s: %s, want %s", wall, name, errno, want)
				}
			}
		}
	}
}

// TestPorts: a TCP socket is bound to the ports alone that were named.
func TestPorts(t *testing.T) {
	version, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	want := "EACCES"
	if errno != 0 || version < 4 {
		want = "OK" // only Landlock knows
	}
	for wall, want := range map[string]string{"none": "OK", "all": want, "ports": want} {
		for _, errno := range run(t, wall, nil)[listening().name] {
			if errno != want {
				t.Errorf("%s: %s: %s, want %s", wall, listening().name, errno, want)
			}
		}
	}
}

// TestStatus: every thread has no_new_privs, the filter and no capability, and
// nobody's memory is written to a file.
func TestStatus(t *testing.T) {
	run(t, "all", func(pid int) {
		files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
		if err != nil || len(files) < 2 {
			t.Fatalf("threads %v, %v", files, err)
		}
		for _, file := range files {
			b, err := os.ReadFile(file)
			if err != nil {
				t.Error(err)
			}
			for _, line := range []string{"NoNewPrivs:\t1", "Seccomp:\t2", "CapInh:\t0000000000000000",
				"CapPrm:\t0000000000000000", "CapEff:\t0000000000000000", "CapAmb:\t0000000000000000"} {
				if !bytes.Contains(b, []byte("\n"+line+"\n")) {
					t.Errorf("%s has no line %q:\n%s", file, line, b)
				}
			}
		}
		limits, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", pid))
		if err != nil || !strings.Contains(string(limits), "Max core file size        0                    0 ") {
			t.Errorf("limits %s, %v", limits, err)
		}
	})
	for wall, want := range map[string]string{"none": "dumpable 1", "closed": "dumpable 0"} {
		if got := run(t, wall, nil)["ask whether it is dumpable"]; got[0] != want {
			t.Errorf("%s: %s, want %s", wall, got[0], want)
		}
	}
}

// TestRights: all that the table of Landlock's versions names is known here, and
// what this process is for is left.
func TestRights(t *testing.T) {
	for _, r := range plan.LandlockLacks(0) {
		files, ports, scopes := right(r.Name)
		if files|ports|scopes == 0 && !strings.HasPrefix(r.Name, "LANDLOCK_RESTRICT_SELF_") {
			t.Errorf("%s is unknown", r.Name)
		}
	}
	for _, test := range []struct {
		abi     int
		signals bool
		want    ruleset
	}{
		{0, true, ruleset{}},
		{1, true, ruleset{files: 1<<13 - 1}},
		{2, true, ruleset{files: 1<<14 - 1}},
		{3, true, ruleset{files: 1<<15 - 1}},
		{4, true, ruleset{files: 1<<15 - 1, ports: unix.LANDLOCK_ACCESS_NET_BIND_TCP}},
		{5, true, ruleset{files: 1<<16 - 1, ports: unix.LANDLOCK_ACCESS_NET_BIND_TCP}},
		{6, true, ruleset{files: 1<<16 - 1, ports: unix.LANDLOCK_ACCESS_NET_BIND_TCP, scopes: 3}},
		{6, false, ruleset{files: 1<<16 - 1, ports: unix.LANDLOCK_ACCESS_NET_BIND_TCP, scopes: unix.LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET}},
		{99, true, ruleset{files: 1<<16 - 1, ports: unix.LANDLOCK_ACCESS_NET_BIND_TCP, scopes: 3}},
	} {
		if got := rights(test.abi, test.signals); got != test.want {
			t.Errorf("ABI %d: %+v, want %+v", test.abi, got, test.want)
		}
	}
}
