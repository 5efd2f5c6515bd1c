package supervise

import (
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/enforcer/plan"
	"github.com/least-privilege/lpm/manifest"
)

// TestUses: of each call that a trace is shown, there is a path to look at.
func TestUses(t *testing.T) {
	for _, name := range plan.FileCalls() {
		if _, ok := manifest.LookupSyscall(runtime.GOARCH, name); !ok {
			continue
		}
		th := newThread(t, name)
		how, args := make([]byte, 24), []uintptr{1, 2, 4, 3}
		if name == "openat2" { // whose flags are in memory
			args[2] = pointer(how)
		}
		var uses []use
		end := th.serve(t.Context(), decide(func(c *Call) Verdict {
			uses = usesOf(c, name)
			return Verdict{Errno: unix.EPERM}
		}))
		th.call(name, args...)
		runtime.KeepAlive(how)
		if _, err := end(); err != nil {
			t.Error(err)
		}
		if len(uses) == 0 || uses[0].addr == 0 {
			t.Errorf("%s uses %+v", name, uses)
		}
	}
}

func TestOpening(t *testing.T) {
	tests := []struct {
		name  string
		flags uint64
		want  []use
	}{
		{"reading", unix.O_RDONLY, []use{{follow: true, does: reads}}},
		{"reading, not through a link", unix.O_RDONLY | unix.O_NOFOLLOW, []use{{does: reads}}},
		{"no access at all", unix.O_PATH, nil},
		{"writing", unix.O_RDWR, []use{{follow: true, does: writes}}},
		{"emptying", unix.O_RDONLY | unix.O_TRUNC, []use{{follow: true, does: writes}}},
		{"writing or making", unix.O_WRONLY | unix.O_CREAT, []use{{follow: true, does: writes}, {follow: true, does: creates}}},
		{"reading or making", unix.O_CREAT, []use{{follow: true, does: reads}, {follow: true, does: creates}}},
		{"making", unix.O_WRONLY | unix.O_CREAT | unix.O_EXCL, []use{{does: creates}}},
		{"a file without a name", unix.O_WRONLY | unix.O_TMPFILE, []use{{follow: true, does: writes}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := opening(0, 0, test.flags)
			if len(got) != len(test.want) {
				t.Fatalf("%+v, want %+v", got, test.want)
			}
			for i := range got {
				if got[i] != test.want[i] {
					t.Errorf("%+v, want %+v", got, test.want)
				}
			}
		})
	}
}
