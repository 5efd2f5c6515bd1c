package cmd_test

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/manifest"
)

// wide grants all calls that are not special, and those of the special ones
// that ordinary programs make, every program of the image, and room in /tmp.
func wide() *manifest.Manifest {
	m := calls("clone", "ioctl", "prctl", "process_vm_readv", "process_vm_writev", "ptrace", "socket")
	for _, info := range manifest.SyscallTable(m.Syscalls.Architecture) {
		if info.Level == manifest.Dangerous && !slices.ContainsFunc(m.Syscalls.Allow, func(s manifest.Syscall) bool { return s.Name == info.Name }) {
			m.Syscalls.Allow = append(m.Syscalls.Allow, manifest.Syscall{Name: info.Name})
		}
	}
	m.Filesystem.Writable = []manifest.WritablePath{{Path: "/tmp", Size: 256 << 20}}
	m.Resources = manifest.Resources{Memory: 1 << 30, PIDs: 1024, OpenFiles: 1024, FileSize: 256 << 20}
	return m
}

// shares is how many containers divide stress-ng's stressors among them, for
// the time that it takes.
const shares = 4

// TestTortureStress runs the stressors of the operating system that stress-ng
// has, and calls with arguments that are none, in containers that may do
// nearly everything. The machine does not notice. Which stressors cannot run
// in a container is for stress-ng to say: it leaves them out.
func TestTortureStress(t *testing.T) {
	o := newTorture(t, "stress", wide())
	all := o.stressors(t)
	chosen := slices.Clone(all)
	rand.Shuffle(len(chosen), func(i, j int) { chosen[i], chosen[j] = chosen[j], chosen[i] })
	chosen = chosen[:min(len(chosen), size(t, "LPM_TORTURE_STRESSORS", 80))]
	before := machineState(t)
	t.Run("os", func(t *testing.T) {
		// stress-ng collects none of the orphans that it makes, whose bound is
		// then reached before long.
		o.flags = []string{"--init"}
		defer func() { o.flags = nil }()
		t.Logf("%d of %d stressors: %s", len(chosen), len(all), strings.Join(chosen, " "))
		var running sync.WaitGroup
		shares := min(shares, len(chosen))
		for share := range shares {
			running.Go(func() {
				others := slices.DeleteFunc(slices.Clone(all), func(name string) bool {
					i := slices.Index(chosen, name)
					return i >= 0 && i%shares == share
				})
				o.stress(t, "--class", "os", "--sequential", "1", "--timeout", "1", "--exclude", strings.Join(others, ","))
			})
		}
		running.Wait()
	})
	t.Run("sysinval", func(t *testing.T) { o.stress(t, "--sysinval", "1", "--pathological", "--timeout", "5") })
	t.Run("sysinval in a range", func(t *testing.T) {
		m := wide()
		m.Identity.Mode = manifest.IdentityRange
		o.approve(m)
		o.stress(t, "--sysinval", "1", "--pathological", "--timeout", "5")
	})
	o.clean(t)
	before.same(t)
	if err := o.sound(); err != nil {
		t.Error(err)
	}
}

// stressors lists those of the class os.
func (o *torture) stressors(t *testing.T) []string {
	t.Helper()
	out, _ := o.command("run", "-q", "--best-effort", o.image, "--", "--class", "os?").CombinedOutput()
	_, list, ok := strings.Cut(string(out), "class 'os' stressors:")
	list, _, _ = strings.Cut(list, "\n")
	names := strings.Fields(list)
	if !ok || len(names) < 100 {
		t.Fatalf("stress-ng does not list its stressors:\n%s", out)
	}
	return names
}

// stress runs stress-ng in a container until it ends, or is ended. What one of
// its processes can have of memory is bounded here as well, for where there is
// no cgroup nothing else does.
func (o *torture) stress(t *testing.T, args ...string) {
	cmd := exec.Command("sh", slices.Concat([]string{
		"-c", `ulimit -v 4194304; exec "$@"`, "sh",
		o.lpm, "run", "-q", "--best-effort", "-e", tokenName, "--denials", filepath.Join(t.TempDir(), "denials"),
	}, o.flags, []string{o.image, "--", "--timestamp", "--oomable", "--temp-path", "/tmp"}, args)...)
	cmd.Env = o.env
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Error(err)
		return
	}
	begun := time.Now()
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	var err error
	select {
	case err = <-ended:
	case <-time.After(4 * time.Minute):
		t.Logf("%q is ended, for it does not end:\n%s", args, o.waiting())
		cmd.Process.Signal(syscall.SIGTERM)
		select {
		case err = <-ended:
		case <-time.After(patience):
			// A stressor may be deaf to that, as one that executes random
			// instructions can make itself. But lpm must owe it no answer.
			report := o.waiting()
			t.Logf("it is killed:\n%s", report)
			if strings.Contains(report, "seccomp") {
				t.Error("calls wait for the supervisor")
			}
			cmd.Process.Kill()
			<-ended
		}
	}
	text := out.String()
	left := regexp.MustCompile(`(?m)^stress-ng: .*skipp`).FindAllString(text, -1)
	t.Logf("%v, exit code %d, %d lines, %d of them of what is left out", time.Since(begun).Round(time.Second), code(err), strings.Count(text, "\n"), len(left))
	// It does run: lpm's own failures, and a program that was not found,
	// have codes of their own.
	if got := code(err); got >= 125 && got < 128 || !strings.Contains(text, "dispatching hogs") {
		t.Errorf("stress-ng does not run: %d\n%s", got, text)
	}
}

