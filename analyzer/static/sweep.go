package static

import (
	"cmp"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
)

const (
	maxFunctions = 1 << 20
	maxEdges     = 1 << 24
	// maxGuessed is how long code may be of which only the start is known.
	maxGuessed = 1 << 20
	// maxSplits bounds how often what is guessed is looked at again.
	maxSplits = 16
)

// code is an image's machine code: its functions, and its pointers, which
// are the words that the loader fills, or, where a file is linked for one
// address, those that look like addresses in it.
type code struct {
	*image
	cpu       processor
	functions []function
	pointers  []reloc
}

// readCode finds the functions of an image and what each of them names.
func readCode(m *image) (*code, error) {
	c := &code{image: m, functions: m.functions(), cpu: arm64{}}
	if m.arch == "amd64" {
		c.cpu = amd64{m}
	}
	if err := c.findPointers(); err != nil {
		return nil, err
	}
	if err := c.sweep(c.functions); err != nil {
		return nil, err
	}
	called, taken := c.beginnings()
	for i := range c.functions {
		called, taken = c.targets(called, taken, &c.functions[i])
	}
	fresh := c.functions
	for splits := 0; len(called)+len(taken) > 0; splits++ {
		added := c.guess(called, taken)
		if splits < maxSplits {
			added = append(added, c.split(fresh)...)
		}
		if fresh = added; len(added) == 0 {
			break
		}
		if err := c.sweep(added); err != nil {
			return nil, err
		}
		called, taken = called[:0], taken[:0]
		for i := range added {
			called, taken = c.targets(called, taken, &added[i])
		}
		c.functions = append(c.functions, added...)
		slices.SortFunc(c.functions, func(a, b function) int { return cmp.Compare(a.from, b.from) })
	}
	c.nameFunctions()
	return c, nil
}

// split cuts guessed functions where others call into them: what was taken for
// one are two, the first of which ends by a call that does not come back. The
// second parts are returned.
func (c *code) split(callers []function) (added []function) {
	var entered []uint64
	for i := range callers {
		for _, e := range callers[i].edges {
			if e.kind == calls && e.back {
				entered = append(entered, e.addr)
			}
		}
	}
	slices.Sort(entered)
	cut := map[int]bool{}
	for _, a := range slices.Backward(slices.Compact(entered)) {
		i := find(c.functions, a)
		if i < 0 || !c.functions[i].guessed || c.functions[i].from == a {
			continue
		}
		f := &c.functions[i]
		added = append(added, function{span: span{a, f.to}, guessed: true, called: true})
		*f, cut[i] = function{span: span{f.from, a}, guessed: true, called: f.called}, true
	}
	var w sweeper
	for i := range cut {
		w.function(c, &c.functions[i])
	}
	return added
}

// findPointers takes the relocations, and of a file for one address the words
// too that may be pointers.
func (c *code) findPointers() error {
	c.pointers = c.dynamic.relocs
	if !c.fixed {
		return nil
	}
	c.pointers = slices.Clone(c.pointers)
	for _, s := range c.segments {
		for at := (s.addr + 7) &^ 7; at+8 <= s.end(); at += 8 {
			to := c.word(at)
			if to < c.segments[0].addr {
				continue
			}
			if t := c.segmentOf(to); t == nil || s.exec && !t.exec || !t.exec && c.golang.table != nil {
				continue
			}
			if i := find(c.functions, to); i >= 0 && c.functions[i].from != to {
				continue
			}
			if len(c.pointers) > maxRelocs {
				return fmt.Errorf("pointers: %w", errTooLarge)
			}
			c.pointers = append(c.pointers, reloc{at: at, to: to, symbol: -1})
		}
	}
	slices.SortStableFunc(c.pointers, func(a, b reloc) int { return cmp.Compare(a.at, b.at) })
	return nil
}

// pointersIn returns the pointers in a range of memory.
func (c *code) pointersIn(s span) []reloc {
	at := func(r reloc, addr uint64) int { return cmp.Compare(r.at, addr) }
	i, _ := slices.BinarySearchFunc(c.pointers, s.from, at)
	j, _ := slices.BinarySearchFunc(c.pointers[i:], s.to, at)
	return c.pointers[i : i+j]
}

// beginnings are where code is entered from outside: as code for sure, and
// by pointers.
func (c *code) beginnings() (called, taken []uint64) {
	called = append([]uint64{c.entry}, c.dynamic.starts...)
	for _, p := range c.pointers {
		taken = append(taken, p.to)
	}
	for _, s := range c.symbols {
		if s.function {
			taken = append(taken, s.addr)
		}
	}
	return called, taken
}

// targets adds the code that a function calls, and that it takes the address
// of.
func (c *code) targets(called, taken []uint64, f *function) (_, _ []uint64) {
	for _, e := range f.edges {
		switch e.kind {
		case calls:
			called = append(called, e.addr)
		case takes:
			taken = append(taken, e.addr)
		}
	}
	return called, taken
}

// guess makes functions of addresses that are in none.
func (c *code) guess(called, taken []uint64) []function {
	slices.Sort(called)
	addrs := slices.Concat(called, taken)
	slices.Sort(addrs)
	var added []function
	for _, a := range slices.Compact(addrs) {
		if !c.code(a) || find(c.functions, a) >= 0 || c.inStubs(a) || len(c.functions)+len(added) > maxFunctions {
			continue
		}
		if _, is := c.cpu.stub(c.tail(a), a); is {
			continue
		}
		_, sure := slices.BinarySearch(called, a)
		added = append(added, function{span: span{a, min(c.segmentOf(a).end(), a+maxGuessed)}, guessed: true, called: sure})
	}
	for i := range added {
		if i+1 < len(added) {
			added[i].to = min(added[i].to, added[i+1].from)
		}
		if next := c.after(added[i].from); next < len(c.functions) {
			added[i].to = min(added[i].to, c.functions[next].from)
		}
	}
	return added
}

