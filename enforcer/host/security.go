package host

import (
	"context"
	"fmt"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/enforcer/plan"
)

func (i *inspection) findLandlock(_ context.Context, f Finding) Finding {
	abi, err := landlockABI()
	f.Hint = "boot a kernel with CONFIG_SECURITY_LANDLOCK=y, and with landlock in the lsm= list of its command line"
	if list, readErr := i.read("/sys/kernel/security/lsm"); readErr == nil && list != "" && !strings.Contains(list, "landlock") {
		f.Hint = "boot with lsm=landlock," + strings.TrimSpace(list) + " on the kernel's command line"
	}
	if abi > 0 {
		f.Detail = landlockDetail(abi)
	}
	return f.settle(abi > 0, err)
}

// landlockDetail says what a version of Landlock has, as far as lpm uses it.
func landlockDetail(abi int) string {
	detail := fmt.Sprintf("ABI %d", abi)
	var lacks []string
	for _, r := range plan.LandlockLacks(abi) {
		lacks = append(lacks, r.String())
	}
	if len(lacks) > 0 {
		detail += ", without " + strings.Join(lacks, ", ")
	}
	return detail
}

func (i *inspection) findLandlockPorts(_ context.Context, f Finding) Finding {
	abi, err := landlockABI()
	return f.landlock("LANDLOCK_ACCESS_NET_", abi, err)
}

func (i *inspection) findLandlockScopes(_ context.Context, f Finding) Finding {
	abi, err := landlockABI()
	return f.landlock("LANDLOCK_SCOPE_", abi, err)
}

// landlock completes a finding about what Landlock calls by such names.
func (f Finding) landlock(prefix string, abi int, err error) Finding {
	for _, r := range plan.LandlockLacks(abi) {
		if strings.HasPrefix(r.Name, prefix) {
			f.Detail = fmt.Sprintf("Landlock's ABI is %d, %d is needed", abi, r.ABI)
			f.Hint = fmt.Sprintf("boot Linux %s or later, with Landlock", r.Linux)
			return f.settle(false, err)
		}
	}
	return f.settle(true, err)
}

// allowAll is a filter that allows every call.
func allowAll() []byte {
	program := unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW}
	return append([]byte(nil), unsafe.Slice((*byte)(unsafe.Pointer(&program)), unsafe.Sizeof(program))...)
}

func (i *inspection) findNotification(_ context.Context, f Finding) Finding {
	return f.tried(i.try(plan.TrialListener(), allowAll()))
}

func (i *inspection) findWaitKillable(_ context.Context, f Finding) Finding {
	return f.settle(waitKillable())
}

func (i *inspection) findWakeUp(_ context.Context, f Finding) Finding {
	return f.tried(i.try(plan.TrialWakeUp(), allowAll()))
}
