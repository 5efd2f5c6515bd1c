package enforcer_test

import (
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/manifest"
)

// kernelAttacks try what the kernel offers beyond ordinary calls.
func kernelAttacks() []attack {
	return []attack{
		{
			name: "bpf", source: "CVE-2021-3490, CVE-2023-2163", tries: "loads an eBPF program",
			grant: calls("bpf"), unless: setting("kernel/unprivileged_bpf_disabled", "0"),
		},
		{
			name: "x32", source: "seccomp(2), NOTES; CVE-2009-0835", tries: "makes a call by its x32 number",
			dies: "SIGSYS", plain: "SUCCEEDED", unless: noX32,
		},
	}
}

// calls grants calls without conditions.
func calls(names ...string) func(m *manifest.Manifest) {
	return func(m *manifest.Manifest) { grant(m, names...) }
}

// setting is a reason where a sysctl has another value than the attempt needs.
func setting(name, needs string) func(l *lab) string {
	return func(*lab) string {
		value, err := os.ReadFile("/proc/sys/" + name)
		if err != nil {
			return err.Error()
		}
		if got := strings.TrimSpace(string(value)); got != needs {
			return name + " is " + got + ", not " + needs
		}
		return ""
	}
}

func noX32(*lab) string {
	const x32 = 0x40000000
	if _, _, errno := unix.RawSyscall(x32|unix.SYS_GETPID, 0, 0, 0); errno != 0 {
		return "the kernel has no x32 calls"
	}
	return ""
}
