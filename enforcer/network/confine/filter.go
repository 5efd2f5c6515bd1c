package confine

import (
	"errors"
	"fmt"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/enforcer/filter/bpf"
)

// errnoAction is SECCOMP_RET_ERRNO of linux/seccomp.h.
const errnoAction = 0x00050000

// filter puts the filter on all threads (SECCOMP_FILTER_FLAG_TSYNC), with
// no_new_privs.
func filter() error {
	p, err := program(unix.Getpid())
	if err != nil {
		return fmt.Errorf("making the filter: %w", err)
	}
	raw := p.Bytes()
	prog := unix.SockFprog{Len: uint16(len(p)), Filter: (*unix.SockFilter)(unsafe.Pointer(unsafe.SliceData(raw)))}
	other, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&prog)))
	runtime.KeepAlive(raw)
	if errno != 0 {
		return fmt.Errorf("installing the filter: %w", errno)
	}
	if other != 0 {
		return errors.New("installing the filter: a thread has another one")
	}
	return nil
}

// program allows what is in the list, and says of everything else that the kernel
// does not have it (ENOSYS). A list of what is allowed is the smaller one, and
// the only one that is closed to what later kernels bring. It is safe with the Go
// runtime for the same reason: Go runs on kernels as old as Linux 3.17, so that
// what its runtime calls beyond these, now or in a later release, it must be able
// to do without.
func program(pid int) (bpf.Program, error) {
	arch, ok := architecture(runtime.GOARCH)
	if !ok {
		return nil, fmt.Errorf("no filter for %s", runtime.GOARCH)
	}
	return bpf.Allow(arch, allowed(uint32(pid)), errnoAction|uint32(unix.ENOSYS))
}

func architecture(name string) (uint32, bool) {
	switch name {
	case "amd64":
		return bpf.ArchX86_64, true
	case "arm64":
		return bpf.ArchAArch64, true
	}
	return 0, false
}
