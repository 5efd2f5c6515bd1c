package supervise

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/enforcer/network/link"
	"github.com/least-privilege/lpm/enforcer/plan"
	"github.com/least-privilege/lpm/manifest"
)

// Enforcer is the [Policy] that refuses what a manifest does not grant. The
// filter has allowed everything that is granted by number and argument alone,
// so that what arrives here is refused, but for four calls that are looked at
// to name what they are about: execve, execveat, connect and bind. Of those
// the granted go on, and the kernel holds them to the same rule again (the
// whiteout layer and Landlock), for their memory can change meanwhile. So do
// the calls about files, where they are traced.
type Enforcer struct {
	rules   plan.Supervision
	arch    string
	options Options
	calls   map[string]bool
	// programs and hidden are sets of paths; anyProgram grants all.
	programs, hidden map[string]bool
	anyProgram       bool
	udp              bool // whether the network section names a UDP port
	private          private
	traced, noticed  map[string]bool
	ledger           ledger
	answers          answers
}

// Options is what a caller may want of an [Enforcer] besides.
type Options struct {
	// Denied, if not nil, is told of each distinct denial when it first
	// happens, and again whenever its count has doubled. It is called by
	// several goroutines where there is an Asker, and otherwise by one.
	Denied func(Denial)
	// Asker, if not nil, is asked before something is refused.
	Asker Asker
	// Network is that of a container with a private network, and Publish the
	// ports that are to be published when the container listens on them. Cookie
	// is what the kernel calls the network namespace (SO_NETNS_COOKIE).
	Network Network
	Publish []link.Port
	Cookie  uint64
	// Memory, if not nil, opens the memory of a thread for writing that is of
	// another user, by its number, as launch.OpenMemory does.
	Memory func(tid int) (*os.File, error)
}

// NewEnforcer returns the policy for a plan's rules on the given native
// architecture.
func NewEnforcer(rules plan.Supervision, arch string, o Options) *Enforcer {
	e := &Enforcer{
		rules: rules, arch: arch, options: o,
		calls:      set(rules.Syscalls),
		programs:   set(rules.Programs),
		hidden:     set(rules.Hidden),
		anyProgram: slices.Contains(rules.Programs, manifest.AnyProgram),
		udp:        namesUDP(rules.Network),
		private:    private{cookie: sync.OnceValues(ownCookie)},
	}
	if rules.Handover {
		e.noticed = set(plan.NoticedCalls())
	}
	if rules.Files != nil {
		e.traced = set(rules.Files.Calls)
	}
	return e
}

func set(list []string) map[string]bool {
	s := make(map[string]bool, len(list))
	for _, e := range list {
		s[e] = true
	}
	return s
}

// Denials returns what was denied, sorted, and how many more were not kept
// apart.
func (e *Enforcer) Denials() (list []Denial, others uint64) { return e.ledger.sorted() }

// refusal is a call that the manifest does not grant.
type refusal struct {
	subject
	errno unix.Errno
	// answer is that of DNS (RFC 2308) where there is no error.
	answer string
	// grant says what in a manifest would allow it; nil where nothing would.
	grant func() Grant
	// why says in a few words why it is refused, where that is not plain.
	why string
	// accept, where not nil, has to be called when a person has granted it.
	accept func()
	// fixed says why a container that runs already cannot be given it; empty
	// where it can.
	fixed string
	// seen is set where the kernel refuses the call by itself, which is only
	// to be noted.
	seen bool
}

// Decide implements [Policy].
func (e *Enforcer) Decide(c *Call) Verdict {
	v, r := e.judge(c)
	switch {
	case r == nil && (v.Later == nil || v.Unbounded):
		return v
	case r == nil && !e.answers.enter():
		return Verdict{Errno: unix.EAGAIN}
	case r == nil:
		return e.waiting(v.Later)
	case e.asks(r) && e.answers.enter():
		return e.waiting(e.asked(c, r))
	}
	return e.refuse(c, r)
}

// judge holds a call to the rules: it returns what becomes of it, or how it is
// not granted.
func (e *Enforcer) judge(c *Call) (Verdict, *refusal) {
	info, known := manifest.SyscallByNumber(e.arch, c.Number)
	if !known {
		return Verdict{}, &refusal{subject: subject{KindSyscall, fmt.Sprintf("call number %d", c.Number)}, errno: unix.ENOSYS}
	}
	host, private := e.rules.Network.Mode == manifest.NetworkHost, e.rules.Network.Mode == manifest.NetworkPrivate
	switch {
	case info.Name == "connect" && private:
		return e.connectPrivate(c, info)
	case info.Name == "execve":
		return e.program(c, info, unix.AT_FDCWD, c.Args[0])
	case info.Name == "execveat":
		return e.program(c, info, int32(c.Args[0]), c.Args[1])
	case info.Name == "connect":
		return e.connect(c, info)
	case info.Name == "socket" && host:
		return e.socket(c, info)
	case info.Name == "bind" && (host || private):
		return e.bind(c, info)
	case info.Name == "listen" && (host || private):
		return e.listen(c, info)
	case e.asksInterfaces(c, info):
		return e.interfaces(c, info)
	case e.noticed[info.Name] && e.granted(c, info):
		e.private.notice(info.Name, c)
		return Verdict{}, nil
	case e.traced[info.Name] && e.granted(c, info):
		return Verdict{}, e.file(c, info)
	}
	return e.syscall(c, info)
}

