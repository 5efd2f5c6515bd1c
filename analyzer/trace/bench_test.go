package trace

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// BenchmarkCall is what a call costs the container, and a bystander, for which
// the programs find out that it is not theirs.
func BenchmarkCall(b *testing.B) {
	if os.Getuid() != 0 {
		b.Skip("the ebpf recorder takes root")
	}
	calls := func(b *testing.B) {
		for b.Loop() {
			unix.Syscall(unix.SYS_GETPPID, 0, 0, 0)
		}
	}
	b.Run("not recorded", calls)
	for name, state := range map[string]uint64{"a bystander's": pending, "the container's": 1} {
		b.Run(name, func(b *testing.B) {
			r, err := New(options())
			if err != nil {
				b.Fatal(err)
			}
			defer r.Close()
			if err := r.Watch(os.Getpid()); err != nil {
				b.Fatal(err)
			}
			if err := r.follow(os.Getpid(), task{State: state}); err != nil {
				b.Fatal(err)
			}
			calls(b)
		})
	}
}
