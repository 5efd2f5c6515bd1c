package plan

import (
	"errors"
	"strings"
)

// Join is what the process does that makes a further one of a container: it
// enters the container's namespaces but for that of processes, which it cannot,
// and forks. The child shares its descriptors until it executes the program.
//
// The child is lpm's until then, among processes of the container that may have
// its ids and capabilities: it cannot be traced, nor looked at through /proc, by
// any of them (CVE-2016-9962, CVE-2019-5736). But neither can lpm take its
// listener then, which is why the one that has made it stays for so long: that
// one no process of the container can name.
type Join struct {
	// Ops are made after the fork. The last waits to be ended.
	Ops []Op `json:"ops"`
}

// All returns the operations in their order.
func (j *Join) All() []Op {
	if j == nil {
		return nil
	}
	return j.Ops
}

// NewJoin computes the plan of a further process of a container that is being
// recorded, by the request that the container was planned by and with another
// command. It has the identity, the capabilities, the limits and the filters of
// the container's first program.
func NewJoin(r Request) (*Plan, error) {
	if r.Mode != Record {
		return nil, errors.New("processes join a container only while it is recorded")
	}
	r.Options.TTY, r.Options.Init = false, false
	b := &builder{Request: r, plan: &Plan{Mode: r.Mode, Image: r.Image.Digest}, attached: map[string]Arg{}, joins: true}
	for _, step := range []func() error{
		b.choices, b.process, b.identity, b.namespaces, b.filters,
		b.begin, b.enter, b.session, b.limits, b.landlock, b.capabilities, b.seal, b.execute,
	} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	return b.plan, nil
}

// enter makes the process in the container's namespaces.
func (b *builder) enter() error {
	const about = "entering the container"
	// A descriptor of a process stands for all of its namespaces (Linux 5.8).
	b.do(about, "setns", fd("container"), flags(strings.Join(b.plan.Namespaces, "|")))
	// The change of credentials may have made it what the host's
	// fs.suid_dumpable says. From here on it is not to be looked at.
	b.do(about, "prctl", flags("PR_SET_DUMPABLE"), null(), null(), null(), null())
	b.do(about, "openat", flags("AT_FDCWD"), text("/"), flags("O_PATH|O_DIRECTORY|O_CLOEXEC"), null()).Out = rootFD
	b.do(about, "clone", flags("CLONE_FILES|CLONE_PARENT"), null(), null(), null(), null()).Out = "program"
	op := func(call string, args ...Arg) Op { return Op{Call: call, Args: args, About: about} }
	told := op("write", fd("hello"), address(fd("program")), number(4))
	told.Want = "4"
	b.plan.Join = &Join{Ops: []Op{
		// It has a memory of its own.
		op("prctl", flags("PR_SET_DUMPABLE"), number(1), null(), null(), null()),
		told,
		op("read", fd("parent"), structure(Field{Name: "byte", Size: 1, Value: null()}), number(1)),
	}}
	b.do(about, "fchdir", b.at(about, b.real(b.plan.Process.Dir)))
	return nil
}