// granted reports whether the manifest grants a call that the filter leaves to
// the supervisor.
func (e *Enforcer) granted(c *Call, info manifest.SyscallInfo) bool {
	if !e.calls[info.Name] {
		return false
	}
	when, conditional := e.rules.When[info.Name]
	return !conditional || slices.ContainsFunc(when, c.matches)
}

// syscall decides on a call that no entry of the manifest allows, or none with
// these arguments.
func (e *Enforcer) syscall(c *Call, info manifest.SyscallInfo) (Verdict, *refusal) {
	r := &refusal{subject: subject{KindSyscall, info.Name}, errno: unix.EPERM, fixed: fixedCall(info.Name)}
	if newer(info.Since, e.rules.Kernel) {
		r.errno = unix.ENOSYS
	}
	args := manifest.RecordedArgs(info.Name)
	if len(args) > 0 {
		shown := make([]string, len(args))
		for i, a := range args {
			shown[i] = manifest.SymbolName(e.arch, info.Name, a.Arg, c.Args[a.Arg]&a.Mask)
		}
		r.what += "(" + strings.Join(shown, ", ") + ")"
	}
	r.grant = func() Grant {
		call := &manifest.Syscall{Name: info.Name}
		for _, a := range args {
			call.When = append(call.When, e.condition(info.Name, a, c.Args[a.Arg]))
		}
		return Grant{Syscall: call}
	}
	if e.given(r) {
		return Verdict{}, nil
	}
	return Verdict{}, r
}

// condition returns the one that holds for an argument's value.
func (e *Enforcer) condition(call string, a manifest.ArgSpec, value uint64) manifest.Condition {
	c := manifest.Condition{Arg: a.Arg, OneOf: []string{manifest.SymbolName(e.arch, call, a.Arg, value&a.Mask)}}
	// Without a mask a condition looks at all the bits that the kernel does.
	if whole, _, err := c.Resolve(e.arch, call); err != nil || whole != a.Mask {
		c.Mask = manifest.SymbolName(e.arch, call, a.Arg, a.Mask)
	}
	return c
}

// program decides on the execution of a program by its path.
func (e *Enforcer) program(c *Call, info manifest.SyscallInfo, dirfd int32, addr uint64) (Verdict, *refusal) {
	granted := e.granted(c, info)
	if granted && e.anyProgram {
		return Verdict{}, nil
	}
	name, err := c.Executable(dirfd, addr)
	switch {
	case err != nil && !granted:
		return e.syscall(c, info)
	case err != nil:
		// The kernel meets the same fault, or the process is gone.
		return Verdict{}, nil
	case granted && (e.programs[name] || !e.hidden[name] && !c.Exists(name)):
		return Verdict{}, nil
	}
	grant := func() (g Grant) {
		if !granted {
			g.Syscall = &manifest.Syscall{Name: info.Name}
		}
		if !e.anyProgram && !e.programs[name] {
			g.Program = &manifest.Program{Path: name}
		}
		return g
	}
	return Verdict{}, &refusal{subject: subject{KindProgram, name}, errno: unix.EACCES, grant: grant, fixed: fixedFiles}
}

// refuse notes a refusal and returns it.
func (e *Enforcer) refuse(c *Call, r *refusal) Verdict {
	e.note(r, e.programOf(c), 1)
	if r.seen {
		return Verdict{}
	}
	return Verdict{Errno: r.errno}
}

// note notes what was refused.
func (e *Enforcer) note(r *refusal, program string, count uint64) {
	d, report := e.ledger.note(r, program, time.Now(), count)
	if report && e.options.Denied != nil {
		e.options.Denied(d)
	}
}

// programOf returns what the calling program is called.
func (e *Enforcer) programOf(c *Call) string {
	program := c.Program()
	if name, ok := e.rules.Names[program]; ok {
		return name
	}
	return program
}

// newer reports whether release a ("6.9") came after b ("6.12").
func newer(a, b string) bool {
	majorA, minorA := release(a)
	majorB, minorB := release(b)
	return majorA > majorB || majorA == majorB && minorA > minorB
}

func release(text string) (major, minor int) {
	first, rest, _ := strings.Cut(text, ".")
	second, _, _ := strings.Cut(rest, ".")
	major, _ = strconv.Atoi(first)
	minor, _ = strconv.Atoi(second)
	return major, minor
}
