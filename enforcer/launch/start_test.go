package launch

import (
	"errors"
	"os"
	"strconv"
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
	return Spec{
		Plan:  &plan.Plan{Namespaces: []string{"CLONE_NEWUSER", "CLONE_NEWNS"}, Ops: append(begin(), ops...)},
		Stdin: null, Stdout: null, Stderr: null, MapIDs: single,
	}
}

// TestFailedOperation: the child's failure names the operation, and nothing
// is left running.
func TestFailedOperation(t *testing.T) {
	failing := plan.Op{Call: "chdir", Args: []plan.Arg{text("/no/such/folder")}, About: "entering the data folder"}
	before := children(t)
	_, err := Start(spec(t, failing))
	var op *OpError
	if !errors.As(err, &op) || op.Errno != unix.ENOENT || op.Op.About != failing.About {
		t.Fatalf("error %v, want the failed chdir", err)
	}
	if after := children(t); after != before {
		t.Errorf("%d child processes before, %d after", before, after)
	}
}

// TestFailedInit: what fails in the first process, or in that of the program
// after the fork, is named too, and ends both.
func TestFailedInit(t *testing.T) {
	zero, status := plan.Arg{Number: new(int64)}, plan.Arg{Out: "ended"}
	fork := plan.Op{Call: "clone", Args: []plan.Arg{{Flags: "SIGCHLD"}, zero, zero, zero, zero}, Out: "program"}
	failing := plan.Op{Call: "chdir", Args: []plan.Arg{text("/no/such/folder")}, About: "failing"}
	waiting := plan.Op{Call: "read", Args: []plan.Arg{{FD: "sealed"}, {Struct: []plan.Field{{Name: "byte", Size: 1, Value: zero}}}, value(1)}, Want: "0"}
	end := plan.Op{Call: "close", Args: []plan.Arg{{FD: "sealedEnd"}}}
	all := plan.Arg{Struct: []plan.Field{{Name: "set", Size: 8, Value: value(-1)}}}
	for name, test := range map[string]struct{ program, first []plan.Op }{
		"before the fork": {[]plan.Op{failing, fork}, nil},
		"in the program":  {[]plan.Op{fork, end, waiting, failing}, []plan.Op{{Call: "close_range", Args: []plan.Arg{zero, value(1<<32 - 1), zero}}}},
		"in the first":    {[]plan.Op{fork, end, waiting}, []plan.Op{failing}},
	} {
		t.Run(name, func(t *testing.T) {
			s := spec(t, test.program...)
			s.Plan.Namespaces = append(s.Plan.Namespaces, "CLONE_NEWPID")
			s.Plan.Init = &plan.Init{
				Ops:     test.first,
				Wait:    plan.Op{Call: "rt_sigtimedwait", Args: []plan.Arg{all, zero, zero, value(8)}, Out: "signal"},
				Collect: plan.Op{Call: "wait4", Args: []plan.Arg{value(-1), status, {Flags: "WNOHANG"}, zero}},
				Pass:    plan.Op{Call: "kill", Args: []plan.Arg{{FD: "program"}, {FD: "signal"}}},
				End:     plan.Op{Call: "exit_group", Args: []plan.Arg{{FD: "ended"}}},
			}
			s.Plan.Ops = append([]plan.Op{{Call: "rt_sigprocmask", Args: []plan.Arg{{Flags: "SIG_SETMASK"}, all, zero, value(8)}}}, s.Plan.Ops...)
			before := children(t)
			_, err := Start(s)
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
	_, err := Start(spec(t, plan.Op{Call: "umask", Args: []plan.Arg{value(0)}, Want: "511"}))
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
	if _, err := Start(s); !errors.Is(err, failure) {
		t.Fatalf("error %v, want %v", err, failure)
	}
	if after := children(t); after != before {
		t.Errorf("%d child processes before, %d after", before, after)
	}
}

// TestDescriptorsAreClosed: starts that fail leave no descriptor open.
func TestDescriptorsAreClosed(t *testing.T) {
	s := spec(t, plan.Op{Call: "chdir", Args: []plan.Arg{text("/no/such/folder")}})
	Start(s)
	before := descriptors(t)
	for range 10 {
		Start(s)
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
