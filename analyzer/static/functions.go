package static

import (
	"cmp"
	"slices"
	"sort"
	"strings"
)

// function is a piece of code that is reached as a whole.
type function struct {
	span
	name string // of a symbol, or empty
	// guessed functions are found by a jump to them: where they end is where
	// the next begins, and where their code does.
	guessed bool
	called  bool // a guessed one, by a call or a jump
	edges   []edge
	kernel  bool // it has a system call instruction
	// returns is false where no way leads back to the caller: nothing runs
	// behind a call of it.
	returns bool
}

// edge is what a piece of code names.
type edge struct {
	kind edgeKind
	back bool // it comes back: of calls, one that is no jump
	addr uint64
}

type edgeKind uint8

const (
	calls edgeKind = iota // a call of, or a jump to, code in this file
	via                   // the same by a word of memory that holds the target
	takes                 // takes the address
	reads                 // reads a word, which may hold one
)

// functions returns those that the file describes: what Go's own table, the
// unwinding table and the symbols with a size say, in this order where they
// differ. The result is sorted and apart.
func (m *image) functions() []function {
	var all []function
	if m.golang.table != nil {
		all = m.goFunctions()
	}
	for _, s := range m.frameSpans() {
		all = append(all, function{span: s})
	}
	for _, s := range m.symbols {
		if s.function && s.size > 0 && s.addr+s.size > s.addr && s.addr+s.size <= m.segmentOf(s.addr).end() {
			all = append(all, function{span: span{s.addr, s.addr + s.size}, name: s.name})
		}
	}
	slices.SortStableFunc(all, func(a, b function) int { return cmp.Compare(a.from, b.from) })
	apart := all[:0]
	for _, f := range all {
		if m.inStubs(f.from) {
			continue
		}
		if n := len(apart); n > 0 && f.from < apart[n-1].to {
			last := &apart[n-1]
			if f.from == last.from && last.name == "" {
				last.name = f.name
			}
			last.to = max(last.to, f.to)
			continue
		}
		apart = append(apart, f)
	}
	return apart
}

func (m *image) inStubs(addr uint64) bool {
	return slices.ContainsFunc(m.stubs, func(s span) bool { return s.has(addr) })
}

// find returns the index of the function that an address is in, or -1.
func find(all []function, addr uint64) int {
	i := sort.Search(len(all), func(i int) bool { return all[i].from > addr }) - 1
	if i < 0 || addr >= all[i].to {
		return -1
	}
	return i
}

// final reports whether nothing runs behind a call of the function. Of Go's
// runtime, panics do not come back though their code looks like it, and
// morestack does, in its own way.
func (f *function) final() bool {
	for _, name := range []string{"runtime.panic", "runtime.gopanic", "runtime.throw"} {
		if strings.HasPrefix(f.name, name) {
			return true
		}
	}
	return !f.returns && !strings.HasPrefix(f.name, "runtime.morestack")
}
