package enforcer_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/least-privilege/lpm/manifest"
)

// hostsOwn is why a capability is of no use: it is one of the container's user
// namespace.
const hostsOwn = "the kernel asks for the capability on the host"

// kernelAttacks try what the kernel offers beyond ordinary calls, what ids
// allow, and what is done to processes.
func kernelAttacks() []attack {
	return slices.Concat(subsystemAttacks(), traceAttacks(), namespaceAttacks(), mountAttacks(), socketAttacks(), entryAttacks(), terminalAttacks(), machineAttacks(),
		memoryAttacks(), filterAttacks(), identityAttacks(), processAttacks())
}

// subsystemAttacks use parts of the kernel with calls of their own.
func subsystemAttacks() []attack {
	handles := both(calls("open_by_handle_at"), capability("CAP_DAC_READ_SEARCH"), capability("CAP_SYS_ADMIN"))
	return []attack{
		{
			name: "bpf", source: "CVE-2021-3490, CVE-2023-2163", tries: "loads an eBPF program",
			grant: calls("bpf"), unless: sysctl("kernel/unprivileged_bpf_disabled", 0, 0),
		},
		{
			name: "perf_event", source: "CVE-2013-2094, CVE-2023-6931", tries: "opens a performance event",
			grant: calls("perf_event_open"), unless: sysctl("kernel/perf_event_paranoid", -1, 2),
		},
		{
			name: "perf_event_host", source: "perf_event_open(2); CVE-2020-14351", tries: "watches all that runs on a processor",
			grant: calls("perf_event_open"), unless: sysctl("kernel/perf_event_paranoid", -1, 0),
		},
		{
			name: "userfaultfd", source: "userfaultfd(2); exploits of CVE-2016-6187", tries: "handles its own page faults",
			grant: calls("userfaultfd"),
		},
		{
			name: "io_uring", source: "io_uring(7); CVE-2022-2602, CVE-2023-2598", tries: "opens a folder past the filter",
			grant: calls("io_uring_setup", "io_uring_enter"), unless: sysctl("kernel/io_uring_disabled", 0, 0),
		},
		{
			name: "add_key", source: "CVE-2017-15274", tries: "puts a key into the kernel's memory",
			grant: calls("add_key", "keyctl"),
		},
		{
			name: "keyring_host", source: "keyctl_read(3), user_namespaces(7)", tries: "reads a key of the caller by its number",
			grant: calls("keyctl"),
			setup: func(t *testing.T, _ *lab) ([]string, func(outcome) bool) { return []string{userKey(t)}, nil },
		},
		{
			name: "session_keyring", source: "session-keyring(7); moby's profile", tries: "looks for a key of the caller's session",
			base: calls("keyctl"), plain: "SUCCEEDED",
			setup: func(t *testing.T, _ *lab) ([]string, func(outcome) bool) { return []string{sessionKey(t)}, nil },
		},
		{
			name: "keyring_parent", source: "keyctl_session_to_parent(3)", tries: "gives lpm a session keyring of its own making",
			base: calls("keyctl"), bare: "refused: keyctl: EPERM",
		},
		{
			name: "fanotify", source: "fanotify(7)", tries: "watches what is done to files",
			grant: calls("fanotify_init", "fanotify_mark"),
		},
		{
			name: "memfd_secret", source: "memfd_secret(2)", tries: "makes memory that not even the kernel can read",
			grant: calls("memfd_secret"),
		},
		{
			name: "name_to_handle", source: "name_to_handle_at(2)", tries: "asks for a file's handle",
			grant: calls("name_to_handle_at"),
		},
		{
			name: "open_by_handle", source: "open_by_handle_at(2)", tries: "opens a file by its handle",
			base: calls("name_to_handle_at"), grant: handles, unless: before("6.11"),
		},
		{
			name: "shocker", source: "shocker.c; CDK cap-dac-read-search", tries: "opens the host's root by its handle, from a folder of the host",
			base: grantFolder("/usr"), grant: handles, never: "the kernel opens nothing outside of the folder",
		},
		dirtyPipe(),
	}
}

func dirtyPipe() attack {
	var folder string
	return attack{
		name: "dirty_pipe", source: "CVE-2022-0847", tries: "changes a file of the host that it may only read, by a pipe",
		base:  func(m *manifest.Manifest) { grantFolder(folder)(m) },
		never: "the kernel has been mended (Linux 5.16.11)",
		setup: func(t *testing.T, _ *lab) ([]string, func(outcome) bool) {
			folder = t.TempDir()
			file := filepath.Join(folder, "file")
			if err := os.WriteFile(file, []byte("of the host\n"), 0o644); err != nil {
				t.Fatal(err)
			}
			return nil, func(outcome) bool { return readFile(t, file) != "of the host\n" }
		},
	}
}

// traceAttacks look into other processes of the container.
func traceAttacks() []attack {
	return []attack{
		{
			name: "ptrace_sibling", source: "ptrace(2); CDK check-ptrace", tries: "takes another process of the container over",
			grant: calls("ptrace"),
		},
		{
			name: "ptrace_number", source: "seccomp(2), CAVEATS", tries: "changes a call's number after the filter has looked",
			base: calls("ptrace"), plain: "SUCCEEDED",
		},
		{
			name: "process_vm_readv", source: "process_vm_readv(2)", tries: "reads another process's memory",
			grant: calls("process_vm_readv"),
		},
		{
			name: "process_vm_writev", source: "process_vm_writev(2)", tries: "changes another process's memory",
			grant: calls("process_vm_writev"),
		},
		{
			name: "pidfd_getfd", source: "pidfd_getfd(2)", tries: "copies a descriptor out of another process",
			grant: calls("pidfd_getfd"),
		},
		{
			name: "kcmp", source: "kcmp(2)", tries: "compares kernel objects of two processes",
			grant: calls("kcmp"),
		},
		{
			name: "robust_list", source: "get_robust_list(2)", tries: "asks for another process's addresses",
			grant: calls("get_robust_list"),
		},
	}
}
