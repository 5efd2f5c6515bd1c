package launch

import (
	"bufio"
	"errors"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/enforcer/plan"
)

// single maps id 0 to the caller's.
func single(pid int) error {
	proc := "/proc/" + strconv.Itoa(pid) + "/"
	return errors.Join(
		os.WriteFile(proc+"setgroups", []byte("deny"), 0),
		os.WriteFile(proc+"gid_map", []byte("0 "+strconv.Itoa(os.Getgid())+" 1"), 0),
		os.WriteFile(proc+"uid_map", []byte("0 "+strconv.Itoa(os.Getuid())+" 1"), 0))
}

func begin() []plan.Op {
	one := int64(1)
	zero := int64(0)
	return []plan.Op{
		{Call: "close", Args: []plan.Arg{{FD: "parentEnd"}}},
		{Call: "read", Args: []plan.Arg{{FD: "parent"}, {Struct: []plan.Field{{Name: "byte", Size: 1, Value: plan.Arg{Number: &zero}}}}, {Number: &one}}, Want: "1"},
	}
}

func spec(t *testing.T, ops ...plan.Op) Spec {
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { null.Close() })
	all := append(begin(), ops...)
	program, err := Compile(&plan.Plan{Namespaces: []string{"CLONE_NEWUSER", "CLONE_NEWNS"}, Ops: all}, Filters{})
	if err != nil {
		t.Fatal(err)
	}
	return Spec{
		Program: program, Stdin: null, Stdout: null, Stderr: null, MapIDs: single,
		Op: func(i int) (plan.Op, error) { return all[i], nil },
	}
}

// try starts a container that does not start.
func try(s Spec) error {
	_, err := Start(s)
	return err
}

