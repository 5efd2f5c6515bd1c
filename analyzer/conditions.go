package analyzer

import (
	"fmt"
	"slices"
	"strings"

	"github.com/least-privilege/lpm/analyzer/evidence"
	"github.com/least-privilege/lpm/manifest"
)

// conditioned is one entry of a call: its conditions and why.
type conditioned struct {
	when []manifest.Condition
	why  Explanation
}

// conditions turns the recorded combinations of a call's arguments into
// entries. Combinations that differ in the first argument only, and are of
// the same protection level, share one; so every entry is exact, and a
// dangerous value stands by itself.
func (p *proposer) conditions(c proposedCall) []conditioned {
	specs := manifest.RecordedArgs(c.info.Name)
	switch {
	case len(specs) == 0:
		return []conditioned{{why: c.why}}
	case c.info.Name == "clone" && len(c.values) == 0:
		// A variant: it may start processes and threads, not namespaces.
		return []conditioned{{when: []manifest.Condition{p.condition("clone", specs[0], []uint64{0})}, why: c.why}}
	case len(c.values) == 0:
		p.warn("%s is allowed with any arguments, for the records do not say with which it was used", c.info.Name)
		return []conditioned{{why: c.why}}
	}

	var groups []*valueGroup
	for _, v := range c.values {
		first, rest := split(v.fact.Args)
		if c.info.Name == "memfd_create" && first&noexecSeal == 0 {
			p.warn("memfd_create was used%s without MFD_NOEXEC_SEAL; it is refused where the programs are held to a list", p.by(v.seen.Programs))
		}
		level := p.level(c.info.Name, specs, v.fact.Args)
		at := slices.IndexFunc(groups, func(g *valueGroup) bool { return g.level == level && g.rest == rest })
		if at < 0 {
			groups = append(groups, &valueGroup{level: level, rest: rest, args: v.fact.Args, why: Explanation{Basis: c.why.Basis}})
			at = len(groups) - 1
		}
		g := groups[at]
		g.first = union(g.first, []uint64{first})
		g.why = both(g.why, v.seen)
	}
	slices.SortFunc(groups, func(a, b *valueGroup) int { return slices.Compare(a.first, b.first) })

	var entries []conditioned
	for _, g := range groups {
		var when []manifest.Condition
		for i, s := range specs {
			values := g.first
			if i > 0 {
				values = []uint64{valueOf(g.args, s.Arg)}
			}
			when = append(when, p.condition(c.info.Name, s, values))
		}
		g.why.Text = "used" + p.by(g.why.Programs)
		entries = append(entries, conditioned{when, g.why})
	}
	return entries
}

// noexecSeal is MFD_NOEXEC_SEAL (linux/memfd.h): what is written to the file
// can never be executed.
const noexecSeal = 0x8

// valueGroup is the combinations that become one entry.
type valueGroup struct {
	level manifest.Level
	first []uint64 // values of the first recorded argument
	rest  string   // the others, which all have in common
	args  []evidence.Arg
	why   Explanation
}

func split(args []evidence.Arg) (first uint64, rest string) {
	if len(args) == 0 {
		return 0, ""
	}
	return args[0].Value, fmt.Sprint(args[1:])
}

func valueOf(args []evidence.Arg, position int) uint64 {
	for _, a := range args {
		if a.Arg == position {
			return a.Value
		}
	}
	return 0
}

// condition writes values of an argument with the kernel's symbols.
func (p *proposer) condition(call string, s manifest.ArgSpec, values []uint64) manifest.Condition {
	c := manifest.Condition{Arg: s.Arg}
	for _, v := range values {
		c.OneOf = append(c.OneOf, manifest.SymbolName(p.arch, call, s.Arg, v&s.Mask))
	}
	// Without a mask a condition looks at all the bits that the kernel does.
	if whole, _, err := c.Resolve(p.arch, call); err != nil || whole != s.Mask {
		c.Mask = manifest.SymbolName(p.arch, call, s.Arg, s.Mask)
	}
	return c
}

// level asks the catalogue for the level of a call with these arguments.
func (p *proposer) level(call string, specs []manifest.ArgSpec, args []evidence.Arg) manifest.Level {
	entry := manifest.Syscall{Name: call}
	for _, s := range specs {
		entry.When = append(entry.When, p.condition(call, s, []uint64{valueOf(args, s.Arg)}))
	}
	m := manifest.Manifest{Syscalls: manifest.Syscalls{Architecture: p.arch, Allow: []manifest.Syscall{entry}}}
	for _, permission := range m.Permissions() {
		if strings.HasPrefix(permission.Path, "syscalls.allow") {
			return permission.Level
		}
	}
	return manifest.Special
}
