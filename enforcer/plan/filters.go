package plan

import (
	"fmt"
	"slices"

	"github.com/least-privilege/lpm/manifest"
)

// kernelCalls are the mechanics of ending and of signals. They grant nothing,
// and without them no program could even exit.
func kernelCalls() []string {
	return []string{"exit", "exit_group", "restart_syscall", "rt_sigreturn"}
}

// namedCalls always go to the supervisor when granted, so that a refusal can
// name the program or the address it was about. The kernel enforces the same
// lists again.
func (b *builder) namedCalls() []string {
	if b.networkMode() == manifest.NetworkHost || b.private() {
		return []string{"bind", "connect", "execve", "execveat", "listen"}
	}
	return []string{"connect", "execve", "execveat"}
}

// filters makes two: the guard refuses what no list of allowed calls can
// express, the main filter holds the manifest's list.
func (b *builder) filters() error {
	guard, err := b.guard()
	if err != nil {
		return err
	}
	main := Filter{Architecture: b.Host.Architecture, Default: ActionNotify}
	add := func(name string, when []Compare) error {
		info, ok := manifest.LookupSyscall(b.Host.Architecture, name)
		if !ok {
			return fmt.Errorf("no system call %q on %s", name, b.Host.Architecture)
		}
		main.Rules = append(main.Rules, Rule{Syscall: name, Number: info.Number, Action: ActionAllow, When: when})
		return nil
	}
	for _, name := range kernelCalls() {
		if _, ok := manifest.LookupSyscall(b.Host.Architecture, name); ok {
			if err := add(name, nil); err != nil {
				return err
			}
		}
	}
	allowed := b.Options.Baseline
	if b.Mode != Record {
		allowed = b.Manifest.Syscalls.Allow
	}
	for _, s := range allowed {
		if b.Mode != Record && b.handedOver(s.Name) || slices.Contains(kernelCalls(), s.Name) {
			continue
		}
		alternatives, err := b.alternatives(s)
		if err != nil {
			return err
		}
		if b.noticed(s.Name) {
			alternatives = unnoticed(s.Name, alternatives)
		}
		for _, when := range alternatives {
			if err := add(s.Name, when); err != nil {
				return err
			}
		}
	}
	main.Rules = tidy(main.Rules)
	b.plan.Filters = []Filter{guard, main}
	return nil
}

// tidy sorts rules by number, and keeps of a call that is allowed without
// conditions only that rule.
func tidy(rules []Rule) []Rule {
	plain := map[int]bool{}
	for _, r := range rules {
		if len(r.When) == 0 {
			plain[r.Number] = true
		}
	}
	rules = slices.DeleteFunc(rules, func(r Rule) bool { return len(r.When) > 0 && plain[r.Number] })
	slices.SortStableFunc(rules, func(a, b Rule) int { return a.Number - b.Number })
	return slices.CompactFunc(rules, func(a, b Rule) bool {
		return a.Number == b.Number && slices.Equal(a.When, b.When)
	})
}

// alternatives turns an entry's conditions into lists of comparisons, any one
// of which allows the call.
func (b *builder) alternatives(s manifest.Syscall) ([][]Compare, error) {
	lists := [][]Compare{nil}
	for _, c := range s.When {
		mask, values, err := c.Resolve(b.Host.Architecture, s.Name)
		if err != nil {
			return nil, err
		}
		if len(lists)*len(values) > maxAlternatives {
			return nil, fmt.Errorf("the conditions of %s have more than %d combinations", s.Name, maxAlternatives)
		}
		var next [][]Compare
		for _, v := range values {
			for _, l := range lists {
				next = append(next, append(slices.Clone(l), Compare{Arg: c.Arg, Mask: mask, Value: v}))
			}
		}
		lists = next
	}
	if s.Name == "socket" && b.Mode == Enforce && b.networkMode() == manifest.NetworkHost {
		return b.hostSockets(lists), nil
	}
	return lists, nil
}

// maxAlternatives bounds the combinations of one entry's values, each of which
// becomes a rule.
const maxAlternatives = 1024

// Address families, socket types and protocols of linux/socket.h, linux/net.h
// and linux/in.h, which are the same on both architectures.
const (
	afUnix, afInet, afInet6        = 1, 2, 10
	sockStream, sockDgram          = 1, 2
	sockTypeMask                   = 0xf
	protoTCP, protoUDP             = 6, 17
	word                    uint64 = 1<<32 - 1
)

// hostSockets narrows the kinds of internet socket on the host's network to
// those whose ports can be held to the manifest. Landlock knows TCP alone, so
// that SCTP, MPTCP, ICMP and raw sockets are refused, and UDP is, unless the
// manifest names a UDP port.
func (b *builder) hostSockets(lists [][]Compare) [][]Compare {
	kinds := [][2]uint64{{sockStream, 0}, {sockStream, protoTCP}}
	if b.usesUDP() {
		kinds = append(kinds, [2]uint64{sockDgram, 0}, [2]uint64{sockDgram, protoUDP})
	}
	var narrowed [][]Compare
	for _, l := range lists {
		for _, family := range []uint64{afUnix, afInet, afInet6} {
			if !admits(l, 0, family) {
				continue
			}
			if family == afUnix {
				narrowed = append(narrowed, with(l, Compare{Arg: 0, Mask: word, Value: afUnix}))
				continue
			}
			for _, k := range kinds {
				if !admits(l, 1, k[0]) || !admits(l, 2, k[1]) {
					continue
				}
				narrowed = append(narrowed, with(l,
					Compare{Arg: 0, Mask: word, Value: family},
					Compare{Arg: 1, Mask: sockTypeMask, Value: k[0]},
					Compare{Arg: 2, Mask: word, Value: k[1]}))
			}
		}
		// A condition on some bits of the family may let those in as well.
		if named(l, 0) && !admits(l, 0, afUnix) && !admits(l, 0, afInet) && !admits(l, 0, afInet6) {
			narrowed = append(narrowed, l)
		}
	}
	return narrowed
}

func (b *builder) usesUDP() bool {
	udp := func(p manifest.Protocol) bool { return p == manifest.UDP }
	n := b.Manifest.Network
	return slices.ContainsFunc(n.Egress, func(e manifest.Egress) bool { return udp(e.Protocol) }) ||
		slices.ContainsFunc(n.Listen, func(l manifest.Listen) bool { return udp(l.Protocol) })
}

// admits reports whether the comparisons let an argument have a value.
func admits(list []Compare, arg int, v uint64) bool {
	for _, c := range list {
		if c.Arg == arg && c.Value != v&c.Mask {
			return false
		}
	}
	return true
}

// named reports whether the comparisons say anything of an argument.
func named(list []Compare, arg int) bool {
	return slices.ContainsFunc(list, func(c Compare) bool { return c.Arg == arg })
}

// with replaces the comparisons of the arguments in more.
func with(list []Compare, more ...Compare) []Compare {
	var out []Compare
	for _, c := range list {
		if !slices.ContainsFunc(more, func(m Compare) bool { return m.Arg == c.Arg }) {
			out = append(out, c)
		}
	}
	return append(out, more...)
}
