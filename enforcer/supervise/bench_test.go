package supervise

import (
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/enforcer/plan"
	"github.com/least-privilege/lpm/manifest"
)

// BenchmarkCall measures how long one call takes its caller, by what the
// supervisor does about it, and how much processor time it takes the two.
func BenchmarkCall(b *testing.B) {
	nowhere := sockaddr(b, "10.0.0.1:1")
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		b.Fatal(err)
	}
	defer unix.Close(socket)
	program, err := unix.ByteSliceFromString("/usr/bin/env")
	if err != nil {
		b.Fatal(err)
	}
	enforcer := func(s plan.Supervision) Policy { return NewEnforcer(s, runtime.GOARCH, Options{}) }
	tests := []struct {
		name   string
		policy Policy
		call   string
		args   [3]uintptr
		notify bool
	}{
		{"without a filter's word", decide(nil), "getpriority", [3]uintptr{}, false},
		{"goes on", decide(func(*Call) Verdict { return Verdict{} }), "getpriority", [3]uintptr{}, true},
		{"refused", enforcer(rules(manifest.NetworkNone)), "getpriority", [3]uintptr{}, true},
		{"refused by its arguments", enforcer(rules(manifest.NetworkNone)), "personality", [3]uintptr{7}, true},
		{"refused address", enforcer(rules(manifest.NetworkNone, "connect")), "connect", [3]uintptr{uintptr(socket), pointer(nowhere), uintptr(len(nowhere))}, true},
		{"refused port", enforcer(rules(manifest.NetworkHost, "connect")), "connect", [3]uintptr{uintptr(socket), pointer(nowhere), uintptr(len(nowhere))}, true},
		{"refused program", enforcer(rules(manifest.NetworkNone, "execve")), "execve", [3]uintptr{pointer(program)}, true},
	}
	for _, test := range tests {
		b.Run(test.name, func(b *testing.B) {
			calls := []string{test.call}
			if !test.notify {
				calls = []string{"acct"}
			}
			th := newThread(b, calls...)
			end := th.serve(b.Context(), test.policy)
			number := uintptr(numberOf(test.call))
			b.ReportAllocs()
			th.do(func() {
				before := processorTime(b)
				b.ResetTimer()
				for range b.N {
					unix.Syscall(number, test.args[0], test.args[1], test.args[2])
				}
				b.StopTimer()
				b.ReportMetric(float64(processorTime(b)-before)/float64(b.N), "cpu-ns/op")
			})
			if _, err := end(); err != nil {
				b.Error(err)
			}
		})
	}
	runtime.KeepAlive(nowhere)
	runtime.KeepAlive(program)
}

// processorTime is what this process has taken, in nanoseconds.
func processorTime(b *testing.B) int64 {
	var usage unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return usage.Utime.Nano() + usage.Stime.Nano()
}
