package static

import (
	"cmp"
	"debug/gosym"
	"slices"
)

// golang is where Go's runtime finds its functions; it is there in stripped
// programs too.
type golang struct {
	table []byte // .gopclntab, or nil
	at    uint64
	text  uint64 // address of .text
}

// goFunctions returns the functions of Go's own table.
func (m *image) goFunctions() (all []function) {
	// debug/gosym was written for files of one's own: it may panic on others.
	defer func() {
		if recover() != nil {
			all = nil
		}
	}()
	table, err := gosym.NewTable(nil, gosym.NewLineTable(m.golang.table, m.goText()))
	if err != nil {
		return nil
	}
	for i := range table.Funcs {
		f := &table.Funcs[i]
		if s := m.segmentOf(f.Entry); s != nil && s.exec && f.End > f.Entry && f.End <= s.end() {
			all = append(all, function{span: span{f.Entry, f.End}, name: f.Name})
		}
	}
	return all
}

// goText returns the address that the table counts from: the start of Go's
// code, which in a program with C is not that of the section. The runtime's
// moduledata, which begins with the table's address, says it (src/runtime/
// symtab.go: pcHeader, six slices, findfunctab, minpc, maxpc, text).
func (m *image) goText() uint64 {
	const minpc, text = 160, 176
	of := func(moduledata uint64) (uint64, bool) {
		start := m.pointerAt(moduledata + text)
		return start, start != 0 && start == m.pointerAt(moduledata+minpc) && m.code(start)
	}
	for _, r := range m.dynamic.relocs {
		if r.to == m.golang.at {
			if start, ok := of(r.at); ok {
				return start
			}
		}
	}
	for _, s := range m.segments {
		for at := (s.addr + 7) &^ 7; !s.exec && m.fixed && at+8 <= s.end(); at += 8 {
			if m.word(at) != m.golang.at {
				continue
			}
			if start, ok := of(at); ok {
				return start
			}
		}
	}
	return m.golang.text
}

// goVariable reports whether the words that a function takes numbers from are
// variables of their own. syscall.forkAndExecInChild1 closes descriptors by
// the number in syscall.fcntl64Syscall (src/syscall/flock_linux.go).
func (c *code) goVariable(function int) bool {
	return c.golang.table != nil && c.functions[function].name == "syscall.forkAndExecInChild1"
}

// perThread tells what the runtime makes on every thread: the call that
// syscall.AllThreadsSyscall has been asked for. Its number is left in a
// structure by the one function that makes the call itself before, if it is in
// the program at all (src/runtime/os_linux.go).
func (n *numbering) perThread() {
	if n.code.golang.table == nil {
		return
	}
	var follows *found
	for i := range n.code.functions {
		switch n.code.functions[i].name {
		case "runtime.runPerThreadSyscall":
			follows = n.of[i]
		case "syscall.runtime_doAllThreadsSyscall":
			if len(n.sources[i]) == 0 {
				return
			}
		}
	}
	if follows != nil {
		follows.unknown, follows.uses = nil, nil
	}
}

// pointerAt reads an address from memory as it is after relocation.
func (m *image) pointerAt(addr uint64) uint64 {
	if i, found := slices.BinarySearchFunc(m.dynamic.relocs, addr, func(r reloc, a uint64) int { return cmp.Compare(r.at, a) }); found {
		return m.dynamic.relocs[i].to
	}
	return m.word(addr)
}
