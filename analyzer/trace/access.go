package trace

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
	"golang.org/x/sys/unix"
)

// AccessError says that this account, or this kernel, cannot watch from inside
// the kernel.
type AccessError struct {
	Reason string
	hint   string
	Err    error // may be nil
}

func (e *AccessError) Error() string {
	s := "the ebpf recorder cannot be used: " + e.Reason
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns what the kernel said.
func (e *AccessError) Unwrap() error { return e.Err }

// Hint tells the way out.
func (e *AccessError) Hint() string { return e.hint }

const (
	asRoot    = "run it as root, or leave --recorder out: the seccomp recorder takes no privilege"
	otherwise = "leave --recorder out: the seccomp recorder works on this kernel too"
)

// Check reports whether the recorder can be used here, with an [*AccessError]
// where not. It makes nothing that stays.
func Check() error {
	effective, err := capabilities()
	if err != nil {
		return err
	}
	// Before Linux 5.8 all of it was CAP_SYS_ADMIN, which still holds the
	// others. CAP_SYS_PTRACE is for looking at processes of others.
	admin := effective&(1<<unix.CAP_SYS_ADMIN) != 0
	for _, c := range []struct {
		bit  int
		name string
	}{{unix.CAP_BPF, "CAP_BPF"}, {unix.CAP_PERFMON, "CAP_PERFMON"}, {unix.CAP_SYS_PTRACE, "CAP_SYS_PTRACE"}} {
		if effective&(1<<c.bit) == 0 && (!admin || c.bit == unix.CAP_SYS_PTRACE) {
			return &AccessError{Reason: "it takes root, or CAP_BPF, CAP_PERFMON and CAP_SYS_PTRACE, and " + c.name + " is missing", hint: asRoot}
		}
	}
	_, err = kernelTypes()
	return err
}

// capabilities returns the caller's effective ones, by bit.
func capabilities() (uint64, error) {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return 0, fmt.Errorf("asking for this process's capabilities: %w", err)
	}
	return uint64(data[0].Effective) | uint64(data[1].Effective)<<32, nil
}

// kernelTypes returns where the things are that the programs look at.
func kernelTypes() (*layout, error) {
	spec, err := btf.LoadKernelSpec()
	if err != nil {
		return nil, &AccessError{Reason: "this kernel does not describe its types (CONFIG_DEBUG_INFO_BTF)", hint: otherwise, Err: err}
	}
	var check *btf.Typedef
	if err := spec.TypeByName("btf_trace_cap_capable", &check); err != nil {
		return nil, &AccessError{Reason: "this kernel has no tracepoint for capability checks, which came with Linux 6.14", hint: otherwise}
	}
	l, err := newLayout(spec)
	if err != nil {
		return nil, &AccessError{Reason: "this kernel's structures are not those that it knows", hint: otherwise, Err: err}
	}
	return l, nil
}

// explain tells of an error of loading what it comes from, where the kernel
// says no more than EPERM.
func explain(err error) error {
	var refused *ebpf.VerifierError
	switch {
	case errors.As(err, &refused):
		return &AccessError{Reason: "this kernel does not take its programs", hint: otherwise, Err: err}
	case errors.Is(err, unix.EPERM):
		return &AccessError{Reason: "this kernel refuses them here, as a lockdown or a container does", hint: asRoot, Err: err}
	}
	return err
}
