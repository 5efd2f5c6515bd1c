package host

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// preparation is what this test program does to itself, in user and mount
// namespaces of its own, before it inspects the machine: it then meets a real
// machine that lacks something.
type preparation struct {
	// Write is written to files, such as sysctls of the namespace.
	Write map[string]string `json:",omitempty"`
	// Tmpfs is mounted at paths, with these options.
	Tmpfs map[string]string `json:",omitempty"`
	// Stacked mounts an overlay over an overlay at a path.
	Stacked string `json:",omitempty"`
	// Old has the kernel give a release of long ago.
	Old bool `json:",omitempty"`
	// Supervised puts a seccomp listener above the program.
	Supervised bool `json:",omitempty"`
	// Deny has system calls fail with an error.
	Deny map[int]unix.Errno `json:",omitempty"`
	// Data is the data folder.
	Data string `json:",omitempty"`
}

// preparedVariable holds a preparation for the program that it starts.
const preparedVariable = "LPM_TEST_PREPARED"

// TestMain also plays that program, which prints what it finds.
func TestMain(m *testing.M) {
	text := os.Getenv(preparedVariable)
	if text == "" {
		os.Exit(m.Run())
	}
	var p preparation
	err := json.Unmarshal([]byte(text), &p)
	if err == nil {
		err = p.apply()
	}
	if err == nil {
		var found []Finding
		if found, err = Inspect(context.Background(), p.Data); err == nil {
			err = json.NewEncoder(os.Stdout).Encode(found)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

func (p preparation) apply() error {
	// What is set for one thread must be for the one that goes on.
	runtime.LockOSThread()
	var errs []error
	for path, content := range p.Write {
		errs = append(errs, os.WriteFile(path, []byte(content), 0))
	}
	for path, options := range p.Tmpfs {
		flags := uintptr(0)
		if options == "ro" {
			flags, options = unix.MS_RDONLY, ""
		}
		errs = append(errs, unix.Mount("tmpfs", path, "tmpfs", flags, options))
	}
	if p.Stacked != "" {
		errs = append(errs, stack(p.Stacked))
	}
	if p.Old {
		const uname26 = 0x0020000
		if _, _, errno := unix.RawSyscall(unix.SYS_PERSONALITY, uname26, 0, 0); errno != 0 {
			errs = append(errs, errno)
		}
	}
	if p.Supervised {
		errs = append(errs, filtered(unix.SECCOMP_FILTER_FLAG_NEW_LISTENER|unix.SECCOMP_FILTER_FLAG_TSYNC_ESRCH, nil))
	}
	if p.Deny != nil {
		errs = append(errs, filtered(0, p.Deny))
	}
	return errors.Join(errs...)
}

// stack mounts two overlays over each other, which is as many as the kernel
// allows.
func stack(at string) error {
	var errs []error
	lower := at
	for _, name := range []string{"first", "second"} {
		space := filepath.Join(at, name)
		errs = append(errs, os.Mkdir(space, 0o755), unix.Mount("tmpfs", space, "tmpfs", 0, ""))
		for _, dir := range []string{"upper", "work", "merged", "lower"} {
			errs = append(errs, os.Mkdir(filepath.Join(space, dir), 0o755))
		}
		if lower == at {
			lower = filepath.Join(space, "lower")
		}
		merged := filepath.Join(space, "merged")
		errs = append(errs, unix.Mount("overlay", merged, "overlay", 0,
			fmt.Sprintf("lowerdir=%s,upperdir=%s,workdir=%s,userxattr", lower, filepath.Join(space, "upper"), filepath.Join(space, "work"))))
		lower = merged
	}
	return errors.Join(errs...)
}

// filtered loads a filter for all threads.
func filtered(flags uintptr, deny map[int]unix.Errno) error {
	program := []unix.SockFilter{{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS}} // the number
	for number, errno := range deny {
		program = append(program,
			unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: uint32(number), Jf: 1},
			unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(errno)})
	}
	program = append(program, unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW})
	prog := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	_, _, errno := unix.RawSyscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, flags|unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&prog)))
	if errno != 0 {
		return fmt.Errorf("loading a filter: %w", errno)
	}
	return nil
}

