package supervise

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/enforcer/plan"
	"github.com/least-privilege/lpm/manifest"
)

// Enforcer is the [Policy] that refuses what a manifest does not grant. The
// filter has allowed everything that is granted by number and argument alone,
// so that what arrives here is refused, but for four calls that are looked at
// to name what they are about: execve, execveat, connect and bind. Of those
// the granted go on, and the kernel holds them to the same rule again (the
// whiteout layer and Landlock), for their memory can change meanwhile.
type Enforcer struct {
	rules plan.Supervision
	arch  string
	live  func(Denial)
	calls map[string]bool
	// programs and hidden are sets of paths; anyProgram grants all.
	programs, hidden map[string]bool
	anyProgram       bool
	udp              bool // whether the network section names a UDP port
	ledger           ledger
}

// NewEnforcer returns the policy for a plan's rules on the given native
// architecture. live, if not nil, is called once for each distinct denial, by
// the supervisor's goroutine.
func NewEnforcer(rules plan.Supervision, arch string, live func(Denial)) *Enforcer {
	return &Enforcer{
		rules: rules, arch: arch, live: live,
		calls:      set(rules.Syscalls),
		programs:   set(rules.Programs),
		hidden:     set(rules.Hidden),
		anyProgram: slices.Contains(rules.Programs, manifest.AnyProgram),
		udp:        namesUDP(rules.Network),
	}
}

func set(list []string) map[string]bool {
	s := make(map[string]bool, len(list))
	for _, e := range list {
		s[e] = true
	}
	return s
}

// Denials returns what was denied, sorted, and how many more were not kept
// apart. It is to be called after the supervisor has ended.
func (e *Enforcer) Denials() (list []Denial, others uint64) {
	return e.ledger.sorted(), e.ledger.others
}

// Decide implements [Policy].
func (e *Enforcer) Decide(c *Call) Verdict {
	info, known := manifest.SyscallByNumber(e.arch, c.Number)
	if !known {
		return e.deny(c, KindSyscall, fmt.Sprintf("call number %d", c.Number), unix.ENOSYS, "")
	}
	granted := e.calls[info.Name]
	switch {
	case info.Name == "execve":
		return e.program(c, info, unix.AT_FDCWD, c.Args[0])
	case info.Name == "execveat":
		return e.program(c, info, int32(c.Args[0]), c.Args[1])
	case info.Name == "connect":
		return e.connect(c, info)
	case info.Name == "bind" && granted:
		return e.bind(c)
	case info.Name == "listen" && granted:
		return e.listen(c)
	}
	return e.syscall(c, info)
}

// syscall refuses a call that no entry of the manifest allows, or none with
// these arguments.
func (e *Enforcer) syscall(c *Call, info manifest.SyscallInfo) Verdict {
	errno := unix.EPERM
	if newer(info.Since, e.rules.Kernel) {
		errno = unix.ENOSYS
	}
	if info.Name == "socket" && e.rules.Network.Mode == manifest.NetworkHost && e.calls["socket"] {
		return e.socket(c)
	}
	what, when := info.Name, ""
	if args := manifest.RecordedArgs(info.Name); len(args) > 0 {
		var shown, conditions []string
		for _, a := range args {
			value := c.Args[a.Arg]
			if a.Mask != 0 {
				value &= a.Mask
			}
			name := manifest.SymbolName(e.arch, info.Name, a.Arg, value)
			shown = append(shown, name)
			conditions = append(conditions, fmt.Sprintf("{arg: %d, oneOf: [%q]}", a.Arg, name))
		}
		what += "(" + strings.Join(shown, ", ") + ")"
		when = fmt.Sprintf(", when: [%s]", strings.Join(conditions, ", "))
	}
	return e.deny(c, KindSyscall, what, errno, fmt.Sprintf("syscalls: allow: [{name: %q%s}]", info.Name, when))
}

// program decides on the execution of a program by its path.
func (e *Enforcer) program(c *Call, info manifest.SyscallInfo, dirfd int32, addr uint64) Verdict {
	granted := e.calls[info.Name]
	if granted && e.anyProgram {
		return Verdict{}
	}
	name, err := c.Executable(dirfd, addr)
	switch {
	case err != nil && !granted:
		return e.syscall(c, info)
	case err != nil:
		// The kernel meets the same fault, or the process is gone.
		return Verdict{}
	case granted && (e.programs[name] || !e.hidden[name] && !c.Exists(name)):
		return Verdict{}
	}
	grant := fmt.Sprintf("execute: [{path: %q}]", name)
	if !granted {
		grant = fmt.Sprintf("syscalls: allow: [{name: %q}], ", info.Name) + grant
	}
	return e.deny(c, KindProgram, name, unix.EACCES, grant)
}

func (e *Enforcer) deny(c *Call, kind Kind, what string, errno unix.Errno, grant string) Verdict {
	program := c.Program()
	if name, ok := e.rules.Names[program]; ok {
		program = name
	}
	d := Denial{Kind: kind, What: what, Program: program, Errno: unix.ErrnoName(errno), Grant: grant}
	if first := e.ledger.note(d); first != nil && e.live != nil {
		e.live(*first)
	}
	return Verdict{Errno: errno}
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
