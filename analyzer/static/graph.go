package static

import (
	"cmp"
	"slices"
)

// graph says what follows from what in one file. Its nodes are functions, by
// their index, and after them objects: parts of the data that hold pointers.
type graph struct {
	*code
	objects []span
	out     [][]int32
	imports [][]int32 // by node: what it asks other files for
	handed  [][]int32 // by node: functions whose address it takes
	found   map[int]*found
	byFrom  map[uint64]int // object by its start
	edges   []uint64       // where objects begin, as far as known; sorted
}

// build makes the graph of a file's code.
func build(c *code) *graph {
	g := &graph{code: c, byFrom: map[uint64]int{}}
	g.found = c.number()
	g.out = make([][]int32, len(c.functions))
	g.imports = make([][]int32, len(c.functions))
	g.handed = make([][]int32, len(c.functions))
	g.borders()
	for i := range c.functions {
		for _, e := range c.functions[i].edges {
			g.follow(i, e)
		}
	}
	for _, s := range g.symbols {
		if s.exported && !s.function {
			g.object(s.addr)
		}
	}
	// Objects lead to objects, which are made as they are met.
	for i := 0; i < len(g.objects); i++ {
		node := len(g.functions) + i
		for _, p := range g.pointersIn(g.objects[i]) {
			g.pointer(node, p)
		}
	}
	for i := range g.out {
		slices.Sort(g.out[i])
		g.out[i] = slices.Compact(g.out[i])
		slices.Sort(g.imports[i])
		g.imports[i] = slices.Compact(g.imports[i])
	}
	return g
}

// follow adds what an edge of a function's code leads to.
func (g *graph) follow(node int, e edge) {
	switch e.kind {
	case calls:
		g.add(node, g.lookup(e.addr))
	case via:
		g.add(node, g.slot(e.addr))
	case takes:
		g.taken(node, e.addr)
	case reads:
		for _, p := range g.pointersIn(span{e.addr, e.addr + 8}) {
			g.pointer(node, p)
		}
	}
}

func (g *graph) add(node int, t target) {
	if t.function >= 0 {
		g.out[node] = append(g.out[node], int32(t.function))
	}
	if t.imported >= 0 {
		g.imports[node] = append(g.imports[node], int32(t.imported))
	}
}

// pointer adds what a pointer in memory leads to.
func (g *graph) pointer(node int, p reloc) {
	if p.symbol >= 0 {
		g.imports[node] = append(g.imports[node], int32(p.symbol))
	}
	if p.to != 0 {
		g.taken(node, p.to)
	}
}

// taken adds what an address leads to that is put in a register or in memory:
// what it points to can be called or read from then on.
func (g *graph) taken(node int, addr uint64) {
	if g.image.code(addr) {
		t := g.lookup(addr)
		if t.function >= 0 || t.imported >= 0 {
			g.add(node, t)
			if t.function >= 0 {
				g.handed[node] = append(g.handed[node], int32(t.function))
			}
			return
		}
	}
	if o := g.object(addr); o >= 0 {
		g.out[node] = append(g.out[node], int32(o))
	}
}

// alignment is what compilers give objects that are large enough to be more
// than a few words. An address between two such places is one inside of an
// object, or of a small one.
const alignment = 32

// borders finds where objects begin.
func (g *graph) borders() {
	begin := func(addr uint64) {
		if addr%alignment == 0 {
			g.edges = append(g.edges, addr)
		}
	}
	for _, p := range g.pointers {
		begin(p.to)
	}
	for i := range g.functions {
		for _, e := range g.functions[i].edges {
			if e.kind == takes {
				begin(e.addr)
			}
		}
	}
	for _, s := range g.symbols {
		if !s.function {
			g.edges = append(g.edges, s.addr)
		}
	}
	slices.Sort(g.edges)
	g.edges = slices.Compact(g.edges)
}

// object returns the node of what is at an address of the data, or -1 where
// no pointer is in it.
func (g *graph) object(addr uint64) int {
	s := g.objectSpan(addr)
	if len(g.pointersIn(s)) == 0 {
		return -1
	}
	if o, ok := g.byFrom[s.from]; ok {
		return o
	}
	g.objects = append(g.objects, s)
	g.out = append(g.out, nil)
	g.imports = append(g.imports, nil)
	g.handed = append(g.handed, nil)
	o := len(g.functions) + len(g.objects) - 1
	g.byFrom[s.from] = o
	return o
}

// objectSpan is what can be reached from an address: the symbol's own data
// where there is a symbol, or else as far as the next object's start.
func (g *graph) objectSpan(addr uint64) span {
	i, exact := slices.BinarySearchFunc(g.symbols, addr, func(s symbol, a uint64) int { return cmp.Compare(s.addr, a) })
	if !exact {
		i--
	}
	for j := i; j >= 0 && j < len(g.symbols) && (j == i || g.symbols[j].addr == g.symbols[i].addr || exact && j < i+8); j++ {
		if s := g.symbols[j]; !s.function && s.size > 0 && addr >= s.addr && addr-s.addr < s.size {
			return span{s.addr, s.addr + s.size}
		}
	}
	n, found := slices.BinarySearch(g.edges, addr)
	if found {
		n++
	}
	end := ^uint64(0)
	if s := g.segmentOf(addr); s != nil {
		end = s.end()
	}
	if n < len(g.edges) {
		end = min(end, g.edges[n])
	}
	return span{addr, end}
}

// nodes are those that another file reaches by a symbol.
func (g *graph) nodes(s symbol) []int {
	if s.function {
		if t := g.lookup(s.addr); t.function >= 0 {
			return []int{t.function}
		}
		return nil
	}
	if o := g.object(s.addr); o >= 0 {
		return []int{o}
	}
	return nil
}
