package launch

import (
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/enforcer/plan"
)

func text(s string) plan.Arg { return plan.Arg{Text: &s} }
func value(n int64) plan.Arg { return plan.Arg{Number: &n} }

func TestCompileRefuses(t *testing.T) {
	tests := []struct {
		name string
		op   plan.Op
		err  string
	}{
		{"a call that plans are not made of", plan.Op{Call: "reboot"}, "not a call"},
		{"a constant that is not known", plan.Op{Call: "close", Args: []plan.Arg{{Flags: "O_CLOEXEC|O_MAGIC"}}}, `"O_MAGIC"`},
		{"a descriptor that is not open", plan.Op{Call: "close", Args: []plan.Arg{{FD: "fd9"}}}, `"fd9"`},
		{"a descriptor's number that is not known", plan.Op{Call: "write", Args: []plan.Arg{{Out: "fd9"}}}, `"fd9"`},
		{"a name that is taken", plan.Op{Call: "fsopen", Out: "stdin"}, "opened before"},
		{"a filter of half an instruction", plan.Op{Call: "seccomp", Args: []plan.Arg{{Filters: true}}}, "4 bytes"},
		{"a list that is not given", plan.Op{Call: "execveat", Args: []plan.Arg{{List: []string{"a"}}}}, "not given"},
		{"seven arguments", plan.Op{Call: "prctl", Args: make([]plan.Arg, 7)}, "six"},
		{"a result that means nothing", plan.Op{Call: "read", Want: "plenty"}, `"plenty"`},
		{"a text that a field cannot hold", plan.Op{Call: "ioctl", Args: []plan.Arg{{Struct: []plan.Field{{Name: "name", Size: 2, Value: text("lo0")}}}}}, "longer"},
		{"a number of three bytes", plan.Op{Call: "ioctl", Args: []plan.Arg{{Struct: []plan.Field{{Name: "n", Size: 3, Value: value(1)}}}}}, "3 bytes"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := compile([]plan.Op{test.op}, []string{"stdin"}, Filters{Program: make([]byte, 4)})
			if err == nil || !strings.Contains(err.Error(), test.err) {
				t.Errorf("error %v, want one with %q", err, test.err)
			}
		})
	}
}

// TestCompilePatches: a descriptor that is in a structure is put there when
// it is known.
func TestCompilePatches(t *testing.T) {
	field := plan.Field{Name: "parent_fd", Size: 4, Value: plan.Arg{FD: "dir"}}
	p, err := compile([]plan.Op{
		{Call: "openat2", Args: []plan.Arg{{Flags: "AT_FDCWD"}, text("/")}, Out: "dir"},
		{Call: "landlock_add_rule", Args: []plan.Arg{{Struct: []plan.Field{field}}}},
	}, nil, Filters{})
	if err != nil {
		t.Fatal(err)
	}
	if len(p.patches) != 1 || p.patches[0].slot != p.calls[0].out || p.calls[0].out < 0 {
		t.Fatalf("patches %v, slot %d", p.patches, p.calls[0].out)
	}
	if at := int64(unix.AT_FDCWD); p.calls[0].args[0].value != uint64(at) {
		t.Errorf("AT_FDCWD is %#x", p.calls[0].args[0].value)
	}
	b := p.bind(nil, Given{})
	if places := b.calls[0].patches; len(places) != 1 || uintptr(unsafe.Pointer(places[0])) != b.calls[1].args[0] {
		t.Errorf("the descriptor is put into %v, the structure is at %#x", places, b.calls[1].args[0])
	}
}

// TestConstants: every constant that the tables know is found through the one
// function that plans use, alone and joined with another.
func TestConstants(t *testing.T) {
	v, err := constants("MS_REC|MS_PRIVATE")
	if err != nil || v != unix.MS_REC|unix.MS_PRIVATE {
		t.Errorf("MS_REC|MS_PRIVATE is %#x, %v", v, err)
	}
	if _, err := constants(""); err == nil {
		t.Error("an empty name has a value")
	}
}
