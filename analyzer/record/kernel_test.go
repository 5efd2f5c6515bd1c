package record

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"github.com/least-privilege/lpm/analyzer"
	"github.com/least-privilege/lpm/enforcer/plan"
	"github.com/least-privilege/lpm/enforcer/supervise"
	"github.com/least-privilege/lpm/manifest"
	"golang.org/x/sys/unix"
)

// The variable that makes this test's binary the recorded program.
const stageVariable = "LPM_TEST_RECORD_STAGE"

func TestMain(m *testing.M) {
	switch os.Getenv(stageVariable) {
	case "filter":
		fmt.Fprintln(os.Stderr, filterAndExecute())
		os.Exit(1)
	case "work":
		if err := work(os.Getenv("DIR")); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// filterAndExecute does what the launcher does in a recording: it installs a
// filter that allows the baseline and notifies of everything else, tells the
// supervisor the listener's number, and executes the program.
func filterAndExecute() error {
	runtime.LockOSThread()
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("no_new_privs: %w", err)
	}
	const (
		load  = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS
		equal = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
		give  = unix.BPF_RET | unix.BPF_K
	)
	program := []unix.SockFilter{{Code: load, K: 0}} // seccomp_data.nr
	for _, s := range analyzer.Unwatched(runtime.GOARCH) {
		if len(s.When) > 0 {
			continue
		}
		info, _ := manifest.LookupSyscall(runtime.GOARCH, s.Name)
		program = append(program,
			unix.SockFilter{Code: equal, Jf: 1, K: uint32(info.Number)},
			unix.SockFilter{Code: give, K: unix.SECCOMP_RET_ALLOW})
	}
	program = append(program, unix.SockFilter{Code: give, K: unix.SECCOMP_RET_USER_NOTIF})
	f := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	fd, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER,
		unix.SECCOMP_FILTER_FLAG_NEW_LISTENER, uintptr(unsafe.Pointer(&f)))
	if errno != 0 {
		return fmt.Errorf("installing the filter: %w", errno)
	}
	if _, err := unix.Write(3, []byte(strconv.Itoa(int(fd))+"\n")); err != nil {
		return err
	}
	env := []string{stageVariable + "=work", "DIR=" + os.Getenv("DIR")}
	return syscall.Exec(os.Args[0], os.Args[:1], env)
}

// work is what the recorded program does.
func work(dir string) error {
	if err := os.WriteFile(filepath.Join(dir, "made"), []byte("x"), 0o600); err != nil {
		return err
	}
	if err := os.Rename(filepath.Join(dir, "made"), filepath.Join(dir, "moved")); err != nil {
		return err
	}
	if err := os.Chdir(dir); err != nil {
		return err
	}
	if err := os.Mkdir("relative", 0o700); err != nil {
		return err
	}
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer l.Close()
	c, err := net.Dial("tcp4", l.Addr().String())
	if err != nil {
		return err
	}
	c.Close()
	u, err := net.Dial("udp4", "127.0.0.1:9")
	if err != nil {
		return err
	}
	u.Close()
	return exec.Command("/bin/sh", "-c", "exit 0").Run()
}

// TestRecordsARealProgram holds the recorder against the kernel and the
// supervisor: what a program of several threads and processes does is in the
// record, and the program works.
func TestRecordsARealProgram(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	child := exec.Command(self)
	child.Env = []string{stageVariable + "=filter", "DIR=" + dir}
	child.ExtraFiles = []*os.File{write}
	child.Stderr = os.Stderr
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = child.Process.Kill() }()
	write.Close()
	var number int
	if _, err := fmt.Fscan(read, &number); err != nil {
		t.Fatalf("the child has no filter: %v", err)
	}
	listener := takeFD(t, child.Process.Pid, number)
	defer listener.Close()

	o := options()
	o.Architecture, o.Program, o.Now = runtime.GOARCH, self, nil
	uids, gids := uint32(os.Getuid()), uint32(os.Getgid())
	o.Identity = plan.Identity{
		UIDs: []plan.IDMap{{Container: uids, Host: uids, Size: 1}}, GIDs: []plan.IDMap{{Container: gids, Host: gids, Size: 1}},
	}
	r, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	// The first execution is that of the program.
	executed := false
	stats, err := supervise.Serve(t.Context(), supervise.Container{Listener: listener, Running: func() bool { return true }}, policy(func(c *supervise.Call) supervise.Verdict {
		info, _ := manifest.SyscallByNumber(runtime.GOARCH, c.Number)
		if executed = executed || info.Name == "execve"; !executed {
			return supervise.Verdict{} // the child's own runtime
		}
		return r.Decide(c)
	}))
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Wait(); err != nil {
		t.Errorf("the program failed under the recorder: %v", err)
	}

	record := r.Record()
	if stats.Calls == 0 || record.Lost != 0 {
		t.Errorf("%d calls, %d lost", stats.Calls, record.Lost)
	}
	var got []string
	for _, f := range record.Files {
		if name, inside := strings.CutPrefix(f.Path, dir); inside {
			got = append(got, fmt.Sprintf("%s %v", name, f.Access))
		}
	}
	if want := []string{"/made [create rename]", "/moved [rename]", "/relative [mkdir]"}; !slices.Equal(got, want) {
		t.Errorf("files %q, want %q", got, want)
	}
	sh, err := filepath.EvalSymlinks("/bin/sh")
	if err != nil {
		t.Fatal(err)
	}
	got = nil
	for _, p := range record.Programs {
		got = append(got, p.Path+" by "+strings.Join(p.Programs, ","))
	}
	if want := []string{self + " by ", sh + " by " + self}; !sameElements(got, want) {
		t.Errorf("programs %q, want %q", got, want)
	}
	got = nil
	for _, c := range record.Connects {
		if c.Port != 9 {
			c.Port = 1 // the port that the kernel chose
		}
		got = append(got, fmt.Sprintf("%s %s %d", c.Protocol, c.Address, c.Port))
	}
	if want := []string{"tcp 127.0.0.1 1", "udp 127.0.0.1 9"}; !sameElements(got, want) {
		t.Errorf("connects %q, want %q", got, want)
	}
	// Go's net package also tries what kinds of IPv6 there are.
	if b := record.Binds; len(b) == 0 || b[0].Address != "127.0.0.1" || !b[0].Listening || b[0].Port != 0 || b[0].Protocol != "tcp" {
		t.Errorf("binds %+v", b)
	}
	if _, err := record.Encode(); err != nil {
		t.Error(err)
	}
}

type policy func(*supervise.Call) supervise.Verdict

func (p policy) Decide(c *supervise.Call) supervise.Verdict { return p(c) }

func takeFD(t *testing.T, pid, number int) *os.File {
	t.Helper()
	pidfd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pidfd)
	fd, err := unix.PidfdGetfd(pidfd, number, 0)
	if err != nil {
		t.Fatalf("taking the listener: %v", err)
	}
	return os.NewFile(uintptr(fd), "listener")
}

func sameElements(a, b []string) bool {
	a, b = slices.Clone(a), slices.Clone(b)
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(a, b)
}