// after returns the index of the first function past an address.
func (c *code) after(addr uint64) int {
	i, _ := slices.BinarySearchFunc(c.functions, addr, func(f function, a uint64) int { return cmp.Compare(f.from, a) })
	return i
}

// sweep reads the code of functions, on all processors.
func (c *code) sweep(functions []function) error {
	const batch = 64
	var next, edges atomic.Int64
	var group sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		group.Go(func() {
			var w sweeper
			for edges.Load() <= maxEdges {
				end := int(next.Add(batch))
				if end-batch >= len(functions) {
					return
				}
				for i := end - batch; i < min(end, len(functions)); i++ {
					w.function(c, &functions[i])
					edges.Add(int64(len(functions[i].edges)))
				}
			}
		})
	}
	group.Wait()
	if edges.Load() > maxEdges {
		return fmt.Errorf("references in the code: %w", errTooLarge)
	}
	return nil
}

// sweeper reads functions one after another.
type sweeper struct {
	edges []edge
	known [maxRegisters]uint64 // addresses in registers, or 0
}

// function reads one from its start to its end, whatever the jumps in it: it
// is reached as a whole.
func (w *sweeper) function(c *code, f *function) {
	w.edges = w.edges[:0]
	clear(w.known[:])
	text := c.tail(f.from)
	furthest, tables := f.from, false
	var s step
	eye, _ := c.cpu.(quick)
	for at := f.from; at < f.to; at += uint64(s.size) {
		if eye == nil || !eye.glance(&s, text[at-f.from:], at) {
			c.cpu.decode(&s, text[at-f.from:], at)
		} else if s.kind == plain && s.refers|s.reads == 0 {
			continue
		}
		if c.arch == "arm64" {
			w.track(&s, c.cpu.convention())
		}
		f.kernel = f.kernel || s.kind == kernel
		f.returns = f.returns || s.returns || s.kind == jump && !f.has(s.to) || s.kind == branch && !f.has(s.to)
		w.note(c, f, &s)
		if s.to > furthest && s.to < f.to && s.kind != call {
			furthest = s.to
		}
		if s.bad && f.guessed && !f.called {
			// What is taken for code by its address alone is data.
			f.kernel, f.edges = false, nil
			f.to = max(at, f.from+1)
			return
		}
		tables = tables || s.kind == jump && s.to == 0 && s.slot == 0
		if f.guessed && (s.kind == stop || s.kind == jump) && s.next() > furthest && !tables {
			f.to = min(f.to, s.next())
			break
		}
	}
	if s.kind == plain && s.next() >= f.to || s.kind == branch || s.kind == kernel {
		w.edges = append(w.edges, edge{kind: calls, addr: f.to}) // it falls into the next
		f.returns = true
	}
	slices.SortFunc(w.edges, func(a, b edge) int { return cmp.Or(cmp.Compare(a.addr, b.addr), cmp.Compare(a.kind, b.kind)) })
	f.edges = slices.Clone(slices.Compact(w.edges))
}

// note keeps what a step names outside its function.
func (w *sweeper) note(c *code, f *function, s *step) {
	if s.to != 0 && !f.has(s.to) {
		w.edges = append(w.edges, edge{calls, s.kind == call, s.to})
	}
	if s.slot != 0 {
		w.edges = append(w.edges, edge{kind: via, addr: s.slot})
	}
	if s.refers != 0 && !f.has(s.refers) && c.mayMatter(s.refers) {
		w.edges = append(w.edges, edge{kind: takes, addr: s.refers})
	}
	if s.reads != 0 && len(c.pointersIn(span{s.reads, s.reads + uint64(s.width)})) > 0 {
		for a := s.reads; a < s.reads+uint64(s.width); a += 8 {
			w.edges = append(w.edges, edge{kind: reads, addr: a})
		}
	}
}

// mayMatter reports whether an address is of code, or of data with pointers.
func (c *code) mayMatter(addr uint64) bool {
	if c.code(addr) {
		if i := find(c.functions, addr); i >= 0 && c.fixed && c.functions[i].from != addr && !c.functions[i].guessed {
			return len(c.pointersIn(span{addr, addr + 8})) > 0 // a number that looks like an address
		}
		return true
	}
	n := len(c.pointers)
	return n > 0 && addr <= c.pointers[n-1].at && c.segmentOf(addr) != nil &&
		c.segmentOf(addr).end() > c.pointers[0].at
}

// track follows addresses that code puts together from a page and an offset.
func (w *sweeper) track(s *step, abi convention) {
	base := uint64(0)
	if s.from >= 0 && s.from < sp64 {
		base = w.known[s.from]
	}
	result := uint64(0)
	switch s.form {
	case isNumber:
		result = s.value
	case isCopy:
		result = base
	case isSum:
		if base != 0 {
			result = base + s.value
			s.refers = result
		}
	case isLoad:
		if base != 0 {
			s.reads = base + s.value
		}
	}
	if s.dst >= 0 && s.dst < sp64 {
		w.known[s.dst] = result
	}
	kills := s.kills
	if s.kind == call {
		kills |= abi.clobbered
	}
	for r := range w.known {
		if kills>>r&1 == 1 {
			w.known[r] = 0
		}
	}
}

// nameFunctions gives functions the names of symbols at their start.
func (c *code) nameFunctions() {
	for _, s := range c.symbols {
		if i := find(c.functions, s.addr); i >= 0 && c.functions[i].from == s.addr && c.functions[i].name == "" {
			c.functions[i].name = s.name
		}
	}
}
