package enforcer_test

import (
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/manifest"
)

// processAttacks reach for processes of the host, outlive the container, or
// take more of the machine than is theirs.
func processAttacks() []attack {
	self := func(*testing.T, *lab) ([]string, func(outcome) bool) { return []string{strconv.Itoa(os.Getpid())}, nil }
	return []attack{
		{
			name: "kill_host", source: "kill(2), pid_namespaces(7)", tries: "kills a process of the host",
			plain: "SUCCEEDED", setup: victim,
		},
		{
			name: "kill_all", source: "kill(2)", tries: "kills every process that it can",
			setup: victim, bare: "refused: kill: no effect",
		},
		{
			name: "kill_group", source: "kill(2)", tries: "signals the process group of lpm",
			setup: grouped, plain: "SUCCEEDED",
		},
		{
			name: "kill_launcher", source: "kill(2)", tries: "signals the lpm that runs it",
			setup: self, plain: "SUCCEEDED",
		},
		{
			name: "ptrace_host", source: "ptrace(2); CDK check-ptrace", tries: "takes a process of the host over",
			base: calls("ptrace"), setup: victim, plain: "SUCCEEDED", unless: sysctl("kernel/yama/ptrace_scope", 0, 0),
		},
		{
			name: "pidfd_host", source: "pidfd_open(2)", tries: "opens a process of the host",
			setup: victim, plain: "SUCCEEDED",
		},
		{
			name: "prlimit_host", source: "prlimit(2)", tries: "changes the limits of a process of the host",
			setup: victim, plain: "SUCCEEDED",
		},
		{
			name: "orphan", source: "daemon(3), prctl(2)", tries: "leaves a process behind that outlives the container",
			plain: "SUCCEEDED",
		},
		{
			name: "thread_bomb", source: "cgroups(7)", tries: "starts more threads than it may have processes",
			base: processes(20), grant: processes(1000),
		},
		{
			name: "nested_bomb", source: "user_namespaces(7); CVE-2022-24122", tries: "starts more processes than it may, in a user namespace",
			base: both(calls("unshare"), processes(20)), grant: processes(1000),
		},
		peerProcess(),
		{
			name: "rlimit_core", source: "core(5)", tries: "allows itself to dump core",
			grant: capability("CAP_SYS_RESOURCE"), never: hostsOwn, plain: "SUCCEEDED", unless: limit(unix.RLIMIT_CORE, 1<<20),
		},
		{
			name: "core_dump", source: "core(5); CDK mount-procfs", tries: "dumps core, for which the host may start a program",
			plain: "SUCCEEDED", unless: limit(unix.RLIMIT_CORE, 1<<20),
		},
		{
			name: "sched_fifo", source: "sched_setscheduler(2)", tries: "takes a processor for itself",
			grant:  both(calls("sched_setscheduler", "sched_getscheduler"), capability("CAP_SYS_NICE")),
			unless: limit(unix.RLIMIT_RTPRIO, 1),
		},
		{
			name: "nice", source: "setpriority(2)", tries: "runs before others",
			grant: both(calls("setpriority"), capability("CAP_SYS_NICE")), unless: limit(unix.RLIMIT_NICE, 40),
		},
		{
			name: "ioprio", source: "ioprio_set(2)", tries: "has its input and output done first",
			grant: both(calls("ioprio_set", "ioprio_get"), capability("CAP_SYS_NICE")), never: hostsOwn,
		},
		{
			name: "oom_score", source: "proc(5)", tries: "has everybody else killed first when memory runs out",
			grant: capability("CAP_SYS_RESOURCE"), never: hostsOwn,
		},
	}
}

// peerProcess is aimed at a server whose socket is in a folder that the
// container may read.
func peerProcess() attack {
	var folder sharedFolder
	return attack{
		name: "peer_process", source: "unix(7), SO_PEERPIDFD; pidfd_send_signal(2)", tries: "signals the server at the other end of a socket",
		base: folder.readOnly, plain: "SUCCEEDED",
		setup: func(t *testing.T, _ *lab) ([]string, func(outcome) bool) {
			folder.path = t.TempDir()
			socket := filepath.Join(folder.path, "socket")
			server, err := net.Listen("unix", socket)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { server.Close() })
			return []string{socket}, nil
		},
	}
}

// processes bounds the container's processes.
func processes(n int64) func(m *manifest.Manifest) {
	return func(m *manifest.Manifest) { m.Resources.PIDs = n }
}

// victim is a process of the host, which is not to end.
func victim(t *testing.T, _ *lab) ([]string, func(outcome) bool) {
	t.Helper()
	cmd := exec.Command("sleep", "600")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { cmd.Wait(); close(ended) }()
	t.Cleanup(func() { cmd.Process.Kill(); <-ended })
	return []string{strconv.Itoa(cmd.Process.Pid)}, func(outcome) bool { return arrives(ended) }
}

// grouped looks out for the signal that the attempt sends to its process
// group.
func grouped(t *testing.T, _ *lab) ([]string, func(outcome) bool) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGWINCH)
	t.Cleanup(func() { signal.Stop(signals) })
	return nil, func(outcome) bool { return arrives(signals) }
}

// arrives waits a moment for what either comes now or never.
func arrives[T any](c <-chan T) bool {
	select {
	case <-c:
		return true
	case <-time.After(200 * time.Millisecond):
		return false
	}
}
