package manifest

import (
	"fmt"
	"strings"
)

// id returns the permission's ID, such as "syscall:socket(0=AF_INET,AF_INET6)".
// Conditions are in their canonical spelling, so that what means the same has
// the same ID.
func (s Syscall) id(arch string) string {
	when := s.When
	if b, err := s.resolve(arch); err == nil {
		when = b.when(arch, s.Name)
	}
	if len(when) == 0 {
		return "syscall:" + s.Name
	}
	terms := make([]string, len(when))
	for i, c := range when {
		mask := ""
		if c.Mask != "" {
			mask = "&" + c.Mask
		}
		terms[i] = fmt.Sprintf("%d%s=%s", c.Arg, mask, strings.Join(c.OneOf, ","))
	}
	return "syscall:" + s.Name + "(" + strings.Join(terms, ";") + ")"
}

// level returns the entry's level and what it means, which conditions on the
// argument that decides about the call can lower.
func (s Syscall) level(arch string) (Level, string) {
	info, known := LookupSyscall(arch, s.Name)
	if !known {
		return Special, "Make a system call that is not known here."
	}
	level, meaning := info.Level, info.Meaning
	b, err := s.resolve(arch)
	if err != nil {
		return level, meaning
	}
	for arg, t := range b {
		d := domainOf(s.Name, arg)
		if t.mask == 0 || d == nil || !d.decides {
			continue
		}
		worst := symbol{level: Normal}
		for _, v := range t.values {
			if w := d.worst(t.mask, v); w.level > worst.level || w.level == worst.level && worst.meaning == "" {
				worst = w
			}
		}
		if worst.level < level || worst.level == level && worst.meaning != "" {
			level = worst.level
			meaning = worst.meaning
		}
	}
	return level, meaning
}

func (m *Manifest) syscallGrants() []grant {
	arch := m.Syscalls.Architecture
	grants := make([]grant, 0, len(m.Syscalls.Allow))
	for i, s := range m.Syscalls.Allow {
		info, _ := LookupSyscall(arch, s.Name)
		id := s.id(arch)
		level, meaning := s.level(arch)
		group := "syscalls/privileged"
		if info.Group != "" {
			group = syscallGroup(info)
		}
		if meaning == "" {
			g, _ := LookupGroup(group)
			meaning = g.Meaning
		}
		grants = append(grants, grant{
			Permission: Permission{
				ID: id, Group: group, Title: strings.TrimPrefix(id, "syscall:"), Meaning: meaning, Level: level,
				Reason: s.Reason, Optional: s.Optional, Path: entry("syscalls.allow", i),
			},
			subject: "syscall:" + s.Name,
			in: func(outer *Manifest) bool {
				inner, err := s.resolve(arch)
				return err == nil && outer.Syscalls.Architecture == arch &&
					inner.coveredBy(outer.Syscalls.boxes(s.Name))
			},
		})
	}
	return grants
}

// boxes returns what the entries of one call allow. Entries that cannot be
// resolved allow nothing.
func (s Syscalls) boxes(name string) []box {
	var boxes []box
	for _, call := range s.Allow {
		if call.Name != name {
			continue
		}
		if b, err := call.resolve(s.Architecture); err == nil {
			boxes = append(boxes, b)
		}
	}
	return boxes
}
