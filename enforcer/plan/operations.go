package plan

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/least-privilege/lpm/manifest"
)

// operations lists what the child does, from the user namespace's maps to the
// execution of the program. The order matters: what needs the capabilities of
// the new namespace comes before they are given up, and the filter comes last
// of all, so that it need not allow what lpm itself does.
func (b *builder) operations() error {
	for _, step := range []func() error{
		b.begin, b.mapIDs, b.root, b.kernelFiles, b.deviceFiles, b.maskedPaths,
		b.writable, b.mounts, b.pivot, b.system, b.session, b.limits, b.landlock,
		b.capabilities, b.seal, b.fork, b.execute,
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

// begin makes the child end with its parent, and what it makes have the very
// mode that the plan says.
func (b *builder) begin() error {
	const about = "beginning"
	b.do(about, "umask", null())
	b.do(about, "prctl", flags("PR_SET_PDEATHSIG"), flags("SIGKILL"), null(), null(), null())
	b.do(about, "close", fd("parentEnd"))
	return nil
}

// mapIDs writes the maps of the user namespace. A process may map its own id
// by itself; a range is mapped by the parent, through newuidmap. The parent
// also puts the child into a control group that it could not be started in.
func (b *builder) mapIDs() error {
	id := b.plan.Identity
	if id.Setgroups || b.plan.Group.Attached() {
		const about = "waiting for the id maps and the control group"
		b.do(about, "read", fd("parent"), structure(Field{Name: "byte", Size: 1, Value: null()}), number(1)).Want = "1"
	}
	if !id.Setgroups {
		const about = "mapping the id"
		for _, file := range [][2]string{{"setgroups", "deny"}, {"gid_map", mapLine(id.GIDs[0])}, {"uid_map", mapLine(id.UIDs[0])}} {
			f := b.open(about, "openat", flags("AT_FDCWD"), text("/proc/self/"+file[0]), flags("O_WRONLY", "O_CLOEXEC"), null())
			n := len(file[1])
			b.do(about, "write", f, text(file[1]), number(int64(n))).Want = strconv.Itoa(n)
		}
	}
	if b.plan.Group.Kind != GroupNone {
		// The namespace's root is the group that it is made in: the
		// container's own from here on. The kernel takes the parent's for a
		// child that clone puts both into a namespace and into a group
		// (kernel/cgroup/namespace.c).
		b.do("leaving the view of the host's control groups", "unshare", flags("CLONE_NEWCGROUP"))
	}
	// Further reads only tell whether the parent is still there.
	b.do("beginning", "fcntl", fd("parent"), flags("F_SETFL"), flags("O_NONBLOCK"))
	return nil
}

// mapLine is a line of uid_map (user_namespaces(7)).
func mapLine(m IDMap) string { return fmt.Sprintf("%d %d %d", m.Container, m.Host, m.Size) }

// seal gives up the last ways to gain privileges.
func (b *builder) seal() error {
	const about = "giving up privileges"
	b.do(about, "prctl", flags("PR_SET_NO_NEW_PRIVS"), number(1), null(), null(), null())
	// The change of ids has taken the death signal back, and has made the
	// process undumpable, so that the parent could not take the listener.
	// With an init, that one stays so, and another process has the listener.
	b.do(about, "prctl", flags("PR_SET_PDEATHSIG"), flags("SIGKILL"), null(), null(), null())
	// So it is where the process joins others.
	dumpable := number(1)
	if b.Options.Init || b.joins {
		dumpable = null()
	}
	b.do(about, "prctl", flags("PR_SET_DUMPABLE"), dumpable, null(), null(), null())
	if b.joins {
		return nil // it ends with the container, if not before
	}
	b.do(about, "read", fd("parent"), structure(Field{Name: "byte", Size: 1, Value: null()}), number(1)).Want = "EAGAIN"
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
	told := fd("status")
	if b.Options.Init {
		// A socket, which tells the parent who has the listener.
		told = fd("hello")
	}
	if b.plan.Network == nil {
		b.do(about, "write", told, address(next), number(4)).Want = "4"
	} else {
		message := structure(u32("listener", next), u32("device", fd(deviceFD)), u32("padding", null()))
		b.do(about, "write", told, message, size(message)).Want = strconv.Itoa(sizeOf(message))
	}
	listener := []string{"SECCOMP_FILTER_FLAG_NEW_LISTENER"}
	if b.Host.WaitKillable {
		// Without it, every signal a Go program sends itself would repeat
		// the call that waits (Linux 5.19).
		listener = append(listener, "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV")
	}
	b.open("loading the system call filters", "seccomp", flags("SECCOMP_SET_MODE_FILTER"), flags(listener...), Arg{Filters: true})
	b.do(about, "execveat", program, text(""), Arg{Given: GivenArgs, List: p.Args}, Arg{Given: GivenEnv, List: p.Env}, flags("AT_EMPTY_PATH"))
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
	hostname := b.Options.hostname()
	b.do("setting the host name", "sethostname", text(hostname), number(int64(len(hostname))))
	if b.networkMode() == manifest.NetworkHost || !b.grants("socket") && b.plan.Network == nil {
		return nil
	}
	const about = "bringing loopback up"
	s := b.open(about, "socket", flags("AF_INET"), flags("SOCK_DGRAM", "SOCK_CLOEXEC"), null())
	b.do(about, "ioctl", s, flags("SIOCSIFFLAGS"), structure(
		Field{Name: "ifr_name", Size: 16, Value: text("lo")},
		Field{Name: "ifr_flags", Size: 2, Value: flags("IFF_UP")},
		Field{Name: "padding", Size: 22, Value: text("")}))
	b.do(about, "close", s)
	if b.plan.Network != nil {
		b.configure()
	}
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
	if !b.Options.Init {
		b.terminal(about)
	}
	b.do(about, "umask", number(0o022))
	// Whatever lpm was started with.
	none := sigset(false)
	b.do(about, "rt_sigprocmask", flags("SIG_SETMASK"), none, null(), size(none))
	// The caller's session keyring is inherited. A new one counts against the
	// caller's quota of keys, so that it is made only where it can be reached.
	if b.Mode == Record || slices.ContainsFunc(KeyringCalls(), b.grants) {
		b.do(about, "keyctl", flags("KEYCTL_JOIN_SESSION_KEYRING"), null())
	}
	return nil
}

// terminal makes the container's terminal that of the session.
func (b *builder) terminal(about string) {
	if b.plan.Process.TTY {
		b.do(about, "ioctl", number(0), flags("TIOCSCTTY"), null())
	}
}

// KeyringCalls are the calls that reach a session keyring: a container that
// may make one of them starts with a keyring of its own.
func KeyringCalls() []string { return []string{"add_key", "keyctl", "request_key"} }
