package workload

import (
	"context"
	"slices"
	"time"

	"github.com/least-privilege/lpm/analyzer"
	"github.com/least-privilege/lpm/analyzer/evidence"
	"github.com/least-privilege/lpm/analyzer/record"
	"github.com/least-privilege/lpm/analyzer/trace"
	"github.com/least-privilege/lpm/enforcer/supervise"
	"github.com/least-privilege/lpm/manifest"
)

// RecorderKind is one of the ways to watch a container.
type RecorderKind string

// The recorders. Both lead to the same kind of record.
const (
	// Seccomp stops each call that is watched; it takes no privilege.
	Seccomp RecorderKind = "seccomp"
	// EBPF counts inside the kernel, and takes root.
	EBPF RecorderKind = "ebpf"
)

// recorder is what watches a run.
type recorder interface {
	supervise.Policy
	// watch begins with the container's first process, which has not
	// executed its program yet.
	watch(pid int) error
	// check begins with a process of the image's health check, which has not
	// executed its program yet, and returns what answers its calls; ended is
	// for its end.
	check(pid int, p evidence.Program) (policy supervise.Policy, ended func(), err error)
	// Sample keeps the peaks of what the container uses.
	Sample(ctx context.Context, pid int, every time.Duration) error
	Record() (*evidence.Record, error)
	Close()
}

func newRecorder(k RecorderKind, o record.Options) (recorder, error) {
	if k == EBPF {
		r, err := trace.New(o)
		return inKernel{r}, err
	}
	r, err := record.New(o)
	return supervised{r}, err
}

// supervised is the recorder that is the policy of a supervisor, and nothing
// else.
type supervised struct{ *record.Recorder }

func (supervised) watch(int) error { return nil }
func (s supervised) check(pid int, p evidence.Program) (supervise.Policy, func(), error) {
	policy, ended := s.Check(pid, p)
	return policy, ended, nil
}
func (s supervised) Record() (*evidence.Record, error) { return s.Recorder.Record(), nil }

// inKernel is the recorder of programs in the kernel.
type inKernel struct{ *trace.Recorder }

func (k inKernel) watch(pid int) error { return k.Watch(pid) }

func (k inKernel) check(pid int, p evidence.Program) (supervise.Policy, func(), error) {
	return k.Check(pid, p)
}

// made is told of the container's first process.
func (r *run) made(pid int) error { return r.recorder.watch(pid) }

// close gives back what the run has held.
func (r *run) close() {
	if r.recorder != nil {
		r.recorder.Close()
	}
	r.tree.Close()
}

// unwatched returns the calls that the filter of a recording lets through. For
// the recorder in the kernel it is all of them but those that cannot be
// watched, which are refused, and the one that the launcher executes the
// program by: the supervisor waits for it.
func (r *run) unwatched(arch string) []manifest.Syscall {
	if r.job.Recorder != EBPF {
		return analyzer.Unwatched(arch)
	}
	var calls []manifest.Syscall
	for _, s := range manifest.SyscallTable(arch) {
		if s.Name != "execveat" && !record.Unwatchable(s.Name) {
			calls = append(calls, manifest.Syscall{Name: s.Name})
		}
	}
	return slices.Clip(calls)
}