// waiting says what the processes that have come of this lpm wait for, each with
// the numbers of the call that it is in, and of its arguments. stress-ng's write
// their names over what has the token.
func (o *torture) waiting() string {
	pids := o.alive()
	for i := 0; i < len(pids); i++ {
		for _, child := range childrenOf(o.t, pids[i]) {
			if !slices.Contains(pids, child) {
				pids = append(pids, child)
			}
		}
	}
	var lines strings.Builder
	for _, pid := range pids {
		fmt.Fprintf(&lines, "%d %s, child of %s: %s in %s, call %s\n", pid, field(o.t, pid, "Name"), field(o.t, pid, "PPid"),
			field(o.t, pid, "State"), procFile(pid, "wchan"), strings.TrimSpace(procFile(pid, "syscall")))
	}
	return lines.String()
}

// machine is what of a machine must not change, by what it is of.
type machine map[string]string

// volatile are the sysctls that change by themselves.
func volatile(name string) bool {
	for _, each := range []string{
		"fs/aio-nr", "fs/dentry-state", "fs/file-nr", "fs/inode-nr", "fs/inode-state", "fs/quota/", "kernel/ns_last_pid",
		"kernel/perf_event_max_sample_rate", "kernel/pty/nr", "kernel/random/", "net/netfilter/nf_conntrack_count",
	} {
		if strings.HasPrefix(name, each) {
			return true
		}
	}
	return false
}

// machineState looks at all that a container could change and has nothing to
// do with.
func machineState(t *testing.T) machine {
	t.Helper()
	m := machine{}
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		t.Fatal(err)
	}
	m["host name"] = unix.ByteSliceToString(name.Nodename[:]) + " " + unix.ByteSliceToString(name.Domainname[:])
	for _, file := range []string{
		"/proc/modules", "/proc/swaps", "/proc/sysvipc/msg", "/proc/sysvipc/sem", "/proc/sysvipc/shm",
		"/proc/self/limits", "/proc/self/uid_map", "/proc/self/cgroup", "/proc/cmdline",
	} {
		// A kernel without modules has no list of them.
		content, err := os.ReadFile(file)
		m[file] = string(content)
		if err != nil {
			m[file] = err.Error()
		}
	}
	for _, dir := range []string{"/dev/mqueue", "/dev/shm", "/sys/class/net"} {
		m[dir] = strings.Join(entriesOf(dir), " ")
	}
	for _, line := range mountinfo(t) {
		m["mount "+line] = "there"
	}
	m.sysctls()
	m["clock"] = clockOffset().Round(10 * time.Second).String()
	m["kernel log"] = strings.Join(alarms(), "\n")
	return m
}

// mountinfo returns this process's mounts, without those of others that build
// something in a temporary folder.
func mountinfo(t *testing.T) []string {
	t.Helper()
	content, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(content)), "\n")
	return slices.DeleteFunc(lines, func(line string) bool { return strings.Contains(line, " /tmp/") })
}

// entriesOf returns what is in a folder that may not be there.
func entriesOf(dir string) []string {
	entries, _ := os.ReadDir(dir)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// sysctls notes those that can be read. The taints of the kernel, which has
// one for every oops, are among them.
func (m machine) sysctls() {
	for _, group := range []string{"kernel", "vm", "fs", "net"} {
		// A walk that cannot enter a folder goes on.
		_ = filepath.WalkDir(filepath.Join("/proc/sys", group), func(path string, d os.DirEntry, err error) error {
			name := strings.TrimPrefix(path, "/proc/sys/")
			if err != nil || d.IsDir() || volatile(name) {
				return nil
			}
			if content, err := os.ReadFile(path); err == nil {
				m[name] = string(content)
			}
			return nil
		})
	}
}

// clockOffset is how far the clock of the day is from that since the start.
func clockOffset() time.Duration {
	var day, start unix.Timespec
	if unix.ClockGettime(unix.CLOCK_REALTIME, &day) != nil || unix.ClockGettime(unix.CLOCK_BOOTTIME, &start) != nil {
		return 0
	}
	return time.Duration(day.Nano() - start.Nano())
}

// alarms are the lines of the kernel's log that tell of a fault of its own, as
// far as the log can be read.
func alarms() []string {
	const readAll = 3 // SYSLOG_ACTION_READ_ALL of syslog(2)
	log := make([]byte, 1<<20)
	n, err := unix.Klogctl(readAll, log)
	if err != nil {
		return []string{err.Error()}
	}
	return regexp.MustCompile(`(?m)^.*(Oops|BUG:|WARNING: CPU|Kernel panic|INFO: rcu|hung_task|blocked for more than).*$`).FindAllString(string(log[:n]), -1)
}

// same wants the machine to be as it was; what is mounted in addition,
// [torture.clean] looks for. Others use it too: what they change for a moment
// is waited for.
func (m machine) same(t *testing.T) {
	t.Helper()
	changed := settled(func() string {
		is := machineState(t)
		var lines []string
		for _, name := range slices.Sorted(maps.Keys(m)) {
			if is[name] != m[name] {
				lines = append(lines, fmt.Sprintf("%s:\n%s\nwas\n%s", name, is[name], m[name]))
			}
		}
		return strings.Join(lines, "\n")
	})
	if changed != "" {
		t.Errorf("the machine has changed:\n%s", changed)
	}
}
