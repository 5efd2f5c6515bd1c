package launch

import (
	"errors"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/enforcer/plan"
)

func trial(ops ...plan.Op) Trial {
	return Trial{Trial: plan.Trial{Namespaces: []string{"CLONE_NEWUSER", "CLONE_NEWNS"}, Ops: ops}, MapIDs: single}
}

// TestTry: operations that all succeed are no error, and one that fails is
// named. Nothing is left of either.
func TestTry(t *testing.T) {
	private := plan.Op{Call: "mount", Args: []plan.Arg{value(0), text("/"), value(0), {Flags: "MS_REC|MS_PRIVATE"}, value(0)}}
	absent := plan.Op{Call: "chdir", Args: []plan.Arg{text("/no/such/folder")}}
	hidden := plan.Op{Call: "chdir", Args: []plan.Arg{text("/no/such/folder")}, Want: "ENOENT"}
	seen := plan.Op{Call: "chdir", Args: []plan.Arg{text("/")}, Want: "ENOENT"}
	Try(trial(private))
	processes, open := children(t), descriptors(t)
	for _, test := range []struct {
		name  string
		ops   []plan.Op
		fails bool
		errno unix.Errno
	}{
		{"nothing", nil, false, 0},
		{"a mount", []plan.Op{private}, false, 0},
		{"what is not there", []plan.Op{private, absent}, true, unix.ENOENT},
		{"what should not be there, and is not", []plan.Op{hidden, private}, false, 0},
		{"what should not be there, and is", []plan.Op{seen, private}, true, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := Try(trial(test.ops...))
			var op *OpError
			if errors.As(err, &op) != test.fails || !test.fails && err != nil || test.fails && op.Errno != test.errno {
				t.Errorf("error %v", err)
			}
		})
	}
	failure := errors.New("no ids today")
	refusing := trial(private)
	refusing.MapIDs = func(int) error { return failure }
	if err := Try(refusing); !errors.Is(err, failure) {
		t.Errorf("error %v, want %v", err, failure)
	}
	if p, o := children(t), descriptors(t); p != processes || o != open {
		t.Errorf("%d child processes and %d descriptors before, %d and %d after", processes, open, p, o)
	}
}

// TestTryRefuses: what plans are not made of is not tried.
func TestTryRefuses(t *testing.T) {
	unknown := trial()
	unknown.Namespaces = []string{"CLONE_NEWUNIVERSE"}
	for _, x := range []Trial{unknown, trial(plan.Op{Call: "reboot"})} {
		if err := Try(x); err == nil {
			t.Errorf("%+v was tried", x.Trial)
		}
	}
}
