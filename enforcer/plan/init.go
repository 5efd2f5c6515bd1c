package plan

import (
	"fmt"

	"github.com/least-privilege/lpm/manifest"
)

// Init is what the container's first process does where the program is only
// its child (lpm run --init): a program that was not made to be the first of
// all would neither collect the orphans that come to it nor get signals that it
// has no handler for.
//
// The first process has made every operation up to the fork, so that it has
// the namespaces, the identity and the Landlock domain of the program. Its
// filter is not the manifest's and narrower than any, and it has no capability:
// it passes on to the program what others are allowed to send it, and would
// otherwise send it for those that are not. It cannot be traced, nor read
// through /proc: it is a copy of lpm's own process.
type Init struct {
	// Ops are made once, in order, after the fork. The program's process
	// waits until they have been.
	Ops []Op `json:"ops"`
	// Filter is what the process has in place of the plan's Filters.
	Filter Filter `json:"filter"`
	// What follows is made again and again: Wait for a signal. If it says
	// that a child has ended, Collect, as long as there is something to
	// collect, and End when the program was among it. Any other signal is
	// Passed on to the program.
	Wait    Op `json:"wait"`
	Collect Op `json:"collect"`
	Pass    Op `json:"pass"`
	End     Op `json:"end"`
}

// All returns the operations in the order in which they are described.
func (i *Init) All() []Op {
	if i == nil {
		return nil
	}
	return append(append([]Op(nil), i.Ops...), i.Wait, i.Collect, i.Pass, i.End)
}

// sigset is a set of all signals, or of none, as the kernel takes it.
func sigset(all bool) Arg {
	set := null()
	if all {
		set = number(-1)
	}
	return structure(u64("set", set))
}

// fork makes the program's process. The first process takes another way from
// here on: that of the plan's Init.
func (b *builder) fork() error {
	if !b.Options.Init {
		return nil
	}
	const about = "leaving the first process behind"
	// From here on no signal is lost. Those that are blocked reach the first
	// process of a pid namespace too.
	b.do(about, "rt_sigprocmask", flags("SIG_SETMASK"), sigset(true), null(), size(sigset(true)))
	b.do(about, "clone", flags("SIGCHLD"), null(), null(), null(), null()).Out = "program"
	// The program does not start before the first process is out of its
	// reach, and has let the descriptors go that others wait to see closed.
	b.do(about, "close", fd("sealedEnd"))
	b.do(about, "read", fd("sealed"), structure(Field{Name: "byte", Size: 1, Value: null()}), number(1)).Want = "0"
	b.do(about, "rt_sigprocmask", flags("SIG_SETMASK"), sigset(false), null(), size(sigset(false)))
	b.do(about, "setsid")
	b.terminal(about)
	// Else the parent could not take the listener.
	b.do(about, "prctl", flags("PR_SET_DUMPABLE"), number(1), null(), null(), null())
	return b.first()
}

// first lists what the first process does.
func (b *builder) first() error {
	allowed, err := b.initFilter()
	if err != nil {
		return err
	}
	op := func(call string, args ...Arg) Op {
		return Op{Call: call, Args: args, About: "waiting for the program's end"}
	}
	all := sigset(true)
	b.plan.Init = &Init{
		Filter: allowed,
		Ops: []Op{
			op("prctl", flags("PR_SET_NAME"), text("lpm-init")),
			op("capset", capabilityHeader(), structure(capabilitySets(0)...)),
			op("seccomp", flags("SECCOMP_SET_MODE_FILTER"), null(), Arg{InitFilter: true}),
			op("close_range", null(), number(1<<32-1), null()),
		},
		Wait:    op("rt_sigtimedwait", all, null(), null(), size(all)),
		Collect: op("wait4", number(-1), address(fd("ended")), flags("WNOHANG"), null()),
		Pass:    op("kill", fd("program"), fd("signal")),
		End:     op("exit_group", fd("ended")),
	}
	b.plan.Init.Wait.Out = "signal"
	return nil
}

// initFilter lets the first process make the calls that it is made of, and no
// other.
func (b *builder) initFilter() (Filter, error) {
	f := Filter{Architecture: b.Host.Architecture, Default: ActionKill}
	for _, name := range []string{"close_range", "exit_group", "kill", "rt_sigtimedwait", "wait4"} {
		info, ok := manifest.LookupSyscall(b.Host.Architecture, name)
		if !ok {
			return f, fmt.Errorf("no system call %q on %s", name, b.Host.Architecture)
		}
		f.Rules = append(f.Rules, Rule{Syscall: name, Number: info.Number, Action: ActionAllow})
	}
	f.Rules = tidy(f.Rules)
	return f, nil
}
