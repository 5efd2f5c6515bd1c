package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/least-privilege/lpm/manifest"
)

// operations lists what the child does, from the user namespace's maps to the
// execution of the program. The order matters: what needs the capabilities of
// the new namespace comes before they are given up, and the filter comes last
// of all, so that it need not allow what lpm itself does.
func (b *builder) operations() error {
	for _, step := range []func() error{
		b.begin, b.root, b.kernelFiles, b.deviceFiles, b.writable, b.mounts,
		b.pivot, b.maskedPaths, b.system, b.session, b.limits, b.landlock,
		b.capabilities, b.seal, b.execute,
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// do appends an operation.
func (b *builder) do(about, call string, args ...Arg) *Op {
	b.plan.Ops = append(b.plan.Ops, Op{Call: call, Args: args, About: about})
	return &b.plan.Ops[len(b.plan.Ops)-1]
}

// open appends an operation that returns a descriptor, and returns its name.
func (b *builder) open(about, call string, args ...Arg) Arg {
	b.named++
	name := fmt.Sprintf("fd%d", b.named)
	b.do(about, call, args...).Out = name
	return fd(name)
}

func text(s string) Arg             { return Arg{Text: &s} }
func number(n int64) Arg            { return Arg{Number: &n} }
func flags(names ...string) Arg     { return Arg{Flags: strings.Join(names, "|")} }
func fd(name string) Arg            { return Arg{FD: name} }
func structure(fields ...Field) Arg { return Arg{Struct: fields} }
func u64(name string, v Arg) Field  { return Field{Name: name, Size: 8, Value: v} }
func u32(name string, v Arg) Field  { return Field{Name: name, Size: 4, Value: v} }
func filter(i int) Arg              { return Arg{Filter: &i} }
func address(of Arg) Arg            { return Arg{Out: of.FD} }
func size(a Arg) Arg                { return number(int64(sizeOf(a))) }
func sizeOf(a Arg) (n int) {
	for _, f := range a.Struct {
		n += f.Size
	}
	return n
}

// null is a null pointer or a zero.
func null() Arg { return number(0) }

// begin waits until the parent has written the id maps.
func (b *builder) begin() error {
	const about = "waiting for the id maps"
	// What the plan makes gets the very mode that it says.
	b.do(about, "umask", null())
	b.do(about, "prctl", flags("PR_SET_PDEATHSIG"), flags("SIGKILL"), null(), null(), null())
	b.do(about, "close", fd("parentEnd"))
	b.do(about, "read", fd("parent"), structure(Field{Name: "byte", Size: 1, Value: null()}), number(1)).Want = "1"
	// Further reads only tell whether the parent is still there.
	b.do(about, "fcntl", fd("parent"), flags("F_SETFL"), flags("O_NONBLOCK"))
	return nil
}

// seal gives up the last ways to gain privileges and loads the filters.
func (b *builder) seal() error {
	const about = "loading the system call filter"
	b.do(about, "prctl", flags("PR_SET_NO_NEW_PRIVS"), number(1), null(), null(), null())
	// The change of ids has taken the death signal back, and has made the
	// process undumpable, so that the parent could not take the listener.
	b.do(about, "prctl", flags("PR_SET_PDEATHSIG"), flags("SIGKILL"), null(), null(), null())
	b.do(about, "prctl", flags("PR_SET_DUMPABLE"), number(1), null(), null(), null())
	b.do(about, "read", fd("parent"), structure(Field{Name: "byte", Size: 1, Value: null()}), number(1)).Want = "EAGAIN"
	b.do(about, "seccomp", flags("SECCOMP_SET_MODE_FILTER"), null(), filter(guardFilter))
	return nil
}

// execute hands the listener over and executes the program.
func (b *builder) execute() error {
	const about = "starting the program"
	p := b.plan.Process
	program := b.at(about, p.Program)
	// The listener takes the lowest free number, which the parent must know
	// beforehand: once the filter is loaded, nothing may be told any more.
	next := b.open(about, "fcntl", fd("status"), flags("F_DUPFD_CLOEXEC"), number(3))
	b.do(about, "close", next)
	b.do(about, "write", fd("status"), address(next), number(4)).Want = "4"
	listener := []string{"SECCOMP_FILTER_FLAG_NEW_LISTENER"}
	if b.Host.WaitKillable {
		// Without it, every signal a Go program sends itself would repeat
		// the call that waits (Linux 5.19).
		listener = append(listener, "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV")
	}
	b.open(about, "seccomp", flags("SECCOMP_SET_MODE_FILTER"), flags(listener...), filter(mainFilter))
	b.do(about, "execveat", program, text(""), Arg{List: p.Args}, Arg{List: p.Env}, flags("AT_EMPTY_PATH"))
	return nil
}

// resolveReal resolves a path that is known to be free of links, and fails if
// it no longer is.
const resolveReal = "RESOLVE_IN_ROOT|RESOLVE_NO_MAGICLINKS|RESOLVE_NO_SYMLINKS"

// how is struct open_how of linux/openat2.h.
func how(open, resolve string) Arg {
	return structure(u64("flags", flags(open)), u64("mode", null()), u64("resolve", flags(resolve)))
}

// system sets what belongs to the UTS and network namespaces.
func (b *builder) system() error {
	b.do("setting the host name", "sethostname", text(hostname), number(int64(len(hostname))))
	if b.networkMode() == manifest.NetworkHost {
		return nil
	}
	const about = "bringing loopback up"
	s := b.open(about, "socket", flags("AF_INET"), flags("SOCK_DGRAM", "SOCK_CLOEXEC"), null())
	b.do(about, "ioctl", s, flags("SIOCSIFFLAGS"), structure(
		Field{Name: "ifr_name", Size: 16, Value: text("lo")},
		Field{Name: "ifr_flags", Size: 2, Value: flags("IFF_UP")},
		Field{Name: "padding", Size: 22, Value: text("")}))
	b.do(about, "close", s)
	return nil
}

// session gives the container a session of its own and its three standard
// descriptors; every other is closed by the execution of the program.
func (b *builder) session() error {
	const about = "setting up the session"
	b.do(about, "setsid")
	for i, name := range []string{"stdin", "stdout", "stderr"} {
		b.do(about, "dup3", fd(name), number(int64(i)), null())
	}
	b.do(about, "close_range", number(3), number(1<<32-1), flags("CLOSE_RANGE_CLOEXEC"))
	if b.plan.Process.TTY {
		b.do(about, "ioctl", number(0), flags("TIOCSCTTY"), null())
	}
	b.do(about, "umask", number(0o022))
	// The caller's session keyring is inherited. A new one counts against the
	// caller's quota of keys, so that it is made only where it can be reached.
	if b.Mode == Record || slices.ContainsFunc(KeyringCalls(), b.grants) {
		b.do(about, "keyctl", flags("KEYCTL_JOIN_SESSION_KEYRING"), null())
	}
	return nil
}

// KeyringCalls are the calls that reach a session keyring: a container that
// may make one of them starts with a keyring of its own.
func KeyringCalls() []string { return []string{"add_key", "keyctl", "request_key"} }

// limits sets resource limits. Those that cgroups set are not here.
func (b *builder) limits() error {
	const about = "setting resource limits"
	set := func(name string, v int64) {
		limit := structure(u64("cur", number(v)), u64("max", number(v)))
		b.do(about, "prlimit64", null(), flags(name), limit, null())
	}
	// The kernel's core_pattern may name a program of the host.
	// Of all limits only this one, which leaves no room for a dump either,
	// keeps the kernel from starting it (core(5), fs/coredump.c).
	set("RLIMIT_CORE", 1)
	if b.Mode == Record {
		return nil
	}
	r := b.Manifest.Resources
	if r.OpenFiles > 0 {
		set("RLIMIT_NOFILE", min(r.OpenFiles, b.Host.OpenFiles))
	}
	if r.FileSize > 0 {
		set("RLIMIT_FSIZE", r.FileSize)
	}
	if r.PIDs > 0 && !b.delegated("pids") {
		if b.identityMode() == manifest.IdentitySingle && b.Host.UID != 0 {
			// Counted for each user namespace since Linux 5.14.
			set("RLIMIT_NPROC", r.PIDs)
		} else {
			b.unenforced("resources.pids: no cgroup with the pids controller is delegated, and RLIMIT_NPROC binds neither root nor several users")
		}
	}
	if r.Memory > 0 && !b.delegated("memory") {
		b.unenforced("resources.memory: no cgroup (v2) with the memory controller is delegated to this account")
	}
	if r.MilliCPU > 0 && !b.delegated("cpu") {
		b.unenforced("resources.milliCPU: no cgroup (v2) with the cpu controller is delegated to this account")
	}
	return nil
}

func (b *builder) delegated(controller string) bool {
	return b.Host.Cgroup != "" && slices.Contains(b.Host.Controllers, controller)
}