// held begins a child for what spec makes.
func held(t *testing.T, n Namespaces) *Held {
	t.Helper()
	h, err := Hold(n)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// TestHold: a child that is held does what the program says, with descriptors
// that were opened after it was made; one that has other namespaces is ended.
func TestHold(t *testing.T) {
	for _, n := range []Namespaces{unix.CLONE_NEWUSER | unix.CLONE_NEWNS, unix.CLONE_NEWUSER | unix.CLONE_NEWNS | unix.CLONE_NEWUTS} {
		before, open := children(t), descriptors(t)
		h := held(t, n)
		failing := plan.Op{Call: "chdir", Args: []plan.Arg{text("/no/such/folder")}, About: "entering the data folder"}
		s := spec(t, failing)
		s.Held = h
		err := try(s)
		var op *OpError
		if !errors.As(err, &op) || op.Errno != unix.ENOENT || op.Op.About != failing.About {
			t.Fatalf("error %v, want the failed chdir", err)
		}
		// One more is what spec has opened.
		if after := descriptors(t); after != open+1 {
			t.Errorf("%d descriptors before, %d after", open, after)
		}
		if after := children(t); after != before {
			t.Errorf("%d child processes before, %d after", before, after)
		}
	}
}

// TestHoldApart: a child that is released keeps nobody waiting who starts a
// process meanwhile.
func TestHoldApart(t *testing.T) {
	for range 100 {
		s := spec(t, plan.Op{Call: "chdir", Args: []plan.Arg{text("/no/such/folder")}})
		s.Held = held(t, unix.CLONE_NEWUSER|unix.CLONE_NEWNS)
		s.MapIDs = func(pid int) error { return errors.Join(exec.Command("true").Run(), single(pid)) }
		var op *OpError
		if err := try(s); !errors.As(err, &op) {
			t.Fatal(err)
		}
	}
}

// TestHoldEnd: nothing is left of a child that was held for nothing, not even
// where there could be none.
func TestHoldEnd(t *testing.T) {
	before, open := children(t), descriptors(t)
	for _, n := range []Namespaces{AllNamespaces, unix.CLONE_THREAD} { // a thread would share signals, which a child does not
		if err := held(t, n).End(); err != nil {
			t.Errorf("%#x: %v", n, err)
		}
	}
	if after := descriptors(t); after != open {
		t.Errorf("%d descriptors before, %d after", open, after)
	}
	if after := children(t); after != before {
		t.Errorf("%d child processes before, %d after", before, after)
	}
}

// holdFor says in the environment that this program is run again to hold a
// child until it is killed.
const holdFor = "LPM_TEST_HOLD"

func TestMain(m *testing.M) {
	if os.Getenv(holdFor) != "" {
		h, err := Hold(AllNamespaces)
		if err == nil {
			err = <-h.made
		}
		if err != nil {
			os.Exit(1)
		}
		os.Stdout.WriteString(strconv.Itoa(h.child.pid) + "\n")
		select {}
	}
	os.Exit(m.Run())
}

// TestHoldKilled: a held child ends with its launcher.
func TestHoldKilled(t *testing.T) {
	if !sharing {
		t.Skip("with the race detector no child is held")
	}
	c := exec.Command("/proc/self/exe")
	c.Env = append(os.Environ(), holdFor+"=1")
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	line, readErr := bufio.NewReader(out).ReadString('\n')
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if readErr != nil || err != nil {
		t.Fatalf("no child: %q, %v", line, c.Wait())
	}
	child, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(child)
	if err := c.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	c.Wait()
	// It has been taken over by another process, which collects it.
	poll := []unix.PollFd{{Fd: int32(child), Events: unix.POLLIN}}
	if n, err := unix.Poll(poll, 30_000); n != 1 {
		t.Errorf("the child lives: %v", err)
		unix.PidfdSendSignal(child, unix.SIGKILL, nil, 0)
	}
}

// TestFailedOperation: the child's failure names the operation, and nothing
// is left running.
func TestFailedOperation(t *testing.T) {
	failing := plan.Op{Call: "chdir", Args: []plan.Arg{text("/no/such/folder")}, About: "entering the data folder"}
	before := children(t)
	err := try(spec(t, failing))
	var op *OpError
	if !errors.As(err, &op) || op.Errno != unix.ENOENT || op.Op.About != failing.About {
		t.Fatalf("error %v, want the failed chdir", err)
	}
	if after := children(t); after != before {
		t.Errorf("%d child processes before, %d after", before, after)
	}
}

// first is a first process that makes the operations and then waits.
func first(ops ...plan.Op) *plan.Init {
	all := plan.Arg{Struct: []plan.Field{{Name: "set", Size: 8, Value: value(-1)}}}
	return &plan.Init{
		Ops:     ops,
		Wait:    plan.Op{Call: "rt_sigtimedwait", Args: []plan.Arg{all, value(0), value(0), value(8)}, Out: "signal"},
		Collect: plan.Op{Call: "wait4", Args: []plan.Arg{value(-1), {Out: "ended"}, {Flags: "WNOHANG"}, value(0)}},
		Pass:    plan.Op{Call: "kill", Args: []plan.Arg{{FD: "program"}, {FD: "signal"}}},
		End:     plan.Op{Call: "exit_group", Args: []plan.Arg{{FD: "ended"}}},
	}
}

// TestFailedInit: what fails in the first process, or in that of the program
// after the fork, is named too, and ends both.
func TestFailedInit(t *testing.T) {
	all := plan.Arg{Struct: []plan.Field{{Name: "set", Size: 8, Value: value(-1)}}}
	block := plan.Op{Call: "rt_sigprocmask", Args: []plan.Arg{{Flags: "SIG_SETMASK"}, all, value(0), value(8)}}
	fork := plan.Op{Call: "clone", Args: []plan.Arg{{Flags: "SIGCHLD"}}, Out: "program"}
	end := plan.Op{Call: "close", Args: []plan.Arg{{FD: "sealedEnd"}}}
	waiting := plan.Op{Call: "read", Args: []plan.Arg{{FD: "sealed"}, {Struct: []plan.Field{{Name: "byte", Size: 1, Value: value(0)}}}, value(1)}, Want: "0"}
	failing := plan.Op{Call: "chdir", Args: []plan.Arg{text("/no/such/folder")}, About: "failing"}
	closing := plan.Op{Call: "close_range", Args: []plan.Arg{value(0), value(1<<32 - 1), value(0)}}
	for name, test := range map[string]struct{ program, first []plan.Op }{
		"before the fork": {[]plan.Op{failing, fork}, nil},
		"in the program":  {[]plan.Op{fork, end, waiting, failing}, []plan.Op{closing}},
		"in the first":    {[]plan.Op{fork, end, waiting}, []plan.Op{failing}},
	} {
		t.Run(name, func(t *testing.T) {
			p := &plan.Plan{
				Namespaces: []string{"CLONE_NEWUSER", "CLONE_NEWNS", "CLONE_NEWPID"},
				Ops:        append(append(begin(), block), test.program...), Init: first(test.first...),
			}
			s := spec(t)
			var err error
			if s.Program, err = Compile(p, Filters{}); err != nil {
				t.Fatal(err)
			}
			s.Op = func(i int) (plan.Op, error) { return p.Operations()[i], nil }
			before := children(t)
			err = try(s)
			var op *OpError
			if !errors.As(err, &op) || op.Errno != unix.ENOENT || op.Op.About != failing.About {
				t.Errorf("error %v, want the failed chdir", err)
			}
			if after := children(t); after != before {
				t.Errorf("%d child processes before, %d after", before, after)
			}
		})
	}
}

// TestCompileInit: a first process without the fork that leaves it behind, or
// without something to wait for, is no plan.
func TestCompileInit(t *testing.T) {
	deaf := first()
	deaf.Wait.Out = ""
	fork := plan.Op{Call: "clone", Args: []plan.Arg{{Flags: "SIGCHLD"}}, Out: "program"}
	for _, p := range []*plan.Plan{
		{Namespaces: []string{"CLONE_NEWPID"}, Init: first()},
		{Namespaces: []string{"CLONE_NEWPID"}, Init: deaf, Ops: []plan.Op{fork}},
	} {
		if prog, err := Compile(p, Filters{}); err == nil {
			t.Errorf("compiled to %+v", prog)
		}
	}
}

// TestExitStatus: a wait status as a shell has it.
func TestExitStatus(t *testing.T) {
	for wait, want := range map[int32]int32{0: 0, 7 << 8: 7, 255 << 8: 255, 9: 128 + 9, 15: 128 + 15, 11 | 0x80: 128 + 11} {
		if got := exitStatus(wait); got != want {
			t.Errorf("%#x gives %d, want %d", wait, got, want)
		}
	}
}

// TestArguments: what is found is this process's command line.
func TestArguments(t *testing.T) {
	memory, err := arguments()
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile("/proc/self/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	if string(memory) != string(want) {
		t.Errorf("got %q, want %q", memory, want)
	}
}

// TestUnexpectedResult: a call that succeeds with another result than the
// plan wants is a failure too.
func TestUnexpectedResult(t *testing.T) {
	err := try(spec(t, plan.Op{Call: "umask", Args: []plan.Arg{value(0)}, Want: "511"}))
	var op *OpError
	if !errors.As(err, &op) || op.Errno != 0 {
		t.Fatalf("error %v, want an unexpected result", err)
	}
}

// TestMapFailure: when the ids cannot be mapped the child is ended.
func TestMapFailure(t *testing.T) {
	s := spec(t)
	failure := errors.New("no ids today")
	s.MapIDs = func(int) error { return failure }
	before := children(t)
	if err := try(s); !errors.Is(err, failure) {
		t.Fatalf("error %v, want %v", err, failure)
	}
	if after := children(t); after != before {
		t.Errorf("%d child processes before, %d after", before, after)
	}
}

// TestDescriptorsAreClosed: starts that fail leave no descriptor open.
func TestDescriptorsAreClosed(t *testing.T) {
	s := spec(t, plan.Op{Call: "chdir", Args: []plan.Arg{text("/no/such/folder")}})
	try(s)
	before := descriptors(t)
	for range 10 {
		try(s)
	}
	if after := descriptors(t); after != before {
		t.Errorf("%d descriptors before, %d after", before, after)
	}
}

func descriptors(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

// children counts the child processes of all threads.
func children(t *testing.T) int {
	t.Helper()
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, task := range tasks {
		b, _ := os.ReadFile("/proc/self/task/" + task.Name() + "/children")
		for _, c := range b {
			if c == ' ' {
				n++
			}
		}
	}
	return n
}
