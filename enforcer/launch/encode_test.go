package launch

import (
	"bytes"
	"reflect"
	"testing"

	"github.com/least-privilege/lpm/enforcer/plan"
)

// sample is a program with an argument of every kind, and with an init or none.
func sample(t testing.TB, init *plan.Init) *Program {
	t.Helper()
	console := "/dev/pts/1"
	p, err := Compile(&plan.Plan{
		Namespaces: []string{"CLONE_NEWUSER", "CLONE_NEWNET"}, Init: init,
		Ops: []plan.Op{
			{Call: "openat2", Args: []plan.Arg{{Flags: "AT_FDCWD"}, text("/")}, Out: "dir"},
			{Call: "landlock_add_rule", Args: []plan.Arg{{Struct: []plan.Field{
				{Name: "allowed_access", Size: 8, Value: value(1)},
				{Name: "parent_fd", Size: 4, Value: plan.Arg{FD: "dir"}},
			}}}, Want: "0"},
			{Call: "write", Args: []plan.Arg{{FD: "status"}, {Out: "dir"}, value(-1)}, Want: "EAGAIN"},
			{Call: "seccomp", Args: []plan.Arg{{Filters: true}}},
			{Call: "clone", Args: []plan.Arg{{Flags: "SIGCHLD"}}, Out: "program"},
			{Call: "open_tree", Args: []plan.Arg{{Given: plan.GivenConsole, Text: &console}}},
			{Call: "execveat", Args: []plan.Arg{{FD: "dir"}, {Given: plan.GivenArgs, List: []string{"a"}}, {Given: plan.GivenEnv, List: []string{}}}},
		},
	}, Filters{Program: []byte{1, 2, 3, 4, 5, 6, 7, 8}, Init: []byte{8, 7, 6, 5, 4, 3, 2, 1}})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestEncode(t *testing.T) {
	for _, init := range []*plan.Init{nil, first(plan.Op{Call: "seccomp", Args: []plan.Arg{{InitFilter: true}}})} {
		p := sample(t, init)
		again, err := DecodeProgram(p.Encode())
		if err != nil || !reflect.DeepEqual(p, again) {
			t.Errorf("got %+v, %v\nwant %+v", again, err, p)
		}
		if bound := again.bind(make([]int32, opens), Given{}); (bound.reap != nil) != (init != nil) {
			t.Errorf("bound as %+v", bound)
		}
	}
}

// TestDecodeHalfAnInit: a first process that lacks a part of what it does is
// none.
func TestDecodeHalfAnInit(t *testing.T) {
	for name, change := range map[string]func(p *Program){
		"no loop":               func(p *Program) { p.first = len(p.calls) - loopCalls + 1 },
		"no such calls":         func(p *Program) { p.first = len(p.calls) + 1 },
		"no signal":             func(p *Program) { p.calls[len(p.calls)-loopCalls].out = -1 },
		"no slot for the end":   func(p *Program) { p.ended = int32(p.slots) },
		"a program and no fork": func(p *Program) { p.first = len(p.calls) },
	} {
		t.Run(name, func(t *testing.T) {
			p := sample(t, first())
			if _, err := DecodeProgram(p.Encode()); err != nil {
				t.Fatal(err)
			}
			change(p)
			if _, err := DecodeProgram(p.Encode()); err == nil {
				t.Error("it is read")
			}
		})
	}
}

// FuzzDecodeProgram: whatever is read can be bound without a fault, and is
// written as it was read.
func FuzzDecodeProgram(f *testing.F) {
	f.Add(sample(f, nil).Encode())
	f.Add(sample(f, first()).Encode())
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
