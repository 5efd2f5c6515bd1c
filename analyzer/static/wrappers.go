package static

import (
	"slices"
)

// Functions of other files that are told by their first or second argument
// what they do.
const (
	callByNumber = "syscall" // syscall(2) of every C library
	dlsym        = "dlsym"
	dlvsym       = "dlvsym"
)

// abi is the convention that a function keeps. Go's functions save nothing
// for their callers.
func (c *code) abi(_ *function) convention {
	abi := c.cpu.convention()
	if c.golang.table == nil {
		return abi
	}
	abi.clobbered = allAMD64
	if c.arch == "arm64" {
		abi.clobbered = 1<<sp64 - 1
	}
	return abi
}

// target is what a step or a pointer leads to: a function of the file, by
// index, or an import, by index; -1 where it is none.
type target struct{ function, imported int }

// lookup follows an address of code.
func (c *code) lookup(addr uint64) target {
	if t := c.tail(addr); t != nil && c.code(addr) {
		if slot, ok := c.cpu.stub(t, addr); ok {
			return c.slot(slot)
		}
	}
	return target{find(c.functions, addr), -1}
}

// slot follows a word of memory that holds an address of code.
func (c *code) slot(addr uint64) target {
	all := c.pointersIn(span{addr, addr + 1})
	if len(all) == 0 {
		return target{-1, -1}
	}
	t := target{-1, all[0].symbol}
	if all[0].to != 0 {
		t.function = find(c.functions, all[0].to)
	}
	return t
}

// leads follows a jump or a call.
func (c *code) leads(s *step) target {
	switch {
	case s.to != 0:
		return c.lookup(s.to)
	case s.slot != 0:
		return c.slot(s.slot)
	}
	return target{-1, -1}
}

// importName is the name of an import, or "".
func (c *code) importName(i int) string {
	if i < 0 {
		return ""
	}
	return c.dynamic.imports[i].Name
}

// numbers finds the system calls of every function: where one takes the
// number from its caller, they are the caller's, over as many functions as
// it takes.
type numbering struct {
	code    *code
	of      map[int]*found // by function
	callers map[int][]int  // of functions that take a number
	sources map[int][]source
	vars    variables
}

// number answers for each function with system calls of its own.
func (c *code) number() map[int]*found {
	n := &numbering{code: c, of: map[int]*found{}, sources: map[int][]source{}, vars: variables{}}
	work := maxWork
	for queue := n.first(); len(queue) > 0; queue = n.variables(&work) {
		n.work(queue, &work)
	}
	n.settle()
	n.perThread()
	return n.of
}

// work answers for the given functions, and for those that call them where
// these take a number from their callers.
func (n *numbering) work(queue []int, work *int) {
	for rounds := 0; len(queue) > 0; rounds++ {
		if rounds > 4*len(n.code.functions)+64 {
			break // each function's sources only grow, and they are few
		}
		i := queue[0]
		queue = queue[1:]
		f := question{n.code, n.told, work, n.vars}.flow(&n.code.functions[i])
		n.of[i] = &f
		if len(f.sources) > 8 {
			f.sources = f.sources[:8]
		}
		if grew := len(f.sources) > len(n.sources[i]); !grew {
			continue
		}
		n.sources[i] = f.sources
		for _, caller := range n.callersOf(i) {
			if !slices.Contains(queue, caller) {
				queue = append(queue, caller)
			}
		}
	}
}

// first are the functions with a system call instruction, and those that
// call a function of another file by which one is made.
func (n *numbering) first() []int {
	var queue []int
	for i := range n.code.functions {
		f := &n.code.functions[i]
		if f.kernel || slices.ContainsFunc(f.edges, n.asksByName) {
			queue = append(queue, i)
		}
	}
	return queue
}

func (n *numbering) asksByName(e edge) bool {
	var t target
	switch e.kind {
	case calls:
		t = n.code.lookup(e.addr)
	case via:
		t = n.code.slot(e.addr)
	default:
		return false
	}
	switch n.code.importName(t.imported) {
	case callByNumber, dlsym, dlvsym:
		return true
	}
	return false
}

// told says what the target of a step takes numbers from.
func (n *numbering) told(s *step) ([]source, bool) {
	t := n.code.leads(s)
	arguments := n.code.cpu.convention().arguments
	switch n.code.importName(t.imported) {
	case callByNumber:
		return []source{{argument, arguments[0], 0}}, false
	case dlsym, dlvsym:
		return []source{{argument, arguments[1], 0}}, true
	}
	if t.function < 0 {
		return nil, false
	}
	return n.sources[t.function], false
}

// callersOf returns the functions that call or jump to one.
func (n *numbering) callersOf(i int) []int {
	if n.callers == nil {
		n.callers = map[int][]int{}
		for caller := range n.code.functions {
			for _, e := range n.code.functions[caller].edges {
				if e.kind != calls && e.kind != via {
					continue
				}
				t := n.code.lookup(e.addr)
				if e.kind == via {
					t = n.code.slot(e.addr)
				}
				if t.function >= 0 {
					n.callers[t.function] = append(n.callers[t.function], caller)
				}
			}
		}
	}
	return n.callers[i]
}
