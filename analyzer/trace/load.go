package trace

import (
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
)

// attachment is the programs at their tracepoints.
type attachment struct {
	programs []*ebpf.Program
	links    []link.Link
}

// attach loads the programs and has them run. The attachment is the caller's
// to close, after an error too.
func attach(m *maps, l *layout, seed [2]uint64, g group, userNS uint32) (*attachment, error) {
	a := &attachment{}
	for _, p := range []struct {
		tracepoint string
		write      func(*code)
	}{
		// Who belongs to the container comes first, what it does last.
		{"sched_process_exit", (*code).end},
		{"sched_process_fork", (*code).fork},
		{"sched_process_exec", func(c *code) { c.execution(g) }},
		{"signal_generate", func(c *code) { c.signal(g) }},
		{"cap_capable", func(c *code) { c.check(g, userNS) }},
		{"sys_exit", func(c *code) { c.exit(g) }},
		{"sys_enter", func(c *code) { c.enter(g) }},
	} {
		c := &code{maps: m, at: l, seed: seed}
		p.write(c)
		if err := a.add(p.tracepoint, c.Instructions); err != nil {
			return a, err
		}
	}
	return a, nil
}

func (a *attachment) add(tracepoint string, instructions asm.Instructions) error {
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Name: "lpm_" + tracepoint, Type: ebpf.Tracing, AttachType: ebpf.AttachTraceRawTp, AttachTo: tracepoint,
		// The helpers that read memory are for programs under the GPL alone;
		// these programs are written here and may be had under both.
		License: "Dual MIT/GPL", Instructions: instructions,
	})
	if err != nil {
		return fmt.Errorf("loading the program at %s: %w", tracepoint, err)
	}
	a.programs = append(a.programs, p)
	made, err := link.AttachTracing(link.TracingOptions{Program: p, AttachType: ebpf.AttachTraceRawTp})
	if err != nil {
		return fmt.Errorf("attaching the program at %s: %w", tracepoint, err)
	}
	a.links = append(a.links, made)
	return nil
}

// missed counts how often a program was left out because it was running on
// that processor already.
func (a *attachment) missed() uint64 {
	var n uint64
	for _, p := range a.programs {
		if s, err := p.Stats(); err == nil {
			n += s.RecursionMisses
		}
	}
	return n
}

func (a *attachment) close() {
	for _, l := range a.links {
		l.Close()
	}
	for _, p := range a.programs {
		p.Close()
	}
}
