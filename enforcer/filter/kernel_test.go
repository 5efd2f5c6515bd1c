package filter

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/enforcer/filter/bpf"
	"github.com/least-privilege/lpm/enforcer/plan"
)

// confinedVariable names the call that a child of the tests makes under the
// filter of kernelFilter.
const confinedVariable = "LPM_TEST_CONFINED"

// TestMain also plays that child.
func TestMain(m *testing.M) {
	if name := os.Getenv(confinedVariable); name != "" {
		confined(name)
		return
	}
	os.Exit(m.Run())
}

// unassigned is a number that no kernel has, and so can only be refused with
// EPERM by a filter.
const unassigned = 900

// kernelFilter lets the Go runtime live and refuses single calls.
func kernelFilter() plan.Filter {
	refuse := func(number int, action plan.Action, when ...plan.Compare) plan.Rule {
		return plan.Rule{Syscall: "call", Number: number, Action: action, When: when}
	}
	rules := []plan.Rule{
		refuse(unix.SYS_GETPPID, plan.ActionEPERM),
		refuse(unix.SYS_SOCKET, plan.ActionEPERM, plan.Compare{Mask: 0xffff_ffff, Value: unix.AF_UNIX}),
		refuse(unix.SYS_SOCKET, plan.ActionEPERM, plan.Compare{Mask: 0xffff_ffff, Value: unix.AF_INET},
			plan.Compare{Arg: 1, Mask: 0xf, Value: unix.SOCK_DGRAM}),
		refuse(unix.SYS_GETPRIORITY, plan.ActionENOSYS, equals(1, 0)),
		refuse(unix.SYS_GETSID, plan.ActionKill),
		refuse(unassigned, plan.ActionEPERM),
	}
	for i := range rules { // sorted, on either architecture
		for j := i; j > 0 && rules[j].Number < rules[j-1].Number; j-- {
			rules[j], rules[j-1] = rules[j-1], rules[j]
		}
	}
	return filterOf(plan.ActionAllow, rules...)
}

// kernelCalls are calls and what the kernel answers under that filter.
var kernelCalls = []struct {
	name   string
	number uintptr
	args   [3]uintptr
	want   string
}{
	{"allowed", unix.SYS_GETPID, [3]uintptr{}, "done"},
	{"refused", unix.SYS_GETPPID, [3]uintptr{}, "EPERM"},
	{"refused for its argument", unix.SYS_SOCKET, [3]uintptr{unix.AF_UNIX, unix.SOCK_STREAM}, "EPERM"},
	{"refused though the unused half differs", unix.SYS_SOCKET, [3]uintptr{1<<32 | unix.AF_UNIX, unix.SOCK_STREAM}, "EPERM"},
	{"allowed for another argument", unix.SYS_SOCKET, [3]uintptr{unix.AF_INET, unix.SOCK_STREAM}, "done"},
	{"refused for both arguments", unix.SYS_SOCKET, [3]uintptr{unix.AF_INET, unix.SOCK_DGRAM | unix.SOCK_CLOEXEC}, "EPERM"},
	{"said not to exist", unix.SYS_GETPRIORITY, [3]uintptr{0, 0}, "ENOSYS"},
	{"compared in all 64 bits", unix.SYS_GETPRIORITY, [3]uintptr{0, 1 << 32}, "done"},
	{"killed", unix.SYS_GETSID, [3]uintptr{}, "killed by SIGSYS"},
	{"unknown to libseccomp", unassigned, [3]uintptr{}, "EPERM"},
	{"unknown and not in the list", unassigned + 1, [3]uintptr{}, "ENOSYS"},
}

func TestKernelAgrees(t *testing.T) {
	calls := kernelCalls
	if runtime.GOARCH == "amd64" {
		calls = append(calls, struct {
			name   string
			number uintptr
			args   [3]uintptr
			want   string
		}{"of x32", bpf.X32Bit | unix.SYS_GETPID, [3]uintptr{}, "killed by SIGSYS"})
	}
	for _, call := range calls {
		t.Run(call.name, func(t *testing.T) {
			child := exec.Command("/proc/self/exe")
			child.Env = append(os.Environ(), fmt.Sprintf("%s=%d %d %d %d",
				confinedVariable, call.number, call.args[0], call.args[1], call.args[2]))
			out, err := child.CombinedOutput()
			got := strings.TrimSpace(string(out))
			if ended := (*exec.ExitError)(nil); errors.As(err, &ended) {
				if status := ended.Sys().(syscall.WaitStatus); status.Signaled() {
					got = "killed by " + unix.SignalName(status.Signal())
				}
			}
			if got != call.want {
				t.Errorf("got %q, %v, want %q", got, err, call.want)
			}
		})
	}
}

// confined loads the filter into its own thread and makes one call.
func confined(call string) {
	runtime.LockOSThread()
	var number, a, b, c uintptr
	if _, err := fmt.Sscan(call, &number, &a, &b, &c); err != nil {
		fmt.Println("reading the call:", err)
		return
	}
	raw, err := Compile(kernelFilter())
	if err != nil {
		fmt.Println(err)
		return
	}
	program := unix.SockFprog{
		Len:    uint16(len(raw) / 8),
		Filter: (*unix.SockFilter)(unsafe.Pointer(&raw[0])),
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		fmt.Println("prctl:", err)
		return
	}
	if _, _, errno := unix.RawSyscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, 0,
		uintptr(unsafe.Pointer(&program))); errno != 0 {
		fmt.Println("seccomp:", errno)
		return
	}
	if _, _, errno := unix.RawSyscall(number, a, b, c); errno != 0 {
		fmt.Println(unix.ErrnoName(errno))
		return
	}
	fmt.Println("done")
}