// inspectPrepared returns what a prepared program finds, by name.
func inspectPrepared(t *testing.T, p preparation) map[string]Finding {
	t.Helper()
	text, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	out, stderr, err := runPrepared(string(text))
	// The C library makes threads by clone3. Whether Go wants one when that
	// call is denied already, is chance.
	for try := 0; err != nil && strings.Contains(stderr, "pthread_create failed") && try < 20; try++ {
		out, stderr, err = runPrepared(string(text))
	}
	if err != nil {
		t.Fatalf("%v: %s", err, stderr)
	}
	var list []Finding
	if err := json.Unmarshal(out, &list); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	found := map[string]Finding{}
	for _, f := range list {
		found[f.Name] = f
	}
	return found
}

// runPrepared runs this test program with a preparation.
func runPrepared(text string) (out []byte, stderr string, err error) {
	child := exec.Command("/proc/self/exe")
	child.Env = append(os.Environ(), preparedVariable+"="+text)
	child.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	var errs strings.Builder
	child.Stderr = &errs
	out, err = child.Output()
	return out, errs.String(), err
}

// TestLacking inspects machines that lack something. Each case names findings
// with their state and a part of their hint, or of their detail where they are
// inconclusive.
func TestLacking(t *testing.T) {
	type want map[string][2]string
	missing := func(hint string) [2]string { return [2]string{string(Missing), hint} }
	unknown := func(detail string) [2]string { return [2]string{string(Inconclusive), detail} }
	present := [2]string{string(Present), ""}
	deny := func(errno unix.Errno, calls ...int) preparation {
		p := preparation{Deny: map[int]unix.Errno{}}
		for _, c := range calls {
			p.Deny[c] = errno
		}
		return p
	}
	const seccomp = unix.SYS_SECCOMP
	sysctl := func(name string) preparation {
		return preparation{Write: map[string]string{"/proc/sys/user/" + name: "0"}}
	}
	dir := t.TempDir()
	loop := filepath.Join(dir, "loop")
	if err := os.Symlink("loop", loop); err != nil {
		t.Fatal(err)
	}
	place := func(name string) string {
		path := filepath.Join(dir, name)
		if err := os.Mkdir(path, 0o755); err != nil {
			t.Fatal(err)
		}
		return path
	}
	readOnly, full, small, stacked := place("read-only"), place("full"), place("small"), place("stacked")
	tests := []struct {
		name string
		preparation
		want want
	}{
		{"nothing", preparation{}, want{
			"user-namespaces": present, "namespace-net": present, "proc": present, "overlay": present, "whiteouts": present,
			"seccomp-notification": present, "process-access": present, "landlock": present, "terminals": present,
			"veth": present, "packet-sockets": present, "kcmp": present,
			// In a namespace that has one id there is no range to map.
			"subordinate-ids": missing("apt-get install --reinstall uidmap"),
		}},
		{"an old kernel", preparation{Old: true}, want{"kernel": missing("5.14"), "clone3": present}},
		{"no word about the kernel", deny(unix.EIO, unix.SYS_UNAME), want{"kernel": unknown("input/output error")}},

		{"a data folder that is read-only", preparation{Tmpfs: map[string]string{readOnly: "ro"}, Data: filepath.Join(readOnly, "lpm")}, want{
			"data-folder": missing("XDG_DATA_HOME"), "data-space": unknown("data-folder"), "overlay": unknown("data-folder"),
		}},
		{"a data folder without an inode left", preparation{Tmpfs: map[string]string{full: "nr_inodes=1"}, Data: full}, want{
			"data-folder": missing("lpm prune"),
		}},
		{"a data folder behind a loop", preparation{Data: filepath.Join(loop, "lpm")}, want{"data-folder": unknown("symbolic links")}},
		{"little space", preparation{Tmpfs: map[string]string{small: "size=1m"}, Data: small}, want{
			"data-folder": present, "data-space": missing("lpm prune"), "overlay": present,
		}},
		{"no word about the space", deny(unix.EIO, unix.SYS_STATFS), want{"data-space": unknown("input/output error")}},

		{"no clone3", deny(unix.ENOSYS, unix.SYS_CLONE3), want{
			"clone3": missing("seccomp=unconfined"), "user-namespaces": unknown("clone3"), "clone-into-cgroup": unknown("clone3"),
		}},
		{"a clone3 of few flags", deny(unix.EINVAL, unix.SYS_CLONE3), want{
			"clone3": present, "clone-into-cgroup": missing("5.7"), "user-namespaces": missing("CONFIG_USER_NS"),
		}},
		{"no word about clone3", deny(unix.ENOMEM, unix.SYS_CLONE3), want{"clone3": unknown("cannot allocate memory")}},
		{"user namespaces switched off", sysctl("max_user_namespaces"), want{
			"user-namespaces": missing("user.max_user_namespaces="), "max-user-namespaces": missing("user.max_user_namespaces="),
			"namespace-pid": unknown("user-namespaces"), "proc": unknown("user-namespaces"), "process-access": unknown("user-namespaces"),
		}},
		{"capabilities that are worth nothing", deny(unix.EPERM, unix.SYS_PRCTL), want{"user-namespaces": missing("")}},
		{"no memory for the maps", deny(unix.ENOMEM, unix.SYS_PRCTL), want{"user-namespaces": unknown("cannot allocate memory")}},

		{"no mount namespaces", sysctl("max_mnt_namespaces"), want{
			"user-namespaces": present, "namespace-mount": missing("user.max_mnt_namespaces="), "namespace-net": present, "tmpfs": unknown("namespace-mount"),
		}},
		{"no pid namespaces", sysctl("max_pid_namespaces"), want{"namespace-pid": missing("user.max_pid_namespaces="), "namespace-uts": present}},
		{"no ipc namespaces", sysctl("max_ipc_namespaces"), want{"namespace-ipc": missing("user.max_ipc_namespaces="), "proc": present}},
		{"no uts namespaces", sysctl("max_uts_namespaces"), want{"namespace-uts": missing("user.max_uts_namespaces="), "proc": present}},
		{"no cgroup namespaces", sysctl("max_cgroup_namespaces"), want{"namespace-cgroup": missing("user.max_cgroup_namespaces="), "proc": present}},
		{"no net namespaces", sysctl("max_net_namespaces"), want{
			"namespace-net": missing("user.max_net_namespaces="), "proc": present, "veth": unknown("namespace-net"), "packet-sockets": unknown("namespace-net"),
		}},

		{"no interfaces", deny(unix.EAFNOSUPPORT, unix.SYS_SOCKET), want{
			"veth": missing("modprobe veth"), "packet-sockets": unknown("veth"), "echo-sockets": unknown("not supported"),
		}},
		{"a kernel that makes no pairs", deny(unix.EAGAIN, unix.SYS_SENDTO), want{"veth": unknown("temporarily unavailable")}},
		{"no packet sockets", deny(unix.ENOPROTOOPT, unix.SYS_SETSOCKOPT), want{"veth": present, "packet-sockets": missing("modprobe af_packet")}},
		{"no echo requests", deny(unix.EACCES, unix.SYS_SOCKET), want{"echo-sockets": missing("net.ipv4.ping_group_range")}},
		{"no comparing", deny(unix.ENOSYS, unix.SYS_KCMP), want{"kcmp": missing("CONFIG_KCMP")}},
		{"a profile without comparing", deny(unix.EPERM, unix.SYS_KCMP), want{"kcmp": missing("seccomp=unconfined")}},
		{"no word about comparing", deny(unix.EIO, unix.SYS_KCMP), want{"kcmp": unknown("input/output error")}},

		{"an old mount call alone", deny(unix.ENOSYS, unix.SYS_MOVE_MOUNT), want{"mount-api": missing("5.12"), "proc": unknown("mount-api")}},
		{"a container's profile", deny(unix.EPERM, unix.SYS_MOUNT_SETATTR), want{"mount-api": missing("seccomp=unconfined")}},
		{"no memory for mounts", deny(unix.ENOMEM, unix.SYS_OPEN_TREE), want{"mount-api": unknown("cannot allocate memory")}},
		{"a container's /proc", preparation{Tmpfs: map[string]string{"/proc/fs": ""}}, want{
			"proc": missing("systempaths=unconfined"), "tmpfs": present, "overlay": present,
		}},
		{"file systems that are not there", deny(unix.ENODEV, unix.SYS_FSOPEN), want{
			"proc": missing("modprobe proc"), "tmpfs": missing("modprobe tmpfs"), "overlay": unknown("tmpfs"), "terminals": missing("modprobe devpts"),
		}},
		{"no memory for file systems", deny(unix.ENOMEM, unix.SYS_FSOPEN), want{
			"proc": unknown("cannot allocate memory"), "tmpfs": unknown("cannot allocate memory"), "terminals": unknown("cannot allocate memory"),
		}},
		{"a data folder in overlays", preparation{Stacked: stacked, Data: filepath.Join(stacked, "second", "merged", "lpm")}, want{
			"data-folder": present, "overlay": missing("XDG_DATA_HOME"), "whiteouts": unknown("overlay"),
		}},
		{"no word about overlays", deny(unix.EIO, unix.SYS_CHDIR), want{"overlay": unknown("input/output error"), "tmpfs": present}},
		{"a file system without whiteouts", deny(unix.EPERM, nodeCalls()...), want{"overlay": present, "whiteouts": missing("XDG_DATA_HOME")}},
		{"no word about whiteouts", deny(unix.EIO, nodeCalls()...), want{"whiteouts": unknown("input/output error")}},
		{"no terminals", preparation{Tmpfs: map[string]string{"/dev": ""}}, want{"terminals": missing("devpts")}},

		{"no openat2", deny(unix.ENOSYS, unix.SYS_OPENAT2), want{"openat2": missing("5.6"), "overlay": unknown("openat2")}},
		{"a profile without openat2", deny(unix.EPERM, unix.SYS_OPENAT2), want{"openat2": missing("seccomp=unconfined")}},
		{"no word about openat2", deny(unix.EIO, unix.SYS_OPENAT2), want{"openat2": unknown("input/output error")}},
		{"no close_range", deny(unix.ENOSYS, unix.SYS_CLOSE_RANGE), want{"close-range": missing("5.11")}},
		{"no word about close_range", deny(unix.EIO, unix.SYS_CLOSE_RANGE), want{"close-range": unknown("input/output error")}},

		{"no Landlock", deny(unix.EOPNOTSUPP, unix.SYS_LANDLOCK_CREATE_RULESET), want{
			"landlock": missing("lsm="), "landlock-ports": missing("6.7"), "landlock-scopes": missing("6.12"),
		}},
		{"no word about Landlock", deny(unix.EIO, unix.SYS_LANDLOCK_CREATE_RULESET), want{
			"landlock": unknown("input/output error"), "landlock-ports": unknown("input/output error"), "landlock-scopes": unknown("input/output error"),
		}},

		{"a supervisor above", preparation{Supervised: true}, want{"seccomp-notification": missing("supervisor"), "seccomp-wake-up": unknown("seccomp-notification")}},
		{"no notification", deny(unix.EINVAL, seccomp), want{
			"seccomp-notification": missing("CONFIG_SECCOMP_FILTER"), "seccomp-wait-killable": missing("5.19"), "seccomp-wake-up": unknown("seccomp-notification"),
		}},
		{"no word about seccomp", deny(unix.ENOMEM, seccomp), want{
			"seccomp-notification": unknown("cannot allocate memory"), "seccomp-wait-killable": unknown("cannot allocate memory"),
		}},
		{"answers that wake nobody at once", deny(unix.EINVAL, unix.SYS_IOCTL), want{"seccomp-notification": present, "seccomp-wake-up": missing("6.6")}},
		{"no word about wake-ups", deny(unix.ENOMEM, unix.SYS_IOCTL), want{"seccomp-wake-up": unknown("cannot allocate memory")}},

		{"no descriptors of children", deny(unix.EPERM, unix.SYS_PIDFD_GETFD), want{"process-access": missing("seccomp=unconfined")}},
		{"no memory of children", deny(unix.ENOSYS, unix.SYS_PROCESS_VM_READV), want{"process-access": missing("CONFIG_CROSS_MEMORY_ATTACH")}},
		{"no word about children", deny(unix.ENOMEM, unix.SYS_PIDFD_GETFD), want{"process-access": unknown("cannot allocate memory")}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if test.Data == "" {
				test.Data = t.TempDir()
			}
			found := inspectPrepared(t, test.preparation)
			for name, state := range test.want {
				f, ok := found[name]
				text := f.Hint
				if f.State == Inconclusive {
					text = f.Detail
				}
				if !ok || string(f.State) != state[0] || !strings.Contains(text, state[1]) {
					t.Errorf("%s: got %+v, want %s with %q", name, f, state[0], state[1])
				}
			}
			if left, err := filepath.Glob(filepath.Join(test.Data, ".lpm-doctor-*")); err != nil || len(left) > 0 {
				t.Errorf("left behind: %q, %v", left, err)
			}
		})
	}
}
