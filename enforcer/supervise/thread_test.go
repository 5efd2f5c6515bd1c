package supervise

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/enforcer/network/networktest"
	"github.com/least-privilege/lpm/enforcer/plan"
	"github.com/least-privilege/lpm/manifest"
)

// A test's container is one thread of this process: it has a filter that hands
// over the calls named, and none of the walls that a real one has besides.

func TestMain(m *testing.M) {
	networktest.Main()
	if calls := os.Getenv("LPM_TEST_CALLS"); calls != "" {
		makeCalls(calls)
		return
	}
	os.Exit(m.Run())
}

// thread is a thread whose calls wait for a supervisor.
type thread struct {
	t        testing.TB
	listener *os.File
	work     chan func()
}

// newThread starts a thread that hands over the calls of the given names.
func newThread(t testing.TB, calls ...string) *thread {
	t.Helper()
	th := &thread{t: t, work: make(chan func())}
	ready := make(chan error)
	go onThread(func() {
		listener, err := loadFilter(calls)
		th.listener = listener
		ready <- err
		for f := range th.work {
			f()
		}
	})
	if err := <-ready; err != nil {
		if os.Getenv("LPM_MUST_SANDBOX") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	t.Cleanup(func() { th.listener.Close() })
	return th
}

// onThread runs f on a thread that ends with it. The process's first thread
// would not end, so that it is kept busy while another one is found.
func onThread(f func()) {
	runtime.LockOSThread()
	if unix.Gettid() != os.Getpid() {
		f()
		return
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		onThread(f)
	}()
	<-done
	runtime.UnlockOSThread()
}

// loadFilter gives the calling thread a filter with a listener.
func loadFilter(calls []string) (*os.File, error) {
	const loadNumber, jumpEqual, give = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, unix.BPF_RET | unix.BPF_K
	const allow, notify = 0x7fff0000, 0x7fc00000 // SECCOMP_RET_ALLOW, SECCOMP_RET_USER_NOTIF
	program := []unix.SockFilter{{Code: loadNumber}}
	for i, name := range calls {
		program = append(program, unix.SockFilter{Code: jumpEqual, Jt: uint8(len(calls) - i), K: uint32(numberOf(name))})
	}
	program = append(program, unix.SockFilter{Code: give, K: allow}, unix.SockFilter{Code: give, K: notify})
	prog := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return nil, err
	}
	for _, flags := range []uintptr{unix.SECCOMP_FILTER_FLAG_NEW_LISTENER | unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, unix.SECCOMP_FILTER_FLAG_NEW_LISTENER} {
		fd, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, flags, uintptr(unsafe.Pointer(&prog)))
		if errno == 0 {
			return os.NewFile(fd, "listener"), nil
		}
		if errno != unix.EINVAL {
			return nil, fmt.Errorf("no seccomp listener: %w", errno)
		}
	}
	return nil, fmt.Errorf("no seccomp listener")
}

func numberOf(name string) int {
	info, ok := manifest.LookupSyscall(runtime.GOARCH, name)
	if !ok {
		panic("no call " + name)
	}
	return info.Number
}

// do runs f on the thread.
func (th *thread) do(f func()) {
	done := make(chan struct{})
	th.work <- func() { defer close(done); f() }
	<-done
}

// call makes a call on the thread. What a pointer among the arguments points
// to is the caller's to keep.
func (th *thread) call(name string, args ...uintptr) (result uintptr, errno unix.Errno) {
	var a [6]uintptr
	copy(a[:], args)
	th.do(func() { result, _, errno = unix.Syscall6(uintptr(numberOf(name)), a[0], a[1], a[2], a[3], a[4], a[5]) })
	return result, errno
}

// serve supervises the thread until end is called, which returns what Serve
// did.
func (th *thread) serve(ctx context.Context, policy Policy) (end func() (Stats, error)) {
	type outcome struct {
		stats Stats
		err   error
	}
	served := make(chan outcome, 1)
	go func() {
		stats, err := Serve(ctx, Container{Listener: th.listener, Running: func() bool { return true }}, policy)
		served <- outcome{stats, err}
	}()
	var once sync.Once
	var o outcome
	end = func() (Stats, error) {
		once.Do(func() {
			close(th.work)
			o = <-served
		})
		return o.stats, o.err
	}
	th.t.Cleanup(func() { end() })
	return end
}

// rules grants the calls, on a network of the given mode.
func rules(mode manifest.NetworkMode, calls ...string) plan.Supervision {
	return plan.Supervision{Kernel: "6.18", Syscalls: calls, Network: manifest.Network{Mode: mode}}
}

// helper starts this program anew from the thread, so that all of its threads
// have the filter. It makes the calls, given as "getpriority 0 0", at the same
// time, and prints each one's place in the list and error.
func (th *thread) helper(calls ...string) *exec.Cmd {
	th.t.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), "LPM_TEST_CALLS="+strings.Join(calls, ","))
	return cmd
}

func makeCalls(list string) {
	var all sync.WaitGroup
	for i, text := range strings.Split(list, ",") {
		all.Go(func() {
			words := strings.Fields(text)
			var a [3]uintptr
			for i, w := range words[1:] {
				n, err := strconv.ParseUint(w, 0, 64)
				if err != nil {
					panic(err)
				}
				a[i] = uintptr(n)
			}
			_, _, errno := unix.Syscall(uintptr(numberOf(words[0])), a[0], a[1], a[2])
			fmt.Printf("%d %s\n", i, unix.ErrnoName(errno))
		})
	}
	all.Wait()
}
