package launch

import (
	"bytes"
	"reflect"
	"testing"

	"github.com/least-privilege/lpm/enforcer/plan"
)

// sample is a program with an argument of every kind.
func sample(t testing.TB) *Program {
	t.Helper()
	console := "/dev/pts/1"
	p, err := Compile(&plan.Plan{
		Namespaces: []string{"CLONE_NEWUSER", "CLONE_NEWNET"},
		Ops: []plan.Op{
			{Call: "openat2", Args: []plan.Arg{{Flags: "AT_FDCWD"}, text("/")}, Out: "dir"},
			{Call: "landlock_add_rule", Args: []plan.Arg{{Struct: []plan.Field{
				{Name: "allowed_access", Size: 8, Value: value(1)},
				{Name: "parent_fd", Size: 4, Value: plan.Arg{FD: "dir"}},
			}}}, Want: "0"},
			{Call: "write", Args: []plan.Arg{{FD: "status"}, {Out: "dir"}, value(-1)}, Want: "EAGAIN"},
			{Call: "seccomp", Args: []plan.Arg{{Filters: true}}},
			{Call: "open_tree", Args: []plan.Arg{{Given: plan.GivenConsole, Text: &console}}},
			{Call: "execveat", Args: []plan.Arg{{FD: "dir"}, {Given: plan.GivenArgs, List: []string{"a"}}, {Given: plan.GivenEnv, List: []string{}}}},
		},
	}, []byte{1, 2, 3, 4, 5, 6, 7, 8})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestEncode(t *testing.T) {
	p := sample(t)
	again, err := DecodeProgram(p.Encode())
	if err != nil || !reflect.DeepEqual(p, again) {
		t.Errorf("got %+v, %v\nwant %+v", again, err, p)
	}
}

// FuzzDecodeProgram: whatever is read can be bound without a fault, and is
// written as it was read.
func FuzzDecodeProgram(f *testing.F) {
	f.Add(sample(f).Encode())
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := DecodeProgram(b)
		if err != nil {
			return
		}
		p.bind(make([]int32, opens), Given{Args: []string{"a", ""}, Env: []string{"A=b"}, Console: "/dev/pts/0"})
		again, err := DecodeProgram(p.Encode())
		if err != nil || !bytes.Equal(again.Encode(), p.Encode()) {
			t.Errorf("it is not written as it was read: %v", err)
		}
	})
}
